import type { TailState } from './source.ts'

/** Turns what happens to each partition into the tail's one state, told once a change of it or of its reason. */
export class TailHealth {
  readonly #awayAfterMs: number
  readonly #tell: (state: TailState, detail: string) => void
  /** Partitions that can't be read, and since when (monotonic ms). */
  readonly #failing = new Map<number, number>()
  #state: TailState | undefined
  #detail = ''
  /** The partition whose problem was told: of several that fail, one speaks. */
  #speaker = -1
  /** What is wrong while reads work, by what it is about. */
  readonly #warnings = new Map<string, string>()

  constructor(awayAfterMs: number, tell: (state: TailState, detail: string) => void) {
    this.#awayAfterMs = awayAfterMs
    this.#tell = tell
  }

  /** A partition that was not read yet. */
  expect(partition: number, nowMs: number): void {
    if (!this.#failing.has(partition)) this.#failing.set(partition, nowMs)
  }

  /** It was read, or is not to be read any more. */
  read(partition: number): void {
    if (this.#failing.delete(partition) && this.#failing.size === 0) this.#becomeUp()
  }

  /** It should have been read by now. */
  isLate(partition: number, nowMs: number): boolean {
    const sinceMs = this.#failing.get(partition)
    return sinceMs !== undefined && nowMs - sinceMs >= this.#awayAfterMs
  }

  failed(partition: number, nowMs: number, detail: string): void {
    this.expect(partition, nowMs)
    if (!this.isLate(partition, nowMs)) return
    if (this.#state === 'away' && this.#speaker !== partition && this.#failing.has(this.#speaker)) return
    this.#speaker = partition
    this.#become('away', detail)
  }

  /** Reads work, and yet something of the stream should be looked at: `about` names it. '' = no more. */
  warn(about: string, detail: string): void {
    if (detail === '') this.#warnings.delete(about)
    else this.#warnings.set(about, detail)
    if (this.#state === 'up') this.#becomeUp()
  }

  missing(detail: string): void {
    this.#become('missing', detail)
  }

  /** The stream is there (again): partitions count as not read since now. */
  found(partitions: Iterable<number>, nowMs: number): void {
    this.#failing.clear()
    for (const partition of partitions) this.#failing.set(partition, nowMs)
  }

  #becomeUp(): void {
    const [warning = ''] = this.#warnings.values()
    this.#become('up', warning)
  }

  #become(state: TailState, detail: string): void {
    if (state === this.#state && detail === this.#detail) return
    this.#state = state
    this.#detail = detail
    this.#tell(state, detail)
  }
}
