import { defaultsOf, setting, whole } from '../base/setting.ts'

/** The `ageMs` that leaves windows empty at the start. */
export const noFill = 0

export interface FillOptions {
  /**
   * Maximum age of the records that a starting gateway reads into its windows, ms; or `noFill`.
   */
  readonly ageMs: number
  /** Maximum time for that per stream, ms. No client is served before. */
  readonly budgetMs: number
}

export const fillSettings = {
  fillAgeMs: setting(
    whole(noFill, 2 ** 42),
    600_000,
    'maximum age of the records that a starting gateway reads into memory',
  ),
  fillBudgetMs: setting(
    whole(0, 60_000),
    800,
    'maximum time that a starting gateway spends on that for each stream before it serves clients',
  ),
}

const { fillAgeMs, fillBudgetMs } = defaultsOf(fillSettings)

export const fillDefaults: FillOptions = { ageMs: fillAgeMs, budgetMs: fillBudgetMs }

/** An unlimited bound of read-back. */
export const noLimit = 0

export interface ChunkOptions {
  /** Bytes per read from the broker. */
  readonly chunkBytes: number
  /** Maximum chunks kept, for other readers of the same stretch. */
  readonly chunks: number
  /** Maximum concurrent reads. */
  readonly concurrency: number
  /**
   * Maximum bytes of keys and values read per second, by all readers; `noLimit` or absent =
   * unlimited.
   */
  readonly bytesPerSecond?: number
  /** Maximum age of the records to read back, ms; `noLimit` or absent = unlimited. */
  readonly maxAgeMs?: number
}
