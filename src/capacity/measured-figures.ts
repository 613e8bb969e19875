import { CarillonError } from '../base/errors.ts'
import type { HostFigures } from './host-figures.ts'

/** What a gateway used at a steady rate of events, each to one client or none. */
export interface SteadyRun {
  /** A second. */
  readonly events: number
  readonly deliveries: number
  /** Cores' worth of CPU time that the gateway used. */
  readonly cores: number
}

/** What was measured on one host, on one gateway at a time. */
export interface Runs {
  /** Events that hardly anybody follows, at a low and at a higher rate. */
  readonly low: SteadyRun
  readonly high: SteadyRun
  /** Each event goes to one of `clients`. */
  readonly unicast: SteadyRun
  readonly clients: number
  /** What a client added to the gateway's memory and, one end, to the kernel's; and what it took of CPU to come, microseconds. */
  readonly residentBytes: number
  readonly kernelBytes: number
  readonly connectUs: number
  /** The gateway before they came, MiB. */
  readonly processMiB: number
  /** The highest rate that kept the 99th percentile, what that was, and how much of a core it took; absent where none did. */
  readonly best?: { readonly rate: number; readonly p99Ms: number; readonly cores: number } | undefined
}

/** What the measured host gives a gateway. */
export interface HostSize {
  /** Whole ones. */
  readonly cores: number
  readonly memoryBytes: number
  /** Of its fastest card; undefined = no card says its speed. */
  readonly nicGbps: number | undefined
  readonly descriptors: number
}

/** A card that does not say its speed is taken for one of so many gigabits a second. */
const defaultGbps = 10
/** Times below this come of a difference between runs that agree on no more, microseconds. */
const leastUs = 0.01

/**
 * The figures of this host. What a delivery costs more with more clients is not in them: with as few connections as one host's loopback has,
 * a difference between runs says more of the runs. Throws `overloaded` where the runs contradict each other, as on a busy host.
 */
export function figuresOfRuns(runs: Runs, host: HostSize, source: string): HostFigures {
  const { low, high, unicast, best } = runs
  const eventUs = Math.max(leastUs, ((high.cores - low.cores) / (high.events - low.events)) * 1e6)
  const idleCores = Math.max(0, low.cores - low.events * eventUs * 1e-6)
  const intake = idleCores + unicast.events * eventUs * 1e-6
  const deliveryUs = ((unicast.cores - intake) / unicast.deliveries) * 1e6
  for (const [what, value] of Object.entries({
    deliveryUs,
    residentBytes: runs.residentBytes,
    connectUs: runs.connectUs,
  })) {
    if (Number.isFinite(value) && value > 0) continue
    throw new CarillonError(
      'overloaded',
      `expected to measure ${what}, got ${value}: something else uses this host; measure again when it is quiet`,
    )
  }
  return {
    source,
    cores: host.cores,
    memoryGiB: rounded(host.memoryBytes / 2 ** 30),
    nicGbps: host.nicGbps ?? defaultGbps,
    gateway: { cores: 1, descriptors: host.descriptors, processMiB: Math.ceil(runs.processMiB) },
    cpu: {
      idleCores: rounded(idleCores),
      eventUs: rounded(eventUs),
      deliveryUs: rounded(deliveryUs),
      deliveryUsPerMillionClients: 0,
      connectUs: rounded(runs.connectUs),
    },
    memory: { residentBytes: Math.round(runs.residentBytes), kernelBytes: Math.max(0, Math.round(runs.kernelBytes)) },
    ...(best === undefined ? {} : { latency: { p99Ms: rounded(best.p99Ms), cpuShare: rounded(best.cores) } }),
  }
}

const rounded = (value: number) => Number(value.toPrecision(3))

/** What people ask first, from the same runs. */
export interface Headline {
  readonly connectionsPerGiB: number
  /** Deliveries a second for each core that they took; undefined where no rate kept the 99th percentile. */
  readonly deliveriesPerCore: number | undefined
}

export function headlineOf({ memory }: HostFigures, { best }: Runs): Headline {
  return {
    connectionsPerGiB: Math.floor(2 ** 30 / (memory.residentBytes + memory.kernelBytes)),
    deliveriesPerCore: best === undefined ? undefined : Math.round(best.rate / best.cores),
  }
}
