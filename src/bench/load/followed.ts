import type { Standing } from './account.ts'
import type { Followed } from './conversation.ts'

/** Longest token that is kept, bytes. */
const maxTokenBytes = 64

/** One subject of a client, over all of the client's connections. */
export class FollowedSubject implements Followed, Standing {
  readonly subject: string
  readonly subjectIndex: number
  /** The number of the event that comes next. */
  next = 0
  /** A gap was told since the last event: numbers that are passed over now were not lost in silence. */
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

  /** Bytes [start, end); copied without an object of its own. */
  stand(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start
    if (length > maxTokenBytes) throw new Error(`expected a token of at most ${maxTokenBytes} bytes, got ${length}`)
    for (let i = start, at = 0; i < end; i++, at++) this.#token[at] = bytes[i]!
    this.#tokenBytes = length
  }
}
