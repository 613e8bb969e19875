import { SmallMap } from '../base/small-map.ts'
import { maxChainSteps, noEntry, tooMany } from '../log/chains.ts'
import type { StoredEntry } from '../log/entry.ts'
import type { Window } from '../log/window.ts'
import { isSubject } from '../subject/bytes.ts'
import { matches } from '../subject/subject.ts'
import type { Leg, Subscription } from './subscription.ts'

/** Subjects of one reader that the index is asked for, one by one; with more, the stretch is read. */
const maxSkipSubjects = 64
/** Entries of the index that one question of where to go on may take, for all subjects. */
const maxSkipSteps = 4 * maxChainSteps
/** Patterns that a record is held against at the cost of one more record looked at. */
const patternsPerRecord = 32

/**
 * Which records of a stretch of log a reader wants. One exact subject follows the window's chain, so it costs what was
 * missed; anything else looks at each record.
 */
export class Matcher {
  legs: Leg[] = []
  /** By hash. */
  readonly #exact = new SmallMap<number, Subscription[]>()
  readonly #patterns: Subscription[] = []
  /** Legs that want every event. */
  #lossless = 0

  add(leg: Leg): void {
    // A list that is pushed to begins with room for 17, and most have one.
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

  /** Whether of this record's subject only the newest is wanted, by all. */
  wantsLatest(record: StoredEntry): boolean {
    if (this.#lossless === 0) return true
    if (this.#lossless === this.legs.length) return false
    return this.wanting(record).every(({ policy }) => policy === 'latest')
  }

  /** The only subject wanted, where a chain can be followed. */
  get single(): Subscription | undefined {
    const first = this.legs[0]
    return this.legs.length === 1 && first !== undefined && !first.subscription.pattern ? first.subscription : undefined
  }

  /** Of all subjects wanted, where the index can be asked for each; undefined where it can't. */
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

  /** The subscriptions that want it. */
  wanting(record: StoredEntry): Subscription[] {
    const subject = record.buffer.toString('utf8', record.subjectStart, record.subjectEnd)
    const exact = this.#exact.get(record.hash) ?? []
    return [
      ...exact.filter((each) => each.subject === subject),
      ...this.#patterns.filter((pattern) => matches(pattern.subject, subject)),
    ]
  }

  /** Of the subscriptions that want it; SSE and poll have no refs. */
  refsOf(record: StoredEntry): readonly number[] | undefined {
    const refs = this.wanting(record).map(({ ref }) => ref)
    return refs.includes(0) ? undefined : refs.sort((a, b) => a - b)
  }

  /**
   * Where the first record at or after `offset` that may be wanted is, as the index has it: an offset, `head` when there is
   * none. `offset` itself where the index can't tell: patterns, and more subjects than are worth asking for.
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

  /** The first wanted ordinal at or after `offset`; `noEntry` = none up to the stretch's head, `tooMany` = `look` ran out at `stoppedAt`. */
  first(window: Window, offset: number, scratch: StoredEntry, budget: ScanBudget): number {
    const { single } = this
    const chained = single === undefined ? tooMany : window.firstSince(single.hash, offset)
    return chained === tooMany
      ? this.#scan(window, window.lowerBound(offset), scratch, budget)
      : this.#follow(window, chained, scratch, budget)
  }

  /** As `first`, from the entry after `ordinal`, which is one that was wanted. */
  following(window: Window, ordinal: number, scratch: StoredEntry, budget: ScanBudget): number {
    if (this.single !== undefined) return this.#follow(window, window.following(ordinal), scratch, budget)
    return this.#scan(window, ordinal + 1, scratch, budget)
  }

  /** Along the chain of one hash, past the subjects that share it. */
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

/** How many records may still be looked at in this turn, and the offset at which that ran out. */
export interface ScanBudget {
  left: number
  stoppedAt: number
}

function take<T>(list: T[], item: T): boolean {
  const at = list.lastIndexOf(item)
  if (at >= 0) list.splice(at, 1)
  return at >= 0
}
