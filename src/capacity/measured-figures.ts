import { CarillonError } from '../base/errors.ts'
import type { HostFigures } from './host-figures.ts'

/** CPU that a gateway used at a steady rate of events, each for one client or none. */
export interface SteadyRun {
  /** Events and deliveries a second. */
  readonly events: number
  readonly deliveries: number
  /** Cores that the gateway used. */
  readonly cores: number
}

/** Measurements on one host, of one gateway at a time. */
export interface Runs {
  /** Events with few subscribers, at a low and at a higher rate. */
  readonly low: SteadyRun
  readonly high: SteadyRun
  /** Each event goes to one of `clients`. */
  readonly unicast: SteadyRun
  readonly clients: number
  /**
   * Memory that a client added to the gateway and (one end) to the kernel, bytes, and CPU time of
   * its connection, microseconds.
   */
  readonly residentBytes: number
  readonly kernelBytes: number
  readonly connectUs: number
  /** Memory of the gateway before clients connected, MiB. */
  readonly processMiB: number
  /**
   * Highest rate that met the 99th percentile, the percentile at that rate, and the cores used;
   * absent if no rate did.
   */
  readonly best?: { readonly rate: number; readonly p99Ms: number; readonly cores: number } | undefined
}

/** Resources of the measured host for a gateway. */
export interface HostSize {
  /** Whole cores. */
  readonly cores: number
  readonly memoryBytes: number
  /** Speed of its fastest card; undefined = no card reports its speed. */
  readonly nicGbps: number | undefined
  readonly descriptors: number
}

/** Assumed speed of a card that does not report it, gigabits a second. */
const defaultGbps = 10
/** Minimum time, microseconds: smaller values are differences between runs within their error. */
const leastUs = 0.01

/**
 * Returns the figures of this host. They do not include the growth of a delivery's cost with the
 * number of clients: with as few connections as the loopback of one host allows, a difference
 * between runs is mostly noise. Throws `overloaded` if the runs contradict each other, as on a
 * busy host.
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

/** The figures that people ask for first, from the same runs. */
export interface Headline {
  readonly connectionsPerGiB: number
  /** Deliveries a second for each core used; undefined if no rate met the 99th percentile. */
  readonly deliveriesPerCore: number | undefined
}

export function headlineOf({ memory }: HostFigures, { best }: Runs): Headline {
  return {
    connectionsPerGiB: Math.floor(2 ** 30 / (memory.residentBytes + memory.kernelBytes)),
    deliveriesPerCore: best === undefined ? undefined : Math.round(best.rate / best.cores),
  }
}
