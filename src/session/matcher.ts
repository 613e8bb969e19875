import type { Loaded, Window } from '../log/window.ts'
import { matches } from '../subject/subject.ts'
import type { Leg, Subscription } from './subscription.ts'

/**
 * Which records of a stretch of log a reader wants. One exact subject follows the window's chain, so it costs what was
 * missed; anything else looks at each record.
 */
export class Matcher {
  readonly legs: Leg[] = []
  readonly #exact = new Map<number, Subscription[]>()
  readonly #patterns: Subscription[] = []

  add(leg: Leg): void {
    this.legs.push(leg)
    const { subscription } = leg
    if (subscription.pattern) this.#patterns.push(subscription)
    else {
      const same = this.#exact.get(subscription.hash)
      if (same === undefined) this.#exact.set(subscription.hash, [subscription])
      else same.push(subscription)
    }
  }

  remove(leg: Leg): void {
    take(this.legs, leg)
    const { subscription } = leg
    if (subscription.pattern) take(this.#patterns, subscription)
    else {
      const same = this.#exact.get(subscription.hash)
      if (same === undefined) return
      take(same, subscription)
      if (same.length === 0) this.#exact.delete(subscription.hash)
    }
  }

  /** The only subject wanted, where a chain can be followed. */
  get single(): Subscription | undefined {
    const first = this.legs[0]
    return this.legs.length === 1 && first !== undefined && !first.subscription.pattern ? first.subscription : undefined
  }

  wants(record: Loaded): boolean {
    const same = this.#exact.get(record.hash)
    if (same !== undefined) {
      for (const { bytes } of same) {
        if (bytes.compare(record.buffer, record.subjectStart, record.subjectEnd) === 0) return true
      }
    }
    if (this.#patterns.length === 0) return false
    const subject = record.buffer.toString('utf8', record.subjectStart, record.subjectEnd)
    return this.#patterns.some((pattern) => matches(pattern.subject, subject))
  }

  /** The first wanted ordinal at or after `offset`; -1 = none up to the stretch's head, -2 = `looked` ran out at `stoppedAt`. */
  first(window: Window, offset: number, scratch: Loaded, look: Look): number {
    const { single } = this
    if (single !== undefined) return window.firstSince(single.hash, single.bytes, 0, single.bytes.length, offset)
    return this.#scan(window, window.lowerBound(offset), scratch, look)
  }

  /** As `first`, from the entry after `ordinal`. */
  following(window: Window, ordinal: number, scratch: Loaded, look: Look): number {
    if (this.single !== undefined) return window.following(ordinal)
    return this.#scan(window, ordinal + 1, scratch, look)
  }

  #scan(window: Window, from: number, scratch: Loaded, look: Look): number {
    const { headOrdinal } = window
    for (let ordinal = from; ordinal < headOrdinal; ordinal++) {
      if (look.left <= 0) {
        look.stoppedAt = window.offsetOf(ordinal)
        return -2
      }
      look.left--
      window.load(ordinal, scratch)
      if (this.wants(scratch)) return ordinal
    }
    return -1
  }
}

/** How many records may still be looked at in this turn, and the offset at which that ran out. */
export interface Look {
  left: number
  stoppedAt: number
}

function take<T>(list: T[], item: T): void {
  const at = list.indexOf(item)
  if (at >= 0) list.splice(at, 1)
}
