import { setTimeout as sleep } from 'node:timers/promises'
import type { Gateway, GatewayConfig } from '../../src/bench/carillon/gateway.ts'
import { Child } from '../../src/bench/process/child.ts'
import { type Cpu, coreWaitUs, cpuBetween, cpuOf } from '../../src/bench/process/host.ts'
import { type Metrics, quantileBound } from '../../src/bench/process/metrics.ts'
import type { LoadHandlers, Received } from '../figures/load.ts'
import type { Site } from '../figures/site.ts'
import { subjectOf } from '../figures/subjects.ts'
import type { Arrival, HerdHandlers } from './clients.ts'
import { herdPrefix } from './event.ts'
import type { FlowHandlers } from './flow.ts'
import type { Options } from './options.ts'

/** Clients that one process holds: each is a descriptor, and many systems allow 20,000. */
const clientsPerProcess = 15_000
/** Clients that connect in a second before anything is measured. */
const gentlyPerSecond = 2000
const dataBytes = 200
/** Of the subjects that the clients of figures/load.ts follow. */
const livePrefix = subjectOf(0).split('.')[0]!
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

export interface Herd {
  readonly name: string
  readonly quiet: Latency
  readonly meanwhile: Latency
  readonly arrival: Arrival
  /** Of the gateway, while the herd came back. */
  readonly cpu: Cpu
  readonly counted: Readonly<Record<'reads' | 'bytes' | 'records' | 'looked' | 'caughtUp' | 'throttledS', number>>
  /** Of the herd and of the live clients. */
  readonly lost: number
  readonly repeated: number
  readonly gaps: number
  readonly broken: number
}

interface Crowd {
  readonly gateway: Gateway
  readonly herd: readonly Child<HerdHandlers>[]
  readonly flow: Child<FlowHandlers>
  readonly live: Child<LoadHandlers>
  readonly beat: Child<FlowHandlers>
}

/** One gateway, a herd that is live, leaves, misses events and comes back at once, and live clients that are there all the time. */
export async function measureHerd(
  site: Site,
  name: string,
  options: Options,
  config: Partial<GatewayConfig>,
): Promise<Herd> {
  const gateway = await site.gateway(options.broker, `herd-${name}`, {
    config: { partitions: options.partitions, ...config },
  })
  const herd = Array.from(
    { length: Math.ceil(options.clients / clientsPerProcess) },
    () => new Child<HerdHandlers>(new URL('./clients.ts', import.meta.url), { ownSession: true }),
  )
  const flow = new Child<FlowHandlers>(new URL('./flow.ts', import.meta.url))
  const live = new Child<LoadHandlers>(new URL('../figures/load.ts', import.meta.url))
  const beat = new Child<FlowHandlers>(new URL('./flow.ts', import.meta.url))
  try {
    const crowd = { gateway, herd, flow, live, beat }
    await assemble(crowd, options)
    return await stampede(crowd, name, options)
  } finally {
    await Promise.all([...herd, flow, live, beat, gateway].map((each) => each.end()))
  }
}

/** Everybody is live, and events flow. */
async function assemble(crowd: Crowd, options: Options): Promise<void> {
  const { gateway, herd, flow, live, beat } = crowd
  const { port, configFile } = gateway
  const by = options.broker === 'embedded' ? port : undefined
  await flow.ask('open', { prefix: herdPrefix, subjects: options.subjects, dataBytes, configFile, port: by })
  await beat.ask('open', { prefix: livePrefix, subjects: options.live, dataBytes, configFile, port: by })
  await live.ask('connect', { port, transport: 'ws-proto', count: options.live, subjects: options.live })
  for (const [i, child] of herd.entries()) {
    const first = i * clientsPerProcess
    const clients = Math.min(clientsPerProcess, options.clients - first)
    await child.ask('open', { first, clients, each: options.each, port })
    await child.ask('come', Math.ceil((clients / gentlyPerSecond) * 1000))
  }
  await begin(crowd, options)
}

