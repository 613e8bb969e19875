import { SmallMap } from '../base/small-map.ts'
import { maxChainSteps, noEntry, tooMany } from '../log/chains.ts'
import type { StoredEntry } from '../log/entry.ts'
import type { Window } from '../log/window.ts'
import { isSubject } from '../subject/bytes.ts'
import { matches } from '../subject/subject.ts'
import type { Leg, Subscription } from './subscription.ts'

/**
 * Maximum subjects of one reader to look up in the index, one by one. A reader with more subjects
 * reads the stretch.
 */
const maxSkipSubjects = 64
/** Index entries that one call of `skipTo` may visit, over all subjects. */
const maxSkipSteps = 4 * maxChainSteps
/** Patterns compared with a record that cost as much as one more examined record. */
const patternsPerRecord = 32

/**
 * Selects the records of a stretch of log that a reader wants. A single exact subject follows the
 * window's chain, so its cost is the number of records missed. Anything else examines each
 * record.
 */
export class Matcher {
  legs: Leg[] = []
  /** Exact subjects, by hash. */
  readonly #exact = new SmallMap<number, Subscription[]>()
  readonly #patterns: Subscription[] = []
  /** Legs that want every event. */
  #lossless = 0

  add(leg: Leg): void {
    // An array that is pushed to starts with a capacity of 17, and most have one element.
    if (this.legs.length === 0) this.legs = [leg]
    else this.legs.push(leg)
    const { subscription } = leg
    if (subscription.policy === 'lossless') this.#lossless++
    if (subscription.pattern) this.#patterns.push(subscription)
    else {
      const same = this.#exact.get(subscription.hash)
      if (same === undefined) this.#exact.set(subscription.hash, [subscription])
      else same.push(subscription)
    }
  }

  remove(leg: Leg): void {
    if (!take(this.legs, leg)) return
    const { subscription } = leg
    if (subscription.policy === 'lossless') this.#lossless--
    if (subscription.pattern) take(this.#patterns, subscription)
    else {
      const same = this.#exact.get(subscription.hash)
      if (same === undefined) return
      take(same, subscription)
      if (same.length === 0) this.#exact.delete(subscription.hash)
    }
  }

  /**
   * Returns whether every subscription that wants this record wants only the newest event of its
   * subject.
   */
  wantsLatest(record: StoredEntry): boolean {
    if (this.#lossless === 0) return true
    if (this.#lossless === this.legs.length) return false
    return this.wanting(record).every(({ policy }) => policy === 'latest')
  }

  /** The only subscription, if it is an exact subject: a chain can be followed. */
  get single(): Subscription | undefined {
    const first = this.legs[0]
    return this.legs.length === 1 && first !== undefined && !first.subscription.pattern ? first.subscription : undefined
  }

  /** Hashes of all subjects wanted; undefined if the index cannot look up each of them. */
  get hashes(): number[] | undefined {
    if (this.#patterns.length > 0 || this.#exact.size > maxSkipSubjects) return undefined
    return [...this.#exact.keys()]
  }

  wants(record: StoredEntry): boolean {
    const same = this.#exact.get(record.hash)
    if (same !== undefined) {
      for (const { bytes } of same) {
        if (isSubject(bytes, record.buffer, record.subjectStart, record.subjectEnd)) return true
      }
    }
    if (this.#patterns.length === 0) return false
    const subject = record.buffer.toString('utf8', record.subjectStart, record.subjectEnd)
    return this.#patterns.some((pattern) => matches(pattern.subject, subject))
  }

  /** Returns the subscriptions that want the record. */
  wanting(record: StoredEntry): Subscription[] {
    const subject = record.buffer.toString('utf8', record.subjectStart, record.subjectEnd)
    const exact = this.#exact.get(record.hash) ?? []
    return [
      ...exact.filter((each) => each.subject === subject),
      ...this.#patterns.filter((pattern) => matches(pattern.subject, subject)),
    ]
  }

  /**
   * Returns the refs of the subscriptions that want the record, ascending; undefined over SSE and
   * poll, which have no refs.
   */
  refsOf(record: StoredEntry): readonly number[] | undefined {
    const refs = this.wanting(record).map(({ ref }) => ref)
    return refs.includes(0) ? undefined : refs.sort((a, b) => a - b)
  }

  /**
   * Returns the offset of the first record at or after `offset` that may be wanted, by the index;
   * `head` = none. Returns `offset` itself if the index cannot tell: with patterns, and with more
   * subjects than are worth looking up.
   */
  skipTo(window: Window, offset: number): number {
    const { hashes } = this
    if (hashes === undefined) return offset
    let least = window.head
    const steps = Math.min(maxChainSteps, Math.floor(maxSkipSteps / hashes.length))
    for (const hash of hashes) {
      const ordinal = window.firstSince(hash, offset, steps)
      if (ordinal === tooMany) return offset
      if (ordinal >= 0) least = Math.min(least, window.offsetOf(ordinal))
    }
    return least
  }

  /**
   * Returns the first wanted ordinal at or after `offset`; `noEntry` = none up to the stretch's
   * head, `tooMany` = `budget` ran out at `stoppedAt`.
   */
  first(window: Window, offset: number, scratch: StoredEntry, budget: ScanBudget): number {
    const { single } = this
    const chained = single === undefined ? tooMany : window.firstSince(single.hash, offset)
    return chained === tooMany
      ? this.#scan(window, window.lowerBound(offset), scratch, budget)
      : this.#follow(window, chained, scratch, budget)
  }

  /** As `first`, from the entry after `ordinal`, which must be a wanted one. */
  following(window: Window, ordinal: number, scratch: StoredEntry, budget: ScanBudget): number {
    if (this.single !== undefined) return this.#follow(window, window.following(ordinal), scratch, budget)
    return this.#scan(window, ordinal + 1, scratch, budget)
  }

  /** Follows the chain of one hash, past other subjects with the same hash. */
  #follow(window: Window, from: number, scratch: StoredEntry, budget: ScanBudget): number {
    for (let ordinal = from; ordinal >= 0; ordinal = window.following(ordinal)) {
      if (budget.left <= 0) {
        budget.stoppedAt = window.offsetOf(ordinal)
        return tooMany
      }
      window.load(ordinal, scratch)
      if (this.wants(scratch)) return ordinal
      budget.left--
    }
    return noEntry
  }

  #scan(window: Window, from: number, scratch: StoredEntry, budget: ScanBudget): number {
    const { headOrdinal } = window
    const hashesOnly = this.#patterns.length === 0
    const cost = 1 + Math.floor(this.#patterns.length / patternsPerRecord)
    for (let ordinal = from; ordinal < headOrdinal; ordinal++) {
      if (budget.left <= 0) {
        budget.stoppedAt = window.offsetOf(ordinal)
        return tooMany
      }
      budget.left -= cost
      if (hashesOnly && !this.#exact.has(window.hashOf(ordinal))) continue
      window.load(ordinal, scratch)
      if (this.wants(scratch)) return ordinal
    }
    return noEntry
  }
}

/**
 * Number of records that may still be examined in this slice, and the offset at which it ran out.
 */
export interface ScanBudget {
  left: number
  stoppedAt: number
}

function take<T>(list: T[], item: T): boolean {
  const at = list.lastIndexOf(item)
  if (at >= 0) list.splice(at, 1)
  return at >= 0
}
