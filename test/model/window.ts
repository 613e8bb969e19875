import { Window } from '../../src/log/window.ts'
import { type PoolOptions, WindowPool } from '../../src/log/window-pool.ts'

/** Of the slabs, a quarter of the budget unless given. */
type Budgets = Partial<PoolOptions> & Pick<PoolOptions, 'payloadBytes' | 'entries'>

export function smallPool(budgets: Budgets, nowMs?: () => number): WindowPool {
  const { payloadBytes, entries } = budgets
  const slabs = { payloadSlabBytes: Math.floor(payloadBytes / 4), slabEntries: Math.ceil(entries / 4) }
  return new WindowPool({ ...slabs, ...budgets }, nowMs)
}

/** A window with a pool of its own. */
export const smallWindow = (budgets: Budgets): Window => new Window(smallPool(budgets))
