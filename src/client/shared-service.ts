import { isPattern, matches } from '../subject/subject.ts'
import type { Delivery, Gap, GapReason } from '../wire/frames.ts'
import type { Token } from '../wire/partition-counts.ts'
import { hashOf, isSameLog, keyOf, type Position, partitionKeyOf } from '../wire/token.ts'
import { countOf, leadsBack, positionsOf } from './gap.ts'
import { contradict } from './resume-point.ts'
import type { Service } from './service.ts'
import { namedKeyOf, type TrackedSubscription } from './tracked-subscription.ts'

/** Gaps that may tell of a partition in which one stands from now on. */
const opens: ReadonlySet<GapReason> = new Set(['repartitioned', 'unnamed'])

/** On a connection on which all subscriptions share one position: SSE or long-poll. */
export class SharedService implements Service {
  readonly followed: TrackedSubscription
  /** How many the request named: its positions are of all of them, also once some have left. */
  readonly #asked: number
  readonly #leave: () => void
  /** It has asked for its start, and is not live yet: whatever positions it is told on this connection are its own. */
  #starting: boolean

  /** `leave`: it is to be asked for alone, before this connection brings anything else. */
  constructor(tracked: TrackedSubscription, asked: number, leave: () => void) {
    this.followed = tracked
    this.#asked = asked
    this.#leave = leave
    this.#starting = !tracked.hasResumePoint
  }

  delivery(delivery: Delivery, position: Position | undefined): boolean {
    const { followed: tracked } = this
    if (!matches(tracked.subject, delivery.event.subject)) return true
    // A poll says positions, SSE names.
    if (position === undefined) return tracked.takeNamed(delivery)
    this.#leaveIfTorn(position)
    return tracked.take(delivery, position)
  }

  gap(gap: Gap): boolean {
    const { followed: tracked } = this
    const { resumePoint: place } = tracked
    const hasGrown = this.#hasGrown(gap)
    if (gap.reason === 'repartitioned' && hasGrown !== undefined) {
      return hasGrown ? tracked.takeRepartitioned(gap) : true
    }
    const places = place.positions.filter(({ nameHash }) => nameHash === hashOf(gap.stream)).length
    // With another number of partitions its subjects may be in any of them, and so where its place does not say how many there were.
    const mayBeHere = opens.has(gap.reason) || (gap.reason === 'recreated' && (hasGrown ?? places > 0))
    if (!leadsBack.has(gap.reason)) for (const after of positionsOf(gap)) this.#leaveIfTorn(after)
    if (this.#starting || mayBeHere || tracked.standsIn(gap)) return tracked.takeGapIfNews(gap)
    // Its place may not name where its subject is now; that is no place of its own all the same.
    // A subject has one partition: with places in several of the stream it has moved, to a new one or to one of before.
    const isMoved = places > 1 && !isPattern(tracked.subject)
    const isTold = isMoved || hasGrown === true || tracked.seen.has(namedKeyOf(gap))
    if (gap.reason === 'recreated') tracked.seen.delete(namedKeyOf(gap))
    return isTold ? tracked.sink.gap(gap, undefined) : true
  }

  /**
   * All stand there, or further on. A position in a partition that it did not know is its own when it was asked for alone, or is starting:
   * otherwise it is another one's, unless events came from there. True where it stands there or further on in another history: it has
   * not been told of that, and stays.
   */
  stands({ positions, counts }: Token): boolean {
    const { followed: tracked } = this
    const { resumePoint: place } = tracked
    const torn = positions.filter((position) => this.#isTorn(position))
    const isOwn = (position: Position) =>
      this.#asked === 1 ||
      this.#starting ||
      place.at(position) !== undefined ||
      tracked.seen.has(partitionKeyOf(position))
    const own = positions.filter((position) => isOwn(position) && !torn.includes(position))
    for (const position of own) tracked.seen.get(keyOf(position))?.passed(position.offset)
    tracked.hasResumePoint ||= own.length + counts.length + place.size > 0
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

  /** It stands there or further on, in another history. */
  #isTorn(position: Position): boolean {
    const own = this.followed.resumePoint.at(position)
    return own !== undefined && own.offset >= position.offset && contradict(own, position)
  }

  /** Asked by the lowest position of several, its gateway could not tell this one of the rewrite; asked by its own, it can. */
  #leaveIfTorn(position: Position): void {
    if (this.#isTorn(position) && this.followed.noteConflict(this.followed.resumePoint.at(position)!)) this.#leave()
  }

  /**
   * Whether the stream has another number of partitions than it knows of; undefined where one of both does not say, and where it stands in
   * that partition of another log: what it knows of the old one, offsets and counts, speaks against no gap of the new one.
   */
  #hasGrown(gap: Gap): boolean | undefined {
    const { followed: tracked } = this
    const { resumePoint: place } = tracked
    const now = countOf(gap)
    if (now === undefined) return undefined
    if (tracked.standsIn(gap) && !positionsOf(gap).some((after) => place.at(after))) return undefined
    // Of incarnations that it stood in one after the other it may know several.
    const known = place.counts.filter(({ nameHash }) => nameHash === now.nameHash)
    if (known.length === 0) return undefined
    const same = known.find((own) => isSameLog(own, now))
    return same ? same.count < now.count : known.some((own) => own.count !== now.count)
  }
}
