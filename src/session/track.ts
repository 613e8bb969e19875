import type { PartitionFeed } from '../fanout/partition-feed.ts'
import type { Position } from '../wire/token.ts'
import { Reader, type ReaderOwner } from './reader.ts'
import type { Start } from './start.ts'
import type { Leg } from './subscription.ts'

/** Hears of legs that the main reader serves from now on. */
export interface LegOwner {
  joined(leg: Leg): void
}

/**
 * One session in one partition: the main reader that all live refs share, at most one side reader that brings one ref from
 * its older position to the head, and the refs that queue for it. Where the offsets meet, the ref joins the main reader.
 */
export class Track {
  readonly feed: PartitionFeed
  readonly main: Reader
  side: Reader | undefined
  readonly #owner: ReaderOwner
  /** Readers of refs whose turn has not come: they hear what happens to the log, but are not run. */
  readonly #waiting: Reader[] = []

  /** Subscriptions that were live elsewhere are on their way in: where the main reader stands, they don't. */
  get isJoinedAnew(): boolean {
    const isAnew = ({ leg }: Reader) => leg!.subscription.toldLive
    return this.side !== undefined && (isAnew(this.side) || this.#waiting.some(isAnew))
  }

  /** Where the leg's client stands. */
  positionOf(leg: Leg): Position | undefined {
    const own = [this.side, ...this.#waiting].find((reader) => reader?.leg === leg)
    return (own ?? this.main).position()
  }

  /** Where the main reader starts. */
  constructor(owner: ReaderOwner, start: Start) {
    this.#owner = owner
    this.feed = start.feed
    this.main = new Reader(owner, start)
  }

  get empty(): boolean {
    return this.main.legs.length === 0 && this.side === undefined && this.#waiting.length === 0
  }

  /** The leg is served by the main reader, from the main reader's own position on. */
  join(leg: Leg): void {
    this.main.join(leg)
  }

  /** The leg starts at an offset of its own. True when it joined at once. */
  enter(leg: Leg, start: Start): boolean {
    const { offset, gaps } = start
    if (
      gaps.length === 0 &&
      this.main.mode === 'live' &&
      offset === this.feed.window.head &&
      this.main.next <= offset
    ) {
      this.join(leg)
      return true
    }
    const reader = new Reader(this.#owner, start, leg)
    reader.queue()
    this.#waiting.push(reader)
    this.#promote()
    reader.flushGaps()
    return false
  }

  /** Also what is owed to those who wait for their turn: in other partitions they may be live. */
  flushGaps(): void {
    this.main.flushGaps()
    this.side?.flushGaps()
    for (const reader of this.#waiting) reader.flushGaps()
  }

  /** The side reader's leg joins where both readers are at the head; the next leg that queues takes its place. */
  settle(legs: LegOwner): void {
    while (this.side !== undefined && this.side.mode === 'behind' && this.main.mode === 'live') {
      const { side } = this
      if (side.hasPendingGaps || side.next !== this.feed.window.head) return
      const leg = side.leg!
      this.#dropSide()
      this.join(leg)
      legs.joined(leg)
      this.#promote()
    }
  }

  leave(leg: Leg): void {
    if (leg.membership !== undefined) this.main.leave(leg)
    else if (this.side?.leg === leg) {
      this.#dropSide()
      this.#promote()
    } else {
      const at = this.#waiting.findIndex((reader) => reader.leg === leg)
      if (at >= 0) this.#waiting.splice(at, 1)[0]!.close()
    }
  }

  close(): void {
    this.main.close()
    this.#dropSide()
    for (const reader of this.#waiting.splice(0)) reader.close()
  }

  #promote(): void {
    if (this.side !== undefined || this.#waiting.length === 0) return
    this.side = this.#waiting.shift()
    this.#owner.wake()
  }

  #dropSide(): void {
    this.side?.close()
    this.side = undefined
  }
}
