import type { Timing } from '../base/clock.ts'

/** Keeps positions over the end of a program or page. Keys are the subscriptions' own. */
export interface PositionStore {
  load(key: string): string | undefined | Promise<string | undefined>
  /** Calls of one store do not overlap. */
  save(key: string, token: string): void | Promise<void>
}

/** As long as the program runs: for clients that come and go in it. */
export function memoryStore(): PositionStore {
  const tokens = new Map<string, string>()
  return { load: (key) => tokens.get(key), save: (key, token) => void tokens.set(key, token) }
}

/** `localStorage`: one position for all tabs of the origin; `sessionStorage`: one for each tab, over its reloads. */
export function webStore(storage: Pick<Storage, 'getItem' | 'setItem'>, prefix = 'carillon:'): PositionStore {
  return {
    load: (key) => storage.getItem(prefix + key) ?? undefined,
    save: (key, token) => storage.setItem(prefix + key, token),
  }
}

/** Writes what has moved, at intervals: a position is stored a little late, never early. */
export class Saver {
  readonly #store: PositionStore
  readonly #everyMs: number
  readonly #clock: Timing
  /** Must not throw. */
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

  /** `token` is asked for when it is written. */
  moved(key: string, token: () => string | undefined): void {
    this.#moved.set(key, token)
    this.#cancel ??= this.#clock.after(this.#everyMs, () => void this.flush())
  }

  /** Resolves when all that has moved by now is stored. A store without promises has it when this returns. */
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
