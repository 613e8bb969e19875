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
    'what a starting gateway reads into memory: records up to this old',
  ),
  fillBudgetMs: setting(whole(0, 60_000), 800, 'for how long, a stream, before it serves clients'),
}

const { fillAgeMs, fillBudgetMs } = defaultsOf(fillSettings)

export const fillDefaults: FillOptions = { ageMs: fillAgeMs, budgetMs: fillBudgetMs }
