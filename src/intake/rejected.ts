import type { RejectReason } from '../base/reject-reasons.ts'

export interface Rejected {
  readonly stream: string
  readonly partition: number
  readonly offset: number
  readonly timeMs: number
  readonly reason: RejectReason
  /** The record's key as text, cut to 255 characters; empty if it has none. */
  readonly key: string
  /** The cause and what to do about it. */
  readonly detail: string
}

/** The newest rejected records, for the admin API. When full, the oldest is replaced. */
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

  /** Returns the records, newest first. */
  list(): Rejected[] {
    const { length } = this.#entries
    return Array.from({ length }, (_, i) => this.#entries[(this.#next - 1 - i + 2 * length) % length]!)
  }
}

/** Copies a text: a substring or a concatenation would keep its whole source in memory. */
const owned = (text: string): string => Buffer.from(text).toString()
