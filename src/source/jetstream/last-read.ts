import { firstSequence, type JetStreamApi, type StreamFacts } from './api.ts'
import { type Delivery, formatTime } from './delivery.ts'

/**
 * Consecutive answers needed to accept that the log is shorter than was read, or again has removed
 * records. An outdated server says so too, but only once.
 */
const confirmations = 2

/**
 * The newest known record below a reader's `next`. Its time reveals a different history of the
 * log.
 */
export class LastRead {
  readonly #api: JetStreamApi
  readonly #stream: string
  /** Its time of storage, Unix ms; -1 = no known record. */
  #ms = -1
  #ns = 0
  /** Whether the record is at `next - 1`. If not, a lookup found no record there. */
  #isBelow = false
  /**
   * Whether the log was seen to reach `next`, and the record at `next - 1` was looked up. Before
   * that, a lower end proves nothing.
   */
  #reached = false
  /** Consecutive answers with a shorter log, or with removed records present again. */
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

  /** Sets the record, which is at `next - 1`. */
  set({ timeMs, timeNs }: Delivery): void {
    this.#ms = timeMs
    this.#ns = timeNs
    this.#isBelow = true
    this.#reached = true
  }

  /** Notes that a loss ends just below `next`, so that no record is at `next - 1`. */
  passedLoss(): void {
    this.#isBelow = false
    this.#reached = true
  }

  /** Returns whether a delivery at `next - 1` differs from the record that was read there. */
  isAnother({ streamSequence, timeMs, timeNs }: Delivery, next: number): boolean {
    const isOther = timeMs !== this.#ms || timeNs !== this.#ns
    return this.#isBelow && streamSequence === next - 1 && isOther
  }

  /**
   * Returns the offset below which the log is still the one that was read: `next` if no difference
   * shows. undefined = ask again later.
   */
  async agreed(next: number, { first, head }: StreamFacts): Promise<number | undefined> {
    if (!this.#reached) return next
    const last = next - 1
    const below = head < next ? 'less' : await this.#lookAt(last, first)
    if (below === 'same') this.#doubts = 0
    if (below === 'same') return next
    if (below === 'less' && ++this.#doubts < confirmations) return undefined
    this.#doubts = 0
    // Without a known record, the whole log may be from a different history.
    if (this.#ms < 0) return firstSequence
    // Records of a different history were stored after the last record that was read.
    const after = await this.#api.sequenceAt(this.#stream, formatTime(this.#ms, this.#ns + 1))
    const now = await this.#api.stream(this.#stream)
    // If every remaining record is from the other history, that history may begin at removed
    // offsets, even ones removed since the first question.
    return now === undefined || after <= now.first ? firstSequence : Math.min(after, head, last)
  }

  /**
   * Looks up the record at `last`, just below a start at which this reader has read nothing.
   * `isOver` returns true once the reader has moved meanwhile.
   */
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

  /**
   * Compares the record now at `last` with the one read. `less` = a removed record is present
   * again, so the log is older than what was read, or a different one.
   */
  async #lookAt(last: number, first: number): Promise<'same' | 'less' | 'another'> {
    if (last < first) return 'same'
    const time = await this.#api.timeOf(this.#stream, last)
    if (time === undefined) return 'same'
    if (!this.#isBelow) return 'less'
    return time.timeMs === this.#ms && time.timeNs === this.#ns ? 'same' : 'another'
  }
}
