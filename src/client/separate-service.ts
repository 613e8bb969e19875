import { isPattern, matches } from '../subject/subject.ts'
import type { Delivery, Gap } from '../wire/frames.ts'
import type { PartitionCount, Token } from '../wire/partition-counts.ts'
import { encodeToken, isSameLog, isSamePartition, keyOf, type Position, partitionKeyOf } from '../wire/token.ts'
import { countOf, leadsBack, positionsOf } from './gap.ts'
import type { Service } from './service.ts'
import type { TrackedSubscription } from './tracked-subscription.ts'

/** Events that wait for `live`, in number: beyond that the gateway is asked again for all of them. */
const maxHeld = 256

/** Below each offset: a gap that leads back was discarded. */
const below = -1

/** On a connection on which each subscription has a position of its own: a WebSocket, or another tab. */
export class SeparateService implements Service {
  readonly followed: TrackedSubscription
  /**
   * The number of partitions that the subscription knows of once the gaps of all of them have come. A gateway reports each new partition
   * that a subject may be in before it delivers anything there. A pattern knows of them once it is live.
   */
  #count: PartitionCount | undefined
  /** Events that name no ref, from before it was told to be live: only then it is clear whether they were for it. */
  #held: (Delivery | Gap)[] = []
  /**
   * Once they were too many: the lowest offset discarded in each partition that it has not passed, by `partitionKeyOf`. A side reader gives
   * it by name, or leads back, before it goes on.
   */
  #discarded: Map<string, number> | undefined

  constructor(tracked: TrackedSubscription) {
    this.followed = tracked
  }

