import { unknownGeneration } from '../base/generation.ts'
import type { Chains } from './chains.ts'
import type { History } from './history.ts'
import type { Losses } from './losses.ts'

/** Records that are in no entry and whose times are kept. */
const maxPassed = 256
/** Whoever writes a log anew has first stopped the server or lost it: so long at least nothing is stored. */
const leastPauseMs = 1000

/**
 * The generations of a log that has no epochs: when each record was stored, Unix ms modulo 2^32, by entry of the index. Times rise with
 * offsets, and another history of a log was written after the one that it replaces: so its first record is the first that is younger
 * than the last one that both have.
 */
export class RecordTimes implements History {
  readonly isInEntries = true
  /** By slot. */
  readonly #times: Uint32Array
  readonly #chains: Chains
  readonly #losses: Losses
  /** By offset, of the newest records that nobody here could use. */
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
    // A record of another offset may have been deleted elsewhere: only the one right below says something.
    if (ordinal < this.#chains.headOrdinal && this.#chains.offsetOf(ordinal) === offset - 1)
      return this.ofEntry(ordinal)
    return this.#passed.get(offset - 1) ?? unknownGeneration
  }

  divergence(offset: number, time: number, head: number): number {
    const own = this.at(offset)
    if (own === time) return Number.POSITIVE_INFINITY
    if (own >= 0) return Math.min(offset - 1, this.#agreed(time, offset))
    // All that is here below a position beyond the head was there before the record right below it.
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
   * Behind the last entry below `offset` that is not younger than `time`: what follows it need not be in the index. The first entry where all
   * are younger, for nothing is known of what lies below; Infinity where there is none.
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

  /** The first ordinal below `end` whose record is younger than `time`; `end` where none is. */
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

/** Compares as times do that lie within 24 days of each other, half of the 49 after which they repeat. */
function isYounger(time: number, than: number): boolean {
  return ((time - than) | 0) > 0
}
