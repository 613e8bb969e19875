import { firstSequence, type JetStreamApi, type StreamFacts } from './api.ts'
import { type Delivery, formatTime } from './delivery.ts'

/**
 * Times in a row that a server must say that the log is shorter than what was read of it, or has again what was gone: one that is behind
 * says so too, once.
 */
const confirmations = 2

/** The newest record that is known below `next` of a reader: by its time another history of the log is known. */
export class LastRead {
  readonly #api: JetStreamApi
  readonly #stream: string
  /** Its time; -1 = none is known. */
  #ms = -1
  #ns = 0
  /** It is at `next - 1`; otherwise there was none when it was looked for. */
  #isBelow = false
  /** The log was seen to reach up to `next`, and what is at `next - 1` was looked for: before that an end below says nothing. */
  #reached = false
  /** Times in a row that the server said that the log is shorter, or has again what was gone. */
  #doubts = 0

  constructor(api: JetStreamApi, stream: string) {
    this.#api = api
    this.#stream = stream
  }

  get isBelow(): boolean {
    return this.#isBelow
  }

  get reached(): boolean {
    return this.#reached
  }

  forget(): void {
    this.#ms = -1
    this.#isBelow = false
    this.#reached = false
    this.#doubts = 0
  }

  /** It is this one: `next` is behind it. */
  set({ timeMs, timeNs }: Delivery): void {
    this.#ms = timeMs
    this.#ns = timeNs
    this.#isBelow = true
    this.#reached = true
  }

  /** `next` is behind a loss. */
  passedLoss(): void {
    this.#isBelow = false
    this.#reached = true
  }

  /** Whether this record, which was read before, is another one now. */
  isAnother({ streamSequence, timeMs, timeNs }: Delivery, next: number): boolean {
    const isOther = timeMs !== this.#ms || timeNs !== this.#ns
    return this.#isBelow && streamSequence === next - 1 && isOther
  }

  /** Up to which offset the log is the one that was read; `next` where nothing speaks against it. undefined = it must be asked again. */
  async agreed(next: number, { first, head }: StreamFacts): Promise<number | undefined> {
    if (!this.#reached) return next
    const last = next - 1
    const below = head < next ? 'less' : await this.#lookAt(last, first)
    if (below === 'same') this.#doubts = 0
    if (below === 'same') return next
    if (below === 'less' && ++this.#doubts < confirmations) return undefined
    this.#doubts = 0
    // Where no record of it was ever known, any may be of another history.
    if (this.#ms < 0) return firstSequence
    // Records of another history were stored after the last that was read of this one.
    const after = await this.#api.sequenceAt(this.#stream, formatTime(this.#ms, this.#ns + 1))
    const now = await this.#api.stream(this.#stream)
    // Where all that is left is of another one, that may have begun with what is gone, also since the first question.
    return now === undefined || after <= now.first ? firstSequence : Math.min(after, head, last)
  }

  /** The record at `last`, below the start, was read by others. `isOver`: the reader has gone elsewhere meanwhile. */
  async look(last: number, { first, head }: StreamFacts, isOver: () => boolean): Promise<void> {
    if (last >= head) return
    if (!this.#isBelow && last >= first) {
      const time = await this.#api.timeOf(this.#stream, last)
      if (isOver()) return
      if (time !== undefined) {
        this.#ms = time.timeMs
        this.#ns = time.timeNs
        this.#isBelow = true
      }
    }
    this.#reached = true
  }

  /** What is there now: `less` = what was gone is there, so that the log is older than what was read, or another one. */
  async #lookAt(last: number, first: number): Promise<'same' | 'less' | 'another'> {
    if (last < first) return 'same'
    const time = await this.#api.timeOf(this.#stream, last)
    if (time === undefined) return 'same'
    if (!this.#isBelow) return 'less'
    return time.timeMs === this.#ms && time.timeNs === this.#ns ? 'same' : 'another'
  }
}
