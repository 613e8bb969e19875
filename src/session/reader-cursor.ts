import { unknownGeneration } from '../base/generation.ts'
import type { PartitionFeed } from '../fanout/partition-feed.ts'
import type { Position } from '../wire/token.ts'
import type { Account } from './account.ts'
import type { PendingGap } from './pending-gap.ts'
import type { Only, Start } from './start.ts'

/** Where a reader stands in its partition, and what it owes its client there. */
export class ReaderCursor {
  readonly feed: PartitionFeed
  #next: number
  /** Told before anything else, in order. */
  readonly #pendingGaps: PendingGap[]
  /** Of the log below the position that it was asked for, until this gateway has read so far; after that it is unknown. */
  #generation: number
  /** Set where a client asked for the last events only. */
  #only: Only | undefined

  readonly #account: Account

  constructor({ feed, offset, gaps, only, generation = unknownGeneration }: Start, account: Account) {
    this.feed = feed
    this.#account = account
    this.#next = offset
    this.#pendingGaps = [...gaps]
    this.#only = only
    this.#generation = generation
  }

  /** The next offset to be given. */
  get next(): number {
    return this.#next
  }

  /** What is to be told first. */
  get pendingGap(): PendingGap | undefined {
    return this.#pendingGaps[0]
  }

  get hasMorePending(): boolean {
    return this.#pendingGaps.length > 1
  }

  /** What is owed last is that subjects came there. */
  get endsWithMove(): boolean {
    return this.#pendingGaps.at(-1)?.reason === 'repartitioned'
  }

  /** What its client's token says, which was given all below `offset`, unless something is owed. */
  position(offset: number): Position | undefined {
    const [owed] = this.#pendingGaps
    return owed === undefined ? this.at(offset) : owed.before
  }

  /**
   * The same once it has been told what is owed first, if anything: only that may have nothing before it. `generation`: of the record right
   * below, where that is being given; the window may not reach so far back.
   */
  positionAfter(offset: number, generation: number = unknownGeneration): Position {
    const position = this.#pendingGaps[1]?.before ?? this.at(offset)
    return position.generation === unknownGeneration ? { ...position, generation } : position
  }

  /** The same once it has been told all that is owed. Until it is held against the window, the client's token knows better what lies below. */
  at(offset: number): Position {
    const position = this.feed.positionAt(offset)
    return this.#generation === unknownGeneration ? position : { ...position, generation: this.#generation }
  }

  moveTo(next: number): void {
    this.#next = next
    // Not before it stands behind: what was left out may still have to be walked again.
    if (this.#only !== undefined && next >= this.#only.until) this.#free()
  }

  /** Nothing is given there any more. */
  close(): void {
    this.#free()
  }

  #free(): void {
    if (this.#only !== undefined) this.#account.give(this.#only.bytes)
    this.#only = undefined
  }

  /** What was asked for there by number, and nothing else; undefined = whatever comes. */
  onlyAt(offset: number): Only | undefined {
    return this.#only !== undefined && offset < this.#only.until ? this.#only : undefined
  }

  /** Above it the log is another one, in which nothing was counted. */
  rewrittenFrom(offset: number): void {
    const only = this.#only
    if (only !== undefined && only.until > offset) this.#only = { ...only, until: offset }
  }

  /** The client is told of it before anything else, and goes on at `next`. */
  addGap(gap: PendingGap, next: number): void {
    this.#pendingGaps.push(gap)
    this.#next = next
  }

  /** The client has been told what was owed first. */
  gapSent(): void {
    this.#pendingGaps.shift()
  }

  /** The log that it stood in is another one: its client is told, and goes on at `next`, where both agree. */
  rewind(gap: Pick<PendingGap, 'from' | 'to' | 'reason' | 'before'>, next: number): void {
    this.#generation = unknownGeneration
    // Its offsets are those of the log that is gone.
    this.#free()
    this.addGap({ ...gap, certain: false }, next)
  }

  /** The same for one that is ahead of `agreed`, where the gateway's log ends or another history begins. */
  cutBack(agreed: number): void {
    const before = this.at(this.#next)
    const from = this.feed.doubtfulFrom(agreed, this.#generation)
    this.rewind({ from, to: this.#next - 1, reason: 'rewritten', before }, agreed)
  }

  /**
   * Holds it against what this gateway has read since it was asked for: at once, for by its turn what speaks against it may have left the
   * index. True when it was of another log.
   */
  judge(): boolean {
    const { window } = this.feed
    const agreed = this.#generation === unknownGeneration ? this.#next : window.divergence(this.#next, this.#generation)
    const isOther = agreed < this.#next
    if (isOther) this.cutBack(agreed)
    else if (window.head >= this.#next) this.#generation = unknownGeneration
    return isOther
  }
}
