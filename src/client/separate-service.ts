import { isPattern, matches } from '../subject/subject.ts'
import type { Delivery, Gap } from '../wire/frames.ts'
import type { PartitionCount, Token } from '../wire/partition-counts.ts'
import { encodeToken, isSameLog, isSamePartition, keyOf, type Position, partitionKeyOf } from '../wire/token.ts'
import { countOf, leadsBack, positionsOf } from './gap.ts'
import type { Service } from './service.ts'
import type { TrackedSubscription } from './tracked-subscription.ts'

/** Most frames held until `live`. Beyond it, the subscription is requested again instead. */
const maxHeld = 256

/** Lower than any offset: a gap that leads back was discarded. */
const below = -1

/**
 * Serves a subscription that has its own position on the connection: over a WebSocket, or through
 * the leader tab. A frame with refs is for these subscriptions only. One without refs is for all
 * live subscriptions that match.
 */
export class SeparateService implements Service {
  readonly followed: TrackedSubscription
  /**
   * The number of partitions reported by a gap, pending until the gaps of all new partitions have
   * arrived. A gateway reports each new partition that a subject may be in before it delivers
   * anything there. For a pattern, the number is pending until it is live.
   */
  #count: PartitionCount | undefined
  /**
   * Frames without refs, held until `live`: only then is it clear whether they were for this
   * subscription.
   */
  #held: (Delivery | Gap)[] = []
  /**
   * After too many held frames: the lowest discarded offset in each partition, by
   * `partitionKeyOf`, until the subscription has passed it. A side reader sends that offset with
   * the ref, or leads back, before it continues.
   */
  #discarded: Map<string, number> | undefined

  constructor(tracked: TrackedSubscription) {
    this.followed = tracked
  }

  delivery(delivery: Delivery, position: Position | undefined): boolean {
    // Relayed by a leader tab with a shared connection.
    if (position === undefined) return this.followed.takeNamed(delivery)
    if (!isNamed(delivery)) return this.#common(delivery, position)
    if (this.#isBeyondDiscarded(delivery, position)) return true
    if (!isPattern(this.followed.subject)) this.#confirmCount()
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

  /**
   * Advances a live subscription to the gateway's positions, so that a quiet one stays near the
   * head.
   */
  stands({ positions }: Token): boolean {
    const { live, resumePoint } = this.followed
    if (!live) return false
    const ahead = positions.filter((each) => {
      const own = resumePoint.at(each)
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
    this.#confirmCount()
    tracked.sink.live()
    return room ? 'live' : 'full'
  }

  /**
   * Records the new number of partitions. Until then the token has the previous number, so that a
   * gateway reports the partitions missing from it.
   */
  #confirmCount(): void {
    if (this.#count === undefined) return
    this.followed.move({ how: 'on', counts: [this.#count] })
    this.#count = undefined
  }

  /** Takes a delivery without refs: it is for subscriptions that match and are live there. */
  #common(delivery: Delivery, position: Position): boolean {
    const { followed: tracked } = this
    const matching = matches(tracked.subject, delivery.event.subject)
    // Its subjects have just moved to a partition without a position: it is not live there until
    // the gateway reports the partition.
    if (!tracked.live || tracked.resumePoint.at(position) === undefined) {
      if (matching) this.#hold(delivery)
      return true
    }
    if (matching) return tracked.take(delivery, position)
    // One reader serves all live subscriptions. It has passed this one's earlier events too.
    tracked.move({ how: 'on', positions: [position] })
    return true
  }

  #gapNamed(gap: Gap): boolean {
    const { followed: tracked } = this
    const [position] = positionsOf(gap)
    if (position !== undefined && this.#isBeyondDiscarded(gap, position)) return true
    const room = position === undefined || leadsBack.has(gap.reason) || this.#release(position, gap.from)
    if (position !== undefined) this.#forgetHeld(gap, position)
    // It joins another partition and receives `live` for it, as at its start.
    if (gap.reason === 'repartitioned') tracked.live = false
    this.#count = countOf(gap) ?? this.#count
    const more = leadsBack.has(gap.reason) ? tracked.takeGap(gap) : tracked.takeGapIfNews(gap)
    return more && room
  }

  /**
   * Holds a frame without refs. In one partition, it is for live subscriptions only. In several, a
   * subscription may be live in some and behind in others.
   */
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
   * Whether the frame would move the position past a discarded offset. The main reader reports
   * with the ref what it leaves out. The frame arrives again after the next request.
   */
  #isBeyondDiscarded(frame: Delivery | Gap, position: Position): boolean {
    const key = partitionKeyOf(position)
    const first = this.#discarded?.get(key) ?? Number.POSITIVE_INFINITY
    if (!isBack(frame) && first < firstOf(frame)) return true
    if (first < position.offset) this.#discarded?.delete(key)
    return false
  }

  /**
   * Releases held frames before a frame with the ref at `offset`: its reader is at that offset.
   * Held frames below it that are still new were for this subscription and must not come later; so
   * was a gap that led back to it. The other held frames came from another reader: this one's
   * reader delivers what they contain.
   */
  #release(position: Position, offset: number): boolean {
    if (this.#held.length === 0) return true
    const isThere = (frame: Delivery | Gap) => positionsOf(frame).some((each) => keyOf(each) === keyOf(position))
    const released = this.#held.filter((frame) => isThere(frame) && (firstOf(frame) < offset || isBack(frame)))
    this.#held = this.#held.filter((frame) => !isThere(frame))
    return this.#takeAll(released.map((frame) => (frame.kind === 'gap' ? endingBy(frame, offset) : frame)))
  }

  /** Drops held frames of a log that is gone: the gateway sends its successor with the ref. */
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

/** Returns the lowest offset of a delivery or gap. */
const firstOf = (frame: Delivery | Gap): number => (frame.kind === 'gap' ? frame.from : frame.offset)

const isBack = (frame: Delivery | Gap): boolean => 'reason' in frame && leadsBack.has(frame.reason)

/** Cuts a gap of a reader that was further ahead, for a subscription at `offset` at most. */
function endingBy(gap: Gap, offset: number): Gap {
  if (gap.after === '') return gap
  const after = positionsOf(gap).map((position) => {
    return position.offset <= offset ? position : { ...position, offset, generation: -1 }
  })
  return { ...gap, after: encodeToken(after) }
}
