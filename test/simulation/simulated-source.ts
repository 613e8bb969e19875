import type { Random } from '../../src/base/random.ts'
import type { Generations } from '../../src/log/record.ts'
import type { Source } from '../../src/source/source.ts'
import type { SimBroker } from './broker.ts'
import type { LogOwner } from './log-owner.ts'
import type { Truth } from './truth.ts'
import type { Verdict } from './verdict.ts'
import type { Process, VirtualTime } from './virtual-time.ts'

/** A gateway's source as a history handles it: what stands behind it is a model of the broker at some depth. */
export interface SimulatedSource extends Source {
  /** The way to the broker opens or closes. */
  setAway(away: boolean): void
  /** Upper bound of what a request takes each way, ms. */
  latencyMs: number
  /** Whether readers hear of a rewrite also where retention has taken its place since: a real broker knows nothing of that any more. */
  readonly tellsGoneRewrites: boolean
}

/** Which part of a broker fails, and how: the cluster takes that from the three numbers in [0, 1). */
export interface BrokerFault {
  readonly x: number
  readonly y: number
  readonly z: number
}

/** The broker as gateways reach it: its logs are the history's, what lies between is this. */
export interface SimulatedCluster {
  /** The source of one gateway; `batch` is how many records an answer has at most. */
  open(process: Process, random: Random, batch: number): SimulatedSource
  /** A fault that only this kind of broker has; returns what happened, for the story. Absent where there is none. */
  fault?(fault: BrokerFault): string
  /** All faults of its own kind end. */
  heal?(): void
  /** Its log is in a gateway's own process, which writes it. Absent where the broker is apart. */
  readonly owner?: LogOwner | undefined
  /** Only one process at a time may open it, and one has. */
  readonly isTaken?: boolean
  /** What it should have done by the end; undefined = all of it. */
  unfinished?(): string | undefined
}

/** What a cluster is built on. */
export interface ClusterSurroundings {
  readonly time: VirtualTime
  readonly broker: SimBroker
  readonly truth: Truth
  readonly verdict: Verdict
  readonly seed: number
  /** Ends the gateway that runs there, at this moment; another one takes its place. */
  crash(process: Process): void
}

/** Each kind of cluster, and the generations of its records; undefined = the seed draws them. */
export const sourceKinds = {
  model: undefined,
  jetstream: 'times',
  kafka: 'ranges',
  embedded: 'ranges',
} as const satisfies Record<string, Generations | undefined>
export type SourceKind = keyof typeof sourceKinds
