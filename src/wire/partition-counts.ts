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
 * How many partitions of a log were reported to a token's holder. From it a gateway sees which
 * subjects have moved since. A token encodes it as a position in the log's growth; see
 * `growthPartition`.
 */
export interface PartitionCount extends Log {
  readonly count: number
  /**
   * True if set by a session that reads the stream; false if the token only carries it through.
   */
  readonly isRead: boolean
}

/** The decoded contents of a token. */
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

/** Parses like `parseAfter`, with partition counts separated from positions. */
export function parseAsked(after: readonly string[]): Asked {
  const parsed = parseAfter(after)
  return parsed.kind === 'positions' ? { kind: 'positions', ...saidBy(parsed.positions) } : parsed
}

/** Decodes like `decodeToken`, with partition counts separated from positions. */
export const decodeSaid = (text: string): Token => saidBy(decodeToken(text))

/** Separates partition counts from positions; `entries` are a token's entries in their order. */
export const saidBy = (entries: readonly Position[]): Token => ({
  positions: entries.filter((entry) => !isGrowth(entry)),
  counts: entries.filter(isGrowth).map(({ nameHash, incarnationHash, offset, generation }) => {
    return { nameHash, incarnationHash, count: offset, isRead: generation === 0 }
  }),
})

export const encodeSaid = (positions: readonly Position[], counts: readonly PartitionCount[]): string =>
  encodeToken([...positions, ...counts.map((each) => growthPosition(each, each.count, each.isRead ? 0 : undefined))])
