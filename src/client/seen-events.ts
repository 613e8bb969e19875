import type { Event } from '../wire/frames.ts'

/** Events that are remembered until a position passes them, in number; of older ones the offset alone counts. */
const maxEvents = 2048

/**
 * What came in one partition since its last position, as over SSE, where positions are said less often than events. After a reconnect it
 * comes again; where the log was rewritten meanwhile, something else does under the same offsets.
 */
export class SeenEvents {
  /** The next new offset. */
  next = 0
  /** What each event was, by offset. */
  readonly #events = new Map<number, string>()
  /** Below it what is not remembered is not new. */
  #from = 0

  /** Whether it came before. */
  has(offset: number, event: Event): boolean {
    if (offset >= this.next) return false
    return this.#events.has(offset) ? this.remembers(offset, event) : offset < this.#from
  }

  /** Whether it is known to be this very one. */
  remembers(offset: number, event: Event): boolean {
    return this.#events.get(offset) === fingerprint(event)
  }

  took(offset: number, event: Event): void {
    // Something else was there: what looks as before behind it, as one deletion looks like the other, may be another one too.
    if (this.#events.has(offset)) {
      this.#from = Math.min(this.#from, offset)
      for (const [other, was] of this.#events) if (other >= offset && was[0] === ',') this.#events.delete(other)
    }
    // What comes below others is of another history, or of a subject that has moved since: those above it are known all the same.
    this.next = Math.max(this.next, offset + 1)
    this.#events.set(offset, fingerprint(event))
    if (this.#events.size > maxEvents) this.passed(this.#events.keys().next().value! + 1)
  }

  /** What lies below `offset` and did not come was not asked for. */
  skipped(offset: number): void {
    this.#from = Math.max(this.#from, offset)
  }

  /** A position says that all below `offset` is behind it. */
  passed(offset: number): void {
    this.skipped(offset)
    for (const other of this.#events.keys()) {
      if (other >= offset) return
      this.#events.delete(other)
    }
  }
}

/** Of an event without an id it begins with a comma. */
const fingerprint = ({ subject, id, publishedAtUs, data }: Event): string =>
  `${[id, subject, publishedAtUs, data.length]}`
