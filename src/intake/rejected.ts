import type { RejectReason } from '../base/reject-reasons.ts'

export interface Rejected {
  readonly stream: string
  readonly partition: number
  readonly offset: number
  readonly timeMs: number
  readonly reason: RejectReason
  /** The record's key as text, cut to 255 characters; empty where it has none. */
  readonly key: string
  /** What was found and what to do about it. */
  readonly detail: string
}

/** The newest records that could not be used, for the admin API: bounded, the oldest gives way. */
export class RejectedRing {
  readonly #entries: Rejected[] = []
  readonly #capacity: number
  #next = 0
  total = 0

  constructor(capacity = 256) {
    this.#capacity = capacity
  }

  add(entry: Rejected): void {
    this.#entries[this.#next] = { ...entry, key: owned(entry.key), detail: owned(entry.detail) }
    this.#next = (this.#next + 1) % this.#capacity
    this.total++
  }

  /** Newest first. */
  list(): Rejected[] {
    const { length } = this.#entries
    return Array.from({ length }, (_, i) => this.#entries[(this.#next - 1 - i + 2 * length) % length]!)
  }
}

/** A text that is cut out of another one, or put together of such, keeps all of that in memory. */
const owned = (text: string): string => Buffer.from(text).toString()
