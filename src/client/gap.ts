import type { Gap, GapReason } from '../wire/frames.ts'
import { decodeSaid, type PartitionCount, saysNothing, type Token } from '../wire/partition-counts.ts'
import type { Position } from '../wire/token.ts'

/** Reasons of gaps after which everything is new, at whatever offset they end. */
export const leadsBack: ReadonlySet<GapReason> = new Set(['rewritten', 'recreated', 'repartitioned'])

type Behind = Pick<Gap, 'after'>

/**
 * A gap as a leader tab relays it. `after` is the position change for the follower, '' = none.
 * `behind` is the gap's own token, for the subscriber only.
 */
export type RelayedGap = Gap & { readonly behind?: string }

const saidBehind = ({ after }: Behind): Token => (after === '' ? saysNothing : decodeSaid(after))

/** Returns the positions after a delivery or gap; empty if unknown. */
export const positionsOf = (frame: Behind): readonly Position[] => saidBehind(frame).positions

/** Returns the number of partitions, if the gap reports it. */
export const countOf = (gap: Gap): PartitionCount | undefined => saidBehind(gap).counts[0]
