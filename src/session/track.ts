import type { PartitionFeed } from '../fanout/partition-feed.ts'
import type { Position } from '../wire/token.ts'
import { Reader, type ReaderOwner } from './reader.ts'
import type { Start } from './start.ts'
import type { Leg } from './subscription.ts'

/** Is notified of legs that the main reader serves from now on. */
export interface LegOwner {
  joined(leg: Leg): void
}

/**
 * One session in one partition: the main reader that all live refs share, at most one side reader
 * that brings one ref from its older position to the head, and the refs that queue for it. When
 * both readers are at the head, the side reader's ref joins the main reader.
 */
export class Track {
  readonly feed: PartitionFeed
  readonly main: Reader
  side: Reader | undefined
  readonly #owner: ReaderOwner
  /** Readers of queued refs: they are notified of changes to the log, but not run. */
  readonly #waiting: Reader[] = []

  /**
   * Whether subscriptions that were live in other partitions are catching up here: the main
   * reader's position is not theirs.
   */
  get isJoinedAnew(): boolean {
    const isAnew = ({ leg }: Reader) => leg!.subscription.toldLive
    return this.side !== undefined && (isAnew(this.side) || this.#waiting.some(isAnew))
  }

  /** Returns the position of the leg's client. */
  positionOf(leg: Leg): Position | undefined {
    const reader = [this.side, ...this.#waiting].find((each) => each?.leg === leg)
    return (reader ?? this.main).position()
  }

  /** The main reader starts at `start`. */
  constructor(owner: ReaderOwner, start: Start) {
    this.#owner = owner
    this.feed = start.feed
    this.main = new Reader(owner, start)
  }

  get empty(): boolean {
    return this.main.legs.length === 0 && this.side === undefined && this.#waiting.length === 0
  }

  /** Joins the leg to the main reader, at the main reader's own position. */
  join(leg: Leg): void {
    this.main.join(leg)
  }

  /** Starts the leg at its own offset. True = it joined at once. */
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

  /** Sends pending gaps, also those of queued refs: these may be live in other partitions. */
  flushGaps(): void {
    this.main.flushGaps()
    this.side?.flushGaps()
    for (const reader of this.#waiting) reader.flushGaps()
  }

  /**
   * Joins the side reader's leg to the main reader once both are at the head. The next leg in the
   * queue takes its place.
   */
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
