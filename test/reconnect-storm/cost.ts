import type { Gateway } from '../../src/bench/carillon/gateway.ts'
import { Generator } from '../../src/bench/load/generator.ts'
import { loadOf } from '../../src/bench/load/scenario.ts'
import { LoneClient } from '../figures/lone-client.ts'
import type { Site } from '../figures/site.ts'
import type { Row } from '../figures/table.ts'
import type { Options } from './options.ts'

/**
 * One partition with little memory, so that few events reach each tier, and a cache of two
 * chunks, so that no reading profits from an earlier one.
 */
const config = {
  partitions: 1,
  window: { windowMiB: 1, indexMiB: 1 },
  readBack: { cacheMiB: 1 },
  limits: { maxEventBytes: 200_000 },
}
const payloadBytes = 200
/** Number of subjects: one event in this many has the followed subject. */
const subjects = 500
/** The followed subject, one of the run's. */
const subject = 'bench.cost.s0000000'
const pattern = 'bench.*.s0000000'
/** Numbers of missed events: still in memory, still in the index, no longer in the index. */
const tiers = { memory: 1000, index: 20_000, scan: 200_000 } as const
type Tier = keyof typeof tiers
/**
 * Number of readings. The first ones are slower, because code is compiled and files are opened.
 */
const readings = 3

/**
 * Measures the cost of a resume after k events of one partition, by where they are stored and how
 * the client subscribes.
 */
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

/** Publishes all events that will be missed. Returns the token before each tier's events. */
async function publish(gateway: Gateway, flow: Generator): Promise<Record<Tier, string>> {
  let published = 0
  const tokenBefore = async (count: number) => {
    const { token } = await follow(gateway, subject, '')
    await flow.burst(count)
    published += count
    await gateway.until('has read the published events', async () => {
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

/** Connects a client, waits until it is live, and disconnects it. */
async function follow(
  gateway: Gateway,
  subject: string,
  token: string,
): Promise<{ token: string; events: number; ms: number }> {
  const client = new LoneClient({ conversation: 'ws-json', subject, token })
  const ms = await client.come(gateway.port)
  client.leave()
  await gateway.until('released the client', async () => (await gateway.metrics()).sum('carillon_sessions') === 0)
  return { token: client.token, events: client.events, ms }
}
