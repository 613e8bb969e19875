import { isPattern, matches } from '../subject/subject.ts'
import type { Delivery, Gap, GapReason } from '../wire/frames.ts'
import type { Token } from '../wire/partition-counts.ts'
import { hashOf, isSameLog, keyOf, type Position, partitionKeyOf } from '../wire/token.ts'
import { countOf, leadsBack, positionsOf } from './gap.ts'
import { contradict } from './resume-point.ts'
import type { Service } from './service.ts'
import { namedKeyOf, type TrackedSubscription } from './tracked-subscription.ts'

/** Reasons of gaps that may report a new partition of a subscription. */
const opens: ReadonlySet<GapReason> = new Set(['repartitioned', 'unnamed'])

/** Serves a subscription on a connection with one position for all: SSE or long-poll. */
export class SharedService implements Service {
  readonly followed: TrackedSubscription
  /**
   * Number of subscriptions in the request. Positions cover all of them, even after some left.
   */
  readonly #asked: number
  readonly #leave: () => void
  /**
   * It began this connection without a position and is not live yet: all positions are its own.
   */
  #starting: boolean

  /** `leave`: requests this subscription alone, before this connection delivers anything else. */
  constructor(tracked: TrackedSubscription, asked: number, leave: () => void) {
    this.followed = tracked
    this.#asked = asked
    this.#leave = leave
    this.#starting = !tracked.hasResumePoint
  }

  delivery(delivery: Delivery, position: Position | undefined): boolean {
    const { followed: tracked } = this
    if (!matches(tracked.subject, delivery.event.subject)) return true
    // A poll's deliveries have positions, those of SSE have stream names.
    if (position === undefined) return tracked.takeNamed(delivery)
    this.#leaveIfTorn(position)
    return tracked.take(delivery, position)
  }

  gap(gap: Gap): boolean {
    const { followed: tracked } = this
    const { resumePoint } = tracked
    const hasGrown = this.#hasGrown(gap)
    if (gap.reason === 'repartitioned' && hasGrown !== undefined) {
      return hasGrown ? tracked.takeRepartitioned(gap) : true
    }
    const places = resumePoint.positions.filter(({ nameHash }) => nameHash === hashOf(gap.stream)).length
    // If the number of partitions has changed, or is unknown, its subjects may be in any
    // partition.
    const mayBeHere = opens.has(gap.reason) || (gap.reason === 'recreated' && (hasGrown ?? places > 0))
    if (!leadsBack.has(gap.reason)) for (const after of positionsOf(gap)) this.#leaveIfTorn(after)
    if (this.#starting || mayBeHere || tracked.standsIn(gap)) return tracked.takeGapIfNews(gap)
    // It has no position where its subject may be now. The gap does not give it one either. A
    // subject has one partition: with positions in several it has moved to a new or an earlier
    // one.
    const isMoved = places > 1 && !isPattern(tracked.subject)
    const isReported = isMoved || hasGrown === true || tracked.seen.has(namedKeyOf(gap))
    if (gap.reason === 'recreated') tracked.seen.delete(namedKeyOf(gap))
    return isReported ? tracked.sink.gap(gap, undefined) : true
  }

  /**
   * Handles a position that all subscriptions have reached or passed. A position in an unknown
   * partition is this one's if it was requested alone, is starting, or has received events from
   * there. Otherwise it is another one's. Returns true if this subscription is at or past the
   * position in another history: it has not received that gap, and its position stays.
   */
  stands({ positions, counts }: Token): boolean {
    const { followed: tracked } = this
    const { resumePoint } = tracked
    const torn = positions.filter((position) => this.#isTorn(position))
    const isOwn = (position: Position) =>
      this.#asked === 1 ||
      this.#starting ||
      resumePoint.at(position) !== undefined ||
      tracked.seen.has(partitionKeyOf(position))
    const own = positions.filter((position) => isOwn(position) && !torn.includes(position))
    for (const position of own) tracked.seen.get(keyOf(position))?.passed(position.offset)
    tracked.hasResumePoint ||= own.length + counts.length + resumePoint.size > 0
    tracked.move({ how: 'on', positions: own, counts })
    if (tracked.alone === 'wanted') tracked.alone = 'well'
    return torn.length > 0
  }

  becameLive(): 'live' {
    this.followed.becameLive()
    if (this.#asked === 1) this.followed.inConflict = false
    this.#starting = false
    this.followed.sink.live()
    return 'live'
  }

  /** Whether the subscription is at or past the position, in another history. */
  #isTorn(position: Position): boolean {
    const own = this.followed.resumePoint.at(position)
    return own !== undefined && own.offset >= position.offset && contradict(own, position)
  }

  /**
   * Leaves a connection that started at the lowest position of several subscriptions, from which
   * the gateway could not report the rewrite to this one. From its own position, it can.
   */
  #leaveIfTorn(position: Position): void {
    if (this.#isTorn(position) && this.followed.noteConflict(this.followed.resumePoint.at(position)!)) this.#leave()
  }

  /**
   * Whether the number of partitions differs from the known one. undefined if either is unknown,
   * or if the position in that partition is of another log: offsets and counts of the old log
   * don't contradict a gap of the new one.
   */
  #hasGrown(gap: Gap): boolean | undefined {
    const { followed: tracked } = this
    const { resumePoint } = tracked
    const now = countOf(gap)
    if (now === undefined) return undefined
    if (tracked.standsIn(gap) && !positionsOf(gap).some((after) => resumePoint.at(after))) return undefined
    // It may know several incarnations, from positions in one after the other.
    const known = resumePoint.counts.filter(({ nameHash }) => nameHash === now.nameHash)
    if (known.length === 0) return undefined
    const same = known.find((own) => isSameLog(own, now))
    return same ? same.count < now.count : known.some((own) => own.count !== now.count)
  }
}
