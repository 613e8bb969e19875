import type { Standing } from './account.ts'
import type { Followed } from './conversation.ts'

/** Longest accepted token, bytes. */
const maxTokenBytes = 64

/** One subject of a client, across all the client's connections. */
export class FollowedSubject implements Followed, Standing {
  readonly subject: string
  readonly subjectIndex: number
  /** The number of the next expected event. */
  next = 0
  /** true = a gap arrived since the last event, so numbers skipped now were not lost silently. */
  toldGap = false
  readonly #token = Buffer.alloc(maxTokenBytes)
  #tokenBytes = 0

  constructor(subject: string, subjectIndex: number) {
    this.subject = subject
    this.subjectIndex = subjectIndex
  }

  get token(): string {
    return this.#token.toString('latin1', 0, this.#tokenBytes)
  }

  /** Stores the token in bytes [start, end), copied without a new object. */
  stand(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start
    if (length > maxTokenBytes) throw new Error(`expected a token of at most ${maxTokenBytes} bytes, got ${length}`)
    for (let i = start, at = 0; i < end; i++, at++) this.#token[at] = bytes[i]!
    this.#tokenBytes = length
  }
}
