import { defaultsOf, setting, whole } from '../base/setting.ts'

/** The `ageMs` of a gateway whose windows start empty. */
export const noFill = 0

export interface FillOptions {
  /** How old the records may be that a starting gateway reads into its windows, ms; or `noFill`. */
  readonly ageMs: number
  /** How long that may take for one stream, ms: nobody is served before. */
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

/** What a bound of read-back is where there is none. */
export const noLimit = 0

export interface ChunkOptions {
  /** What one read asks the broker for, bytes. */
  readonly chunkBytes: number
  /** Chunks kept for others who need the same stretch. */
  readonly chunks: number
  /** Reads under way at once. */
  readonly concurrency: number
  /** Bytes of keys and values that are read in a second, by all; `noLimit` or absent = as many as there are. */
  readonly bytesPerSecond?: number
  /** Records older than this are not read back, ms; `noLimit` or absent = all are. */
  readonly maxAgeMs?: number
}