/** Events flow, and all that was published before has been read. */
async function begin({ flow, beat }: Crowd, { rate, live, seconds }: Options): Promise<void> {
  await flow.ask('start', rate)
  await beat.ask('start', live)
  await sleep(Math.min(maxWarmUpMs, seconds * 1000))
}

/** Returns what was published to the herd and to the live clients. */
async function halt({ flow, beat }: Crowd): Promise<[number, number]> {
  return [await flow.ask('stop', null), await beat.ask('stop', null)]
}

async function stampede(crowd: Crowd, name: string, options: Options): Promise<Herd> {
  const { gateway, herd, flow, live } = crowd
  const quiet = await latencyOf(crowd, () => sleep(options.seconds * 1000))
  await halt(crowd)
  await Promise.all(herd.map((child) => child.ask('leave', null)))
  await gateway.until(
    'let go of the herd',
    async () => (await gateway.metrics()).sum('carillon_sessions') === options.live,
  )
  await flow.ask('burst', options.missed)
  await begin(crowd, options)
  const before = await gateway.metrics()
  const cpuBefore = cpuOf(gateway.pid)
  let arrivals: Arrival[] = []
  const meanwhile = await latencyOf(crowd, async () => {
    arrivals = await Promise.all(herd.map((child) => child.ask('come', options.withinMs)))
  })
  const cpu = cpuBetween(cpuBefore, cpuOf(gateway.pid))
  const counted = countsBetween(before, await gateway.metrics())
  const [published, beats] = await halt(crowd)
  const lacking = await settled(crowd, published, options.subjects, beats)
  const got = await live.ask('received', null)
  const tallies = await Promise.all(herd.map((child) => child.ask('tally', null)))
  const sum = (of: 'repeated' | 'gaps' | 'broken') => tallies.reduce((all, tally) => all + tally[of], 0)
  return {
    name,
    quiet,
    meanwhile,
    arrival: joined(arrivals),
    cpu,
    counted,
    lost: lacking,
    repeated: sum('repeated') + got.repeated,
    gaps: sum('gaps'),
    broken: sum('broken') + got.gone,
  }
}

async function latencyOf({ gateway, live }: Crowd, during: () => Promise<unknown>): Promise<Latency> {
  const before = await gateway.metrics()
  const [startMs, waitBefore] = [performance.now(), coreWaitUs(gateway.pid)]
  await live.ask('time', null)
  await during()
  const { p50Us, p99Us, maxUs }: Received = await live.ask('received', null)
  const coreWait = (coreWaitUs(gateway.pid) - waitBefore) / 1000 / (performance.now() - startMs)
  const after = await gateway.metrics()
  const p99 = (metric: string) => quantileBound(before.buckets(metric), after.buckets(metric), 0.99)
  return {
    p50Us,
    p99Us,
    maxUs,
    writtenP99: p99('carillon_publish_to_written_seconds'),
    readToWrittenP99: p99('carillon_read_to_written_seconds'),
    loopDelayP99: p99('nodejs_eventloop_delay_seconds'),
    coreWait,
  }
}

function countsBetween(before: Metrics, after: Metrics): Herd['counted'] {
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

/** Events that have not come to the herd or to the live clients, although there was time. */
async function settled({ herd, live }: Crowd, published: number, subjects: number, beats: number): Promise<number> {
  const end = performance.now() + settleMs
  for (;;) {
    const lacking = await Promise.all(herd.map((child) => child.ask('lacking', { published, subjects })))
    const { events, repeated } = await live.ask('received', null)
    const all = lacking.reduce((sum, each) => sum + each, beats - (events - repeated))
    if (all === 0 || performance.now() > end) return all
    await sleep(100)
  }
}

function joined(arrivals: readonly Arrival[]): Arrival {
  return {
    allLiveMs: Math.max(...arrivals.map(({ allLiveMs }) => allLiveMs)),
    begunMs: Math.max(...arrivals.map(({ begunMs }) => begunMs)),
    times: arrivals.flatMap(({ times }) => times).sort((a, b) => a - b),
  }
}
