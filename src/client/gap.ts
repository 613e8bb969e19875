import type { Gap, GapReason } from '../wire/frames.ts'
import { decodeSaid, type PartitionCount, saysNothing, type Token } from '../wire/partition-counts.ts'
import type { Position } from '../wire/token.ts'

/** Gaps behind which everything is new, wherever they end. */
export const leadsBack: ReadonlySet<GapReason> = new Set(['rewritten', 'recreated', 'repartitioned'])

type Behind = Pick<Gap, 'after'>

/** As another tab passes it on: `after` says how it moves the place, '' = not at all. `behind` is its token, for the subscriber alone. */
export type RelayedGap = Gap & { readonly behind?: string }

const saidBehind = ({ after }: Behind): Token => (after === '' ? saysNothing : decodeSaid(after))

/** Where its reader goes on; none where that is not known. */
export const positionsOf = (frame: Behind): readonly Position[] => saidBehind(frame).positions

/** How many partitions there are, where the gap says it. */
export const countOf = (gap: Gap): PartitionCount | undefined => saidBehind(gap).counts[0]
