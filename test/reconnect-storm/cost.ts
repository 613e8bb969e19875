import type { Gateway } from '../../src/bench/carillon/gateway.ts'
import { Generator } from '../../src/bench/load/generator.ts'
import { loadOf } from '../../src/bench/load/scenario.ts'
import { LoneClient } from '../figures/lone-client.ts'
import type { Site } from '../figures/site.ts'
import type { Row } from '../figures/table.ts'
import type { Options } from './options.ts'

/** One partition with little memory, so that each tier is met soon, and a cache of two chunks, so that nobody finds another's. */
const config = {
  partitions: 1,
  window: { windowMiB: 1, indexMiB: 1 },
  readBack: { cacheMiB: 1 },
  limits: { maxEventBytes: 200_000 },
}
const payloadBytes = 200
/** One event in so many is of the subject that is followed. */
const subjects = 500
/** Of all subjects of the run. */
const subject = 'bench.cost.s0000000'
const pattern = 'bench.*.s0000000'
/** Events missed: such that are in memory; that the index knows; that it has forgotten. */
const tiers = { memory: 1000, index: 20_000, scan: 200_000 } as const
type Tier = keyof typeof tiers
/** The first readings are slower by what is compiled and opened meanwhile. */
const readings = 3

/** What it costs to come back after k events of one partition, by where they are and how they are asked for. */
export async function measureCost(site: Site, { broker }: Options): Promise<Row[]> {
  const gateway = await site.gateway(broker, 'storm-cost', { config })
  const flow = new Generator({ ...loadOf('unicast', { clients: 0, payloadBytes }), subjects }, 'cost')
  try {
    await flow.openPublisher(gateway.reach('ws-json'))
    const tokens = await publish(gateway, flow)
    const rows: Row[] = []
    for (const tier of ['memory', 'index', 'scan'] as const) {
      rows.push(await cost(gateway, tier, { asked: 'one subject', subject }, tokens[tier]))
      rows.push(await cost(gateway, tier, { asked: 'a pattern', subject: pattern }, tokens[tier]))
    }
    return rows
  } finally {
    await Promise.all([flow.close(), gateway.end()])
  }
}

interface Question {
  readonly asked: string
  readonly subject: string
}

/** Publishes all that will be missed, and has the position before each part of it. */
async function publish(gateway: Gateway, flow: Generator): Promise<Record<Tier, string>> {
  let published = 0
  const tokenBefore = async (count: number) => {
    const { token } = await follow(gateway, subject, '')
    await flow.burst(count)
    published += count
    await gateway.until('has read what was published', async () => {
      return (await gateway.metrics()).sum('carillon_events_in_total') >= published
    })
    return token
  }
  const scan = await tokenBefore(tiers.scan - tiers.index)
  const index = await tokenBefore(tiers.index - tiers.memory)
  return { scan, index, memory: await tokenBefore(tiers.memory) }
}

async function cost(gateway: Gateway, tier: Tier, { asked, subject }: Question, token: string): Promise<Row> {
  for (let i = 1; i < readings; i++) await follow(gateway, subject, token)
  const before = await gateway.metrics()
  const { events, ms } = await follow(gateway, subject, token)
  const after = await gateway.metrics()
  const count = (metric: string) => after.sum(metric) - before.sum(metric)
  return {
    'missed, of it': tier,
    asked,
    'events missed': tiers[tier],
    given: events,
    'looked at': count('carillon_catch_up_scanned_total'),
    'range reads': count('carillon_read_backs_total'),
    'KiB read': count('carillon_read_back_bytes_total') / 1024,
    'until live ms': ms,
  }
}

/** Connects, is live, and leaves. */
async function follow(
  gateway: Gateway,
  subject: string,
  token: string,
): Promise<{ token: string; events: number; ms: number }> {
  const client = new LoneClient({ conversation: 'ws-json', subject, token })
  const ms = await client.come(gateway.port)
  client.leave()
  await gateway.until('let go of the client', async () => (await gateway.metrics()).sum('carillon_sessions') === 0)
  return { token: client.token, events: client.events, ms }
}
