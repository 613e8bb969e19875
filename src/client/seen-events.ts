import type { Event } from '../wire/frames.ts'

/** Most events remembered until a position passes them. Below those, only the offset decides. */
const maxEvents = 2048

/**
 * Events received in one partition since its last position. SSE sends positions less often than
 * events, so these arrive again after a reconnect. If the log was rewritten meanwhile, different
 * events arrive under the same offsets.
 */
export class SeenEvents {
  /** One above the highest received offset. */
  next = 0
  /** Fingerprints by offset. */
  readonly #events = new Map<number, string>()
  /** Below this offset, an event that is not remembered counts as received. */
  #from = 0

  /** Whether the event was received before. */
  has(offset: number, event: Event): boolean {
    if (offset >= this.next) return false
    return this.#events.has(offset) ? this.remembers(offset, event) : offset < this.#from
  }

  /** Whether exactly this event is remembered at this offset. */
  remembers(offset: number, event: Event): boolean {
    return this.#events.get(offset) === fingerprint(event)
  }

  took(offset: number, event: Event): void {
    // The log was rewritten here. From here on, events without an id may be different events that
    // look the same, as one deletion looks like another.
    if (this.#events.has(offset)) {
      this.#from = Math.min(this.#from, offset)
      for (const [other, was] of this.#events) if (other >= offset && was[0] === ',') this.#events.delete(other)
    }
    // An event below others belongs to another history, or to a subject that has moved since. The
    // events above it stay known either way.
    this.next = Math.max(this.next, offset + 1)
    this.#events.set(offset, fingerprint(event))
    if (this.#events.size > maxEvents) this.passed(this.#events.keys().next().value! + 1)
  }

  /** Marks the offsets below `offset` that were not received as not requested. */
  skipped(offset: number): void {
    this.#from = Math.max(this.#from, offset)
  }

  /** Drops the events below `offset`, which a position has passed. */
  passed(offset: number): void {
    this.skipped(offset)
    for (const other of this.#events.keys()) {
      if (other >= offset) return
      this.#events.delete(other)
    }
  }
}

/** Starts with a comma for an event without an id. */
const fingerprint = ({ subject, id, publishedAtUs, data }: Event): string =>
  `${[id, subject, publishedAtUs, data.length]}`
