import {
  type After,
  decodeToken,
  encodeToken,
  growthPosition,
  isGrowth,
  type Log,
  type Position,
  parseAfter,
} from './token.ts'

/**
 * How many partitions of a log a token's holder has been told of: so a gateway sees which subjects have moved since. Only a token has it
 * as a position, in the log's growth: see `growthPartition`.
 */
export interface PartitionCount extends Log {
  readonly count: number
  /** Said by a session that reads the stream; false where it is only carried through. */
  readonly isRead: boolean
}

/** What a token says. */
export interface Token {
  readonly positions: readonly Position[]
  readonly counts: readonly PartitionCount[]
}

export const saysNothing: Token = { positions: [], counts: [] }

/** Where a client asks to start. */
export type Asked = Exclude<After, { readonly kind: 'positions' }> | ({ readonly kind: 'positions' } & Token)

export const partitionCount = (
  { nameHash, incarnationHash }: Log,
  count: number,
  { isRead }: Pick<PartitionCount, 'isRead'> = { isRead: false },
): PartitionCount => ({ nameHash, incarnationHash, count, isRead })

/** As `parseAfter`. */
export function parseAsked(after: readonly string[]): Asked {
  const parsed = parseAfter(after)
  return parsed.kind === 'positions' ? { kind: 'positions', ...saidBy(parsed.positions) } : parsed
}

/** As `decodeToken`. */
export const decodeSaid = (text: string): Token => saidBy(decodeToken(text))

/** `entries`: as they lie in a token. */
export const saidBy = (entries: readonly Position[]): Token => ({
  positions: entries.filter((entry) => !isGrowth(entry)),
  counts: entries.filter(isGrowth).map(({ nameHash, incarnationHash, offset, generation }) => {
    return { nameHash, incarnationHash, count: offset, isRead: generation === 0 }
  }),
})

export const encodeSaid = (positions: readonly Position[], counts: readonly PartitionCount[]): string =>
  encodeToken([...positions, ...counts.map((each) => growthPosition(each, each.count, each.isRead ? 0 : undefined))])
