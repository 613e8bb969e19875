import { decodeToken, hashOf } from '../../src/wire/token.ts'
import type { SimBroker } from './broker.ts'
import type { Format } from './formats.ts'
import type { LogOwner } from './log-owner.ts'
import type { Publishers } from './publisher.ts'
import type { Truth } from './truth.ts'

/** Plan of a stream and its routes. */
export interface StreamPlan {
  readonly name: string
  /** Patterns. No two streams share a subject. */
  readonly subjects: readonly string[]
  readonly partitions: number
  /** Format of the records' values. */
  readonly format: Format
  /**
   * `any` = a subject's records are in all partitions; undefined = in the partition of its hash.
   */
  readonly by?: 'any'
}

/** One stream of a history: its logs, its publishers and the written records. */
export interface SimStream {
  readonly name: string
  readonly nameHash: number
  readonly format: Format
  readonly broker: SimBroker
  readonly truth: Truth
  readonly owner: LogOwner
  readonly publishers: Publishers
}

export const simStream = (parts: Omit<SimStream, 'nameHash'>): SimStream => ({ ...parts, nameHash: hashOf(parts.name) })

/**
 * Returns the stream of a delivery or gap: the one that it names, else the one of its only
 * position.
 */
export function streamOf<T extends Pick<SimStream, 'name' | 'nameHash'>>(
  streams: readonly T[],
  { stream, after }: { readonly stream?: string | undefined; readonly after: string },
): T | undefined {
  if (stream !== undefined && stream !== '') return streams.find(({ name }) => name === stream)
  if (after === '') return undefined
  const [position] = decodeToken(after)
  return streams.find(({ nameHash }) => nameHash === position?.nameHash)
}
