import { setTimeout as sleep } from 'node:timers/promises'
import type { Gateway, GatewayConfig } from '../../src/bench/carillon/gateway.ts'
import type { Published } from '../../src/bench/load/account.ts'
import type { Arrival } from '../../src/bench/load/clients.ts'
import { Generator } from '../../src/bench/load/generator.ts'
import type { Latencies } from '../../src/bench/load/latencies.ts'
import { monotonicUs } from '../../src/bench/load/payload.ts'
import { loadOf } from '../../src/bench/load/scenario.ts'
import { type Cpu, coreWaitUs, cpuBetween, cpuOf } from '../../src/bench/process/host.ts'
import { type Metrics, quantileBound } from '../../src/bench/process/metrics.ts'
import type { Site } from '../figures/site.ts'
import type { Options } from './options.ts'

const payloadBytes = 200
/** Compilers and caches are warm after so long, ms; a shorter run is a trial. */
const maxWarmUpMs = 3000
/** How long the last deliveries may take, ms. */
const settleMs = 20_000

/** What the live clients saw in a stretch of time, µs, and what the gateway says of it. */
export interface Latency {
  readonly p50Us: number
  readonly p99Us: number
  readonly maxUs: number
  /** By the gateway's histograms, as their buckets' bounds, seconds: from due to the write, from its read to the write, and its timers. */
  readonly writtenP99: number
  readonly readToWrittenP99: number
  readonly loopDelayP99: number
  /** Of the time, how much its main thread was ready to run while others had the cores. */
  readonly coreWait: number
}

export interface Storm {
  readonly name: string
  readonly clients: number
  readonly quiet: Latency
  readonly meanwhile: Latency
  readonly arrival: Arrival
  /** Of each client, from its connection until it was live. */
  readonly returning: Latencies
  /** Of the gateway, while the clients came back. */
  readonly cpu: Cpu
  readonly counted: Readonly<Record<'reads' | 'bytes' | 'records' | 'looked' | 'caughtUp' | 'throttledS', number>>
  /** Of those that come back and of the live clients. */
  readonly lost: number
  readonly repeated: number
  readonly gaps: number
  readonly broken: number
}

/** Clients that leave and come back, with the flow of their events, and live clients with theirs. */
interface Loads {
  readonly gateway: Gateway
  readonly storm: Generator
  readonly live: Generator
}

/** One gateway, clients that are live, leave, miss events and come back at once, and live clients that are there all the time. */
export async function measureStorm(
  site: Site,
  name: string,
  options: Options,
  config: Partial<GatewayConfig>,
): Promise<Storm> {
  const { clients, each, subjects } = options
  const gateway = await site.gateway(options.broker, `storm-${name}`, {
    config: { partitions: options.partitions, ...config },
  })
  const storm = new Generator({ ...loadOf('unicast', { clients, payloadBytes }), each, subjects }, 'storm')
  const live = new Generator(loadOf('unicast', { clients: options.live, payloadBytes }), 'live')
  try {
    const loads = { gateway, storm, live }
    await assemble(loads)
    await begin(loads, options)
    return await come(loads, name, options)
  } finally {
    await Promise.all([storm.close(), live.close(), gateway.end()])
  }
}

async function assemble({ gateway, storm, live }: Loads): Promise<void> {
  const away = gateway.reach('ws-json')
  const file = new URL('./client-process.ts', import.meta.url)
  await storm.openClients({ ...away, clients: { ...away.clients, file, ownSession: true } })
  await storm.openPublisher(away)
  const reach = gateway.reach('ws-protobuf')
  await live.openClients(reach)
  await live.openPublisher(reach)
  await live.connect()
  await storm.connect()
}

/** Events flow, and all that was published before has been read. */
async function begin({ storm, live }: Loads, { rate, live: clients, seconds }: Options): Promise<void> {
  await storm.start(rate, monotonicUs())
  await live.start(clients, monotonicUs())
  await sleep(Math.min(maxWarmUpMs, seconds * 1000))
}

async function come(loads: Loads, name: string, options: Options): Promise<Storm> {
  const { gateway, storm, live } = loads
  const quiet = await latencyOf(loads, () => sleep(options.seconds * 1000))
  await Promise.all([storm.stop(), live.stop()])
  await storm.leave()
  await gateway.until('let go of the clients', async () => {
    return (await gateway.metrics()).sum('carillon_sessions') === options.live
  })
  await storm.burst(options.missed)
  await begin(loads, options)
  const before = await gateway.metrics()
  const cpuBefore = cpuOf(gateway.pid)
  let arrival: Arrival = { begunMs: 0, allLiveMs: 0 }
  const meanwhile = await latencyOf(loads, async () => {
    arrival = await storm.come(options.within)
  })
  const cpu = cpuBetween(cpuBefore, cpuOf(gateway.pid))
  const counted = countsBetween(before, await gateway.metrics())
  const lost = await settled(loads, await Promise.all([storm.stop(), live.stop()]))
  const received = await Promise.all([storm.received(), live.received()])
  const sum = (of: 'repeated' | 'gaps' | 'broken' | 'refused') => received.reduce((all, each) => all + each[of], 0)
  return {
    name,
    clients: options.clients,
    quiet,
    meanwhile,
    arrival,
    returning: received[0].returning,
    cpu,
    counted,
    lost,
    repeated: sum('repeated'),
    gaps: sum('gaps'),
    broken: sum('broken') + sum('refused'),
  }
}

async function latencyOf({ gateway, live }: Loads, during: () => Promise<unknown>): Promise<Latency> {
  const before = await gateway.metrics()
  const [startMs, waitBefore] = [performance.now(), coreWaitUs(gateway.pid)]
  await live.window(monotonicUs(), Number.POSITIVE_INFINITY)
  await during()
  const { live: latencies } = await live.received()
  const coreWait = (coreWaitUs(gateway.pid) - waitBefore) / 1000 / (performance.now() - startMs)
  const after = await gateway.metrics()
  const p99 = (metric: string) => quantileBound(before.buckets(metric), after.buckets(metric), 0.99)
  return {
    p50Us: latencies.quantileUs(0.5),
    p99Us: latencies.quantileUs(0.99),
    maxUs: latencies.maxUs,
    writtenP99: p99('carillon_publish_to_written_seconds'),
    readToWrittenP99: p99('carillon_read_to_written_seconds'),
    loopDelayP99: p99('nodejs_eventloop_delay_seconds'),
    coreWait,
  }
}

function countsBetween(before: Metrics, after: Metrics): Storm['counted'] {
  const count = (metric: string) => after.sum(metric) - before.sum(metric)
  return {
    reads: count('carillon_read_backs_total'),
    bytes: count('carillon_read_back_bytes_total'),
    records: count('carillon_read_back_records_total'),
    looked: count('carillon_catch_up_scanned_total'),
    caughtUp:
      after.sum('carillon_deliveries_total', 'mode="catch_up"') -
      before.sum('carillon_deliveries_total', 'mode="catch_up"'),
    throttledS: count('carillon_read_back_throttled_seconds_total'),
  }
}

/** Events that have not come to those who came back or to the live clients, although there was time. */
async function settled({ storm, live }: Loads, published: readonly [Published, Published]): Promise<number> {
  const endMs = performance.now() + settleMs
  for (;;) {
    const found = await Promise.all([storm.lacking(published[0]), live.lacking(published[1])])
    const late = found.reduce((sum, each) => sum + each.late, 0)
    if (late === 0 || performance.now() > endMs) return found.reduce((sum, { lost, told }) => sum + lost + told, late)
    await sleep(100)
  }
}
