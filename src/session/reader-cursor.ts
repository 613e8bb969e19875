import { unknownGeneration } from '../base/generation.ts'
import type { PartitionFeed } from '../fanout/partition-feed.ts'
import type { Position } from '../wire/token.ts'
import type { Account } from './account.ts'
import type { PendingGap } from './pending-gap.ts'
import type { Only, Start } from './start.ts'

/** Position of a reader in its partition, and the gaps that it must send first. */
export class ReaderCursor {
  readonly feed: PartitionFeed
  #next: number
  /** Gaps to send before anything else, in order. */
  readonly #pendingGaps: PendingGap[]
  /** Generation of the requested position; `unknownGeneration` once verified. */
  #generation: number
  /** Offsets that `last` selected; undefined = every record. */
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

  /** Next offset to deliver. */
  get next(): number {
    return this.#next
  }

  /** The first gap to send. */
  get pendingGap(): PendingGap | undefined {
    return this.#pendingGaps[0]
  }

  get hasMorePending(): boolean {
    return this.#pendingGaps.length > 1
  }

  /** Whether the last pending gap is that subjects moved into the partition. */
  get endsWithMove(): boolean {
    return this.#pendingGaps.at(-1)?.reason === 'repartitioned'
  }

  /**
   * Returns the position for tokens of a client that has everything below `offset`. While a gap
   * is pending, that is the position before the gap.
   */
  position(offset: number): Position | undefined {
    const [owed] = this.#pendingGaps
    return owed === undefined ? this.at(offset) : owed.before
  }

  /**
   * As `position`, once the first pending gap, if any, is sent. Only that gap may have no
   * position before it. `generation` is that of the record right below `offset`, if that record
   * is being delivered: the window may not reach back to it.
   */
  positionAfter(offset: number, generation: number = unknownGeneration): Position {
    const position = this.#pendingGaps[1]?.before ?? this.at(offset)
    return position.generation === unknownGeneration ? { ...position, generation } : position
  }

  /**
   * As `position`, once all pending gaps are sent. Until the position is checked against the
   * window, its generation comes from the client's token.
   */
  at(offset: number): Position {
    const position = this.feed.positionAt(offset)
    return this.#generation === unknownGeneration ? position : { ...position, generation: this.#generation }
  }

  moveTo(next: number): void {
    this.#next = next
    // Freed only once the reader is past it: events that were left out may be walked again.
    if (this.#only !== undefined && next >= this.#only.until) this.#free()
  }

  /** Frees the offsets that `last` selected. */
  close(): void {
    this.#free()
  }

  #free(): void {
    if (this.#only !== undefined) this.#account.give(this.#only.bytes)
    this.#only = undefined
  }

  /**
   * Returns the offsets that `last` selected, if `offset` is in their range; undefined = every
   * record is wanted.
   */
  onlyAt(offset: number): Only | undefined {
    return this.#only !== undefined && offset < this.#only.until ? this.#only : undefined
  }

  /**
   * Limits the range of `last` to offsets below `offset`: from there on the log is another one,
   * in which nothing was selected.
   */
  rewrittenFrom(offset: number): void {
    const only = this.#only
    if (only !== undefined && only.until > offset) this.#only = { ...only, until: offset }
  }

  /** Adds a gap, to be sent before anything after it. The reader continues at `next`. */
  addGap(gap: PendingGap, next: number): void {
    this.#pendingGaps.push(gap)
    this.#next = next
  }

  /** Removes the first gap: it has been sent. */
  gapSent(): void {
    this.#pendingGaps.shift()
  }

  /** Moves to `next`, up to where the old log and the present one agree, with a gap. */
  rewind(gap: Pick<PendingGap, 'from' | 'to' | 'reason' | 'before'>, next: number): void {
    this.#generation = unknownGeneration
    // The offsets are those of the log that is gone.
    this.#free()
    this.addGap({ ...gap, certain: false }, next)
  }

  /**
   * As `rewind`, for a position ahead of `agreed`, at which the gateway's log ends or another
   * history begins.
   */
  cutBack(agreed: number): void {
    const before = this.at(this.#next)
    const from = this.feed.doubtfulFrom(agreed, this.#generation)
    this.rewind({ from, to: this.#next - 1, reason: 'rewritten', before }, agreed)
  }

  /**
   * Checks the position against what this gateway has read since it was requested. This happens
   * at once: by the reader's turn, the contradicting records may have left the index. True = the
   * position was of another log.
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
