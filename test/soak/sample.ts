import { readFileSync } from 'node:fs'
import type { Gateway } from '../../src/bench/carillon/gateway.ts'
import { cpuOf } from '../../src/bench/process/host.ts'
import type { Metrics } from '../../src/bench/process/metrics.ts'

/** The gateway's memory and load at one moment. Sizes in MiB. */
export interface Sample {
  readonly seconds: number
  /** Resident memory of the process, including pages of the embedded log's file. */
  readonly resident: number
  /**
   * Resident memory without files: JavaScript heap, buffers, sockets' structures. Must not grow.
   */
  readonly anonymous: number
  readonly files: number
  readonly heapUsed: number
  readonly external: number
  /** JavaScript heap after a full garbage collection; undefined = no collection. */
  readonly liveHeap: number | undefined
  readonly sessions: number
  readonly behind: number
  readonly subscriptions: number
  /** Connections opened since the start. */
  readonly opened: number
  readonly delivered: number
  readonly caughtUp: number
  readonly readBacks: number
  readonly gaps: number
  readonly refused: number
  readonly cpuSeconds: number
}

const mebi = 2 ** 20

export async function sample(gateway: Gateway, startMs: number, collect: boolean): Promise<Sample> {
  const metrics = await gateway.metrics()
  const memory = rollup(gateway.pid)
  const sum = (name: string) => metrics.sum(`carillon_${name}`)
  return {
    seconds: (performance.now() - startMs) / 1000,
    ...memory,
    heapUsed: metrics.sum('nodejs_heap_size_used_bytes') / mebi,
    external: metrics.sum('nodejs_external_memory_bytes') / mebi,
    liveHeap: collect ? await liveHeap(gateway) : undefined,
    sessions: sum('sessions'),
    behind: sum('sessions_behind'),
    subscriptions: sum('subscriptions'),
    opened: sum('sessions_opened_total'),
    delivered: sum('deliveries_total'),
    caughtUp: caughtUp(metrics),
    readBacks: sum('read_backs_total'),
    gaps: sum('gaps_total'),
    refused: sum('requests_refused_total'),
    cpuSeconds: cpuOf(gateway.pid).totalUs / 1e6,
  }
}

async function liveHeap(gateway: Gateway): Promise<number> {
  await gateway.collectGarbage()
  return (await gateway.metrics()).sum('nodejs_heap_size_used_bytes') / mebi
}

function caughtUp(metrics: Metrics): number {
  return metrics.sum('carillon_catch_up_publish_to_written_seconds_count')
}

/** Reads `smaps_rollup`, the kernel's own count of pages. */
function rollup(pid: number): Pick<Sample, 'resident' | 'anonymous' | 'files'> {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const of = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) / 1024
  const [resident, anonymous] = [of('Rss'), of('Anonymous')]
  return { resident, anonymous, files: resident - anonymous }
}