  delivery(delivery: Delivery, position: Position | undefined): boolean {
    // From another tab whose connection is a shared one.
    if (position === undefined) return this.followed.takeNamed(delivery)
    if (!isNamed(delivery)) return this.#common(delivery, position)
    if (this.#isBeyondDiscarded(delivery, position)) return true
    if (!isPattern(this.followed.subject)) this.#allTold()
    const room = this.#release(position, delivery.offset)
    return this.followed.take(delivery, position) && room
  }

  gap(gap: Gap): boolean {
    const { followed: tracked } = this
    if (isNamed(gap)) return this.#gapNamed(gap)
    if (tracked.live && tracked.standsIn(gap)) return tracked.takeGapIfNews(gap)
    this.#hold(gap)
    return true
  }

  /** Where what is live stands: what is quiet stays near the head. */
  stands({ positions }: Token): boolean {
    const { live, resumePoint: place } = this.followed
    if (!live) return false
    const ahead = positions.filter((each) => {
      const own = place.at(each)
      return own !== undefined && own.offset < each.offset
    })
    if (ahead.length > 0) this.followed.move({ how: 'on', positions: ahead })
    return false
  }

  becameLive(): 'live' | 'full' | 'again' {
    if (this.#discarded !== undefined) return 'again'
    const { followed: tracked } = this
    const held = this.#held
    this.#held = []
    tracked.becameLive()
    const room = this.#takeAll(held)
    this.#allTold()
    tracked.sink.live()
    return room ? 'live' : 'full'
  }

  /** Until this, the token has the previous number, and a gateway reports the partitions that it does not name. */
  #allTold(): void {
    if (this.#count === undefined) return
    this.followed.move({ how: 'on', counts: [this.#count] })
    this.#count = undefined
  }

  /** A delivery to every subscription that is live in its partition and matches. */
  #common(delivery: Delivery, position: Position): boolean {
    const { followed: tracked } = this
    const matching = matches(tracked.subject, delivery.event.subject)
    // In a partition that it was not told of, it is behind until it is: its subjects have just moved there.
    if (!tracked.live || tracked.resumePoint.at(position) === undefined) {
      if (matching) this.#hold(delivery)
      return true
    }
    if (matching) return tracked.take(delivery, position)
    // One reader serves all that are live: it has passed this one's events before that as well.
    tracked.move({ how: 'on', positions: [position] })
    return true
  }

  #gapNamed(gap: Gap): boolean {
    const { followed: tracked } = this
    const [position] = positionsOf(gap)
    if (position !== undefined && this.#isBeyondDiscarded(gap, position)) return true
    const room = position === undefined || leadsBack.has(gap.reason) || this.#release(position, gap.from)
    if (position !== undefined) this.#forgetHeld(gap, position)
    // It joins in another partition now, and is told to be live there as at the start.
    if (gap.reason === 'repartitioned') tracked.live = false
    this.#count = countOf(gap) ?? this.#count
    const more = leadsBack.has(gap.reason) ? tracked.takeGap(gap) : tracked.takeGapIfNews(gap)
    return more && room
  }

  /** In one partition, what names no ref is for those that are live; in several, it may be live in some and behind in others. */
  #hold(frame: Delivery | Gap): void {
    if (this.followed.resumePoint.size <= 1) return
    this.#held.push(frame)
    if (this.#held.length <= maxHeld && this.#discarded === undefined) return
    for (const each of this.#held.splice(0)) this.#discard(each)
  }

  #discard(frame: Delivery | Gap): void {
    this.#discarded ??= new Map()
    const discarded = this.#discarded
    for (const position of positionsOf(frame)) {
      const key = partitionKeyOf(position)
      const own = this.followed.resumePoint.at(position)?.offset ?? 0
      const first = isBack(frame) ? below : Math.max(own, firstOf(frame))
      if (first < position.offset) discarded.set(key, Math.min(first, discarded.get(key) ?? first))
    }
  }

  /**
   * Whether it would carry the place past what was discarded: the main reader tells by name what it leaves out. It comes again once the
   * gateway is asked again.
   */
  #isBeyondDiscarded(frame: Delivery | Gap, position: Position): boolean {
    const key = partitionKeyOf(position)
    const first = this.#discarded?.get(key) ?? Number.POSITIVE_INFINITY
    if (!isBack(frame) && first < firstOf(frame)) return true
    if (first < position.offset) this.#discarded?.delete(key)
    return false
  }

  /**
   * It is told by name what comes at `offset`, so its reader stands there. What is held from below and still new was for it, and must
   * not come later; so was a gap that led back there. The rest is another reader's: its own brings what is left of that.
   */
  #release(position: Position, offset: number): boolean {
    if (this.#held.length === 0) return true
    const isThere = (frame: Delivery | Gap) => positionsOf(frame).some((each) => keyOf(each) === keyOf(position))
    const released = this.#held.filter((frame) => isThere(frame) && (firstOf(frame) < offset || isBack(frame)))
    this.#held = this.#held.filter((frame) => !isThere(frame))
    return this.#takeAll(released.map((frame) => (frame.kind === 'gap' ? endingBy(frame, offset) : frame)))
  }

  /** What is held of a log that is gone is of no use: what took its place is told by name. */
  #forgetHeld({ reason, from }: Gap, position: Position): void {
    if (reason !== 'recreated' && reason !== 'rewritten') return
    this.#held = this.#held.filter((frame) => {
      const held = positionsOf(frame).find((each) => isSamePartition(each, position))
      return held === undefined || (isSameLog(held, position) && (reason === 'recreated' || firstOf(frame) < from))
    })
  }

  #takeAll(frames: readonly (Delivery | Gap)[]): boolean {
    let room = true
    for (const frame of frames) {
      if (frame.kind === 'gap') room = this.followed.takeGapIfNews(frame) && room
      else room = this.followed.take(frame, positionsOf(frame)[0]!) && room
    }
    return room
  }
}

const isNamed = ({ refs = [] }: Delivery | Gap): boolean => refs.length > 0

/** The lowest offset that it is about. */
const firstOf = (frame: Delivery | Gap): number => (frame.kind === 'gap' ? frame.from : frame.offset)

const isBack = (frame: Delivery | Gap): boolean => 'reason' in frame && leadsBack.has(frame.reason)

/** The gap of a reader that was further on, for one who stands at `offset` at most. */
function endingBy(gap: Gap, offset: number): Gap {
  if (gap.after === '') return gap
  const after = positionsOf(gap).map((position) => {
    return position.offset <= offset ? position : { ...position, offset, generation: -1 }
  })
  return { ...gap, after: encodeToken(after) }
}
