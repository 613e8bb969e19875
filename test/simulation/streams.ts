import { decodeToken, hashOf } from '../../src/wire/token.ts'
import type { SimBroker } from './broker.ts'
import type { Format } from './formats.ts'
import type { LogOwner } from './log-owner.ts'
import type { Publishers } from './publisher.ts'
import type { Truth } from './truth.ts'

/** A stream before it is, and what its routes are for. */
export interface StreamPlan {
  readonly name: string
  /** Patterns; no two of all streams have a subject in common. */
  readonly subjects: readonly string[]
  readonly partitions: number
  /** Of the values of its records. */
  readonly format: Format
  /** A subject's records are in all of its partitions; absent = each in the one of its hash. */
  readonly by?: 'any'
}

/** One stream of a history: its logs, who writes to them, and what was written. */
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

/** The stream of a delivery or gap: the one that it names, else that of its one position. */
export function streamOf<T extends Pick<SimStream, 'name' | 'nameHash'>>(
  streams: readonly T[],
  { stream, after }: { readonly stream?: string | undefined; readonly after: string },
): T | undefined {
  if (stream !== undefined && stream !== '') return streams.find(({ name }) => name === stream)
  if (after === '') return undefined
  const [position] = decodeToken(after)
  return streams.find(({ nameHash }) => nameHash === position?.nameHash)
}
