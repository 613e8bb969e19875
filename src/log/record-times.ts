import { unknownGeneration } from '../base/generation.ts'
import type { Chains } from './chains.ts'
import type { History } from './history.ts'
import type { Losses } from './losses.ts'

/** Maximum remembered times of records that have no entry. */
const maxPassed = 256
/**
 * Minimum pause before another history: to rewrite a log, its server must first stop or lose it,
 * and stores nothing meanwhile.
 */
const leastPauseMs = 1000

/**
 * Generations of a log without epochs: the time at which each record was stored, Unix ms modulo
 * 2^32, per entry of the index. Times rise with offsets. A new history is written after the one
 * it replaces. So its first record is the first one younger than the last record that both share.
 */
export class RecordTimes implements History {
  readonly isInEntries = true
  /** Times by slot. */
  readonly #times: Uint32Array
  readonly #chains: Chains
  readonly #losses: Losses
  /** Times by offset, of the newest records that this gateway could not use. */
  readonly #passed = new Map<number, number>()

  constructor(times: Uint32Array, chains: Chains, losses: Losses) {
    this.#times = times
    this.#chains = chains
    this.#losses = losses
  }

  appended(slot: number, _offset: number, time: number): void {
    this.#times[slot] = time
  }

  ofEntry(ordinal: number): number {
    return this.#times[this.#chains.slotOf(ordinal)]!
  }

  passed(offset: number, time: number): void {
    this.#passed.set(offset, time)
    if (this.#passed.size > maxPassed) this.#passed.delete(this.#passed.keys().next().value!)
  }

  at(offset: number): number {
    const ordinal = this.#lowerBound(offset - 1)
    // Only the record right below counts: a record further down says nothing, since those between
    // may have been deleted.
    if (ordinal < this.#chains.headOrdinal && this.#chains.offsetOf(ordinal) === offset - 1)
      return this.ofEntry(ordinal)
    return this.#passed.get(offset - 1) ?? unknownGeneration
  }

  divergence(offset: number, time: number, head: number): number {
    const known = this.at(offset)
    if (known === time) return Number.POSITIVE_INFINITY
    if (known >= 0) return Math.min(offset - 1, this.#agreed(time, offset))
    // For a position beyond the head, all records here are older than the record right below that
    // position.
    const { oldestOrdinal, headOrdinal } = this.#chains
    const isOther = offset > head && oldestOrdinal < headOrdinal && this.#isYounger(headOrdinal - 1, time)
    return isOther ? this.#agreed(time, offset) : Number.POSITIVE_INFINITY
  }

  mayBegin(before: number, after: number): boolean {
    return before === unknownGeneration || ((after - before) | 0) >= leastPauseMs
  }

  doubtfulFrom(offset: number): number {
    const below = this.#lowerBound(offset) - 1
    if (below < this.#chains.oldestOrdinal) return 0
    const lost = this.#losses.next(this.#chains.offsetOf(below) + 1)
    return lost === undefined ? offset : Math.min(lost.from, offset)
  }

  hasOlder(offset: number, time: number): boolean {
    const first = this.#lowerBound(offset)
    return first < this.#chains.headOrdinal && isYounger(time, this.ofEntry(first))
  }

  start(): void {
    this.#passed.clear()
  }

  unread(): void {}

  truncate(offset: number): void {
    for (const each of this.#passed.keys()) if (each >= offset) this.#passed.delete(each)
  }

  #lowerBound(offset: number): number {
    return this.#chains.lowerBound(offset, this.#chains.oldestOrdinal)
  }

  /**
   * Returns the offset after the last entry below `offset` that is not younger than `time`; what
   * follows it may not be in the index. Returns the first entry's offset where all entries are
   * younger, since nothing is known below it. Returns Infinity where there are no entries.
   */
  #agreed(time: number, offset: number): number {
    const { oldestOrdinal } = this.#chains
    const end = this.#lowerBound(offset)
    const younger = this.#firstYounger(time, end)
    if (younger > oldestOrdinal) return this.#chains.offsetOf(younger - 1) + 1
    return end > oldestOrdinal ? this.#chains.offsetOf(oldestOrdinal) : Number.POSITIVE_INFINITY
  }

  #isYounger(ordinal: number, time: number): boolean {
    return isYounger(this.ofEntry(ordinal), time)
  }

  /** Returns the first ordinal below `end` whose record is younger than `time`; `end` = none. */
  #firstYounger(time: number, end: number): number {
    let low = this.#chains.oldestOrdinal
    let high = end
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      if (this.#isYounger(middle, time)) high = middle
      else low = middle + 1
    }
    return low
  }
}

/**
 * Compares two times modulo 2^32 ms (49 days). The result is right for times within 24 days of
 * each other.
 */
function isYounger(time: number, than: number): boolean {
  return ((time - than) | 0) > 0
}
