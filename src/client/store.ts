import type { Timing } from '../base/clock.ts'

/** Keeps positions beyond the end of a program or page, by the subscriptions' keys. */
export interface PositionStore {
  load(key: string): string | undefined | Promise<string | undefined>
  /** Saves a position. Calls for one store do not overlap. */
  save(key: string, token: string): void | Promise<void>
}

/** Keeps positions while the program runs, for clients that come and go in it. */
export function memoryStore(): PositionStore {
  const tokens = new Map<string, string>()
  return { load: (key) => tokens.get(key), save: (key, token) => void tokens.set(key, token) }
}

/**
 * Keeps positions in `localStorage` (one for all tabs of the origin) or `sessionStorage` (per
 * tab).
 */
export function webStore(storage: Pick<Storage, 'getItem' | 'setItem'>, prefix = 'carillon:'): PositionStore {
  return {
    load: (key) => storage.getItem(prefix + key) ?? undefined,
    save: (key, token) => storage.setItem(prefix + key, token),
  }
}

/** Saves changed positions at intervals: a position is saved late at worst, never early. */
export class Saver {
  readonly #store: PositionStore
  readonly #everyMs: number
  readonly #clock: Timing
  /** Called with each failure to save. Must not throw. */
  readonly #failed: (error: unknown) => void
  readonly #moved = new Map<string, () => string | undefined>()
  #cancel: (() => void) | undefined
  #saving: Promise<void> | undefined

  constructor(store: PositionStore, everyMs: number, clock: Timing, failed: (error: unknown) => void) {
    this.#store = store
    this.#everyMs = everyMs
    this.#clock = clock
    this.#failed = failed
  }

  load(key: string): string | undefined | Promise<string | undefined> {
    return this.#store.load(key)
  }

  /** Schedules a save. It calls `token` when it writes. */
  moved(key: string, token: () => string | undefined): void {
    this.#moved.set(key, token)
    this.#cancel ??= this.#clock.after(this.#everyMs, () => void this.flush())
  }

  /**
   * Resolves when everything changed by now is saved. A synchronous store has saved it when this
   * returns.
   */
  flush(): Promise<void> {
    this.#cancel?.()
    this.#cancel = undefined
    this.#saving ??= this.#saveAll()
    return this.#saving ?? Promise.resolve()
  }

  #saveAll(): Promise<void> | undefined {
    for (const [key, token] of this.#moved) {
      this.#moved.delete(key)
      const text = token()
      if (text === undefined) continue
      const saved = this.#save(key, text)
      if (saved !== undefined) return saved.catch(this.#failed).then(() => this.#saveAll())
    }
    this.#saving = undefined
    return undefined
  }

  #save(key: string, token: string): Promise<void> | undefined {
    try {
      return this.#store.save(key, token) ?? undefined
    } catch (error) {
      this.#failed(error)
      return undefined
    }
  }
}
