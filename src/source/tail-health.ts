import type { TailState } from './source.ts'

/**
 * Combines the health of a tail's partitions into one state, which it reports once for each
 * change of the state or of its reason.
 */
export class TailHealth {
  readonly #awayAfterMs: number
  readonly #tell: (state: TailState, detail: string) => void
  /** Partitions that cannot be read, with the start of the failure (monotonic ms). */
  readonly #failing = new Map<number, number>()
  #state: TailState | undefined
  #detail = ''
  /** The partition whose problem was reported: of several that fail, only one is. */
  #speaker = -1
  /** Warnings while reads work, by subject. */
  readonly #warnings = new Map<string, string>()

  constructor(awayAfterMs: number, tell: (state: TailState, detail: string) => void) {
    this.#awayAfterMs = awayAfterMs
    this.#tell = tell
  }

  /** Adds a partition that has not been read yet. */
  expect(partition: number, nowMs: number): void {
    if (!this.#failing.has(partition)) this.#failing.set(partition, nowMs)
  }

  /** Records that the partition was read, or no longer has to be. */
  read(partition: number): void {
    if (this.#failing.delete(partition) && this.#failing.size === 0) this.#becomeUp()
  }

  /** Returns whether the partition should have been read by now. */
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

  /** Sets a warning for the stream while reads work: `about` identifies it. '' = clears it. */
  warn(about: string, detail: string): void {
    if (detail === '') this.#warnings.delete(about)
    else this.#warnings.set(about, detail)
    if (this.#state === 'up') this.#becomeUp()
  }

  missing(detail: string): void {
    this.#become('missing', detail)
  }

  /** Records that the stream exists (again): its partitions count as unread from now on. */
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
