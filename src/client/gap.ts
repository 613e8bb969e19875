import type { Gap, GapReason } from '../wire/frames.ts'
import { decodeToken, isGrowth, type Position } from '../wire/token.ts'

/** Gaps behind which everything is new, wherever they end. */
export const leadsBack: ReadonlySet<GapReason> = new Set(['rewritten', 'recreated', 'repartitioned'])

/** Where its reader goes on; none where that is not known. */
export const positionsOf = ({ after }: Gap): Position[] =>
  after === '' ? [] : decodeToken(after).filter((position) => !isGrowth(position))

/** How many partitions there are, where the gap says it. */
export const growthOf = ({ after }: Gap): Position | undefined =>
  after === '' ? undefined : decodeToken(after).find(isGrowth)
