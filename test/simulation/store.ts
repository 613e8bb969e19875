import type { Random } from '../../src/base/random.ts'
import type { PositionStore } from '../../src/client/store.ts'
import type { Process } from './virtual-time.ts'

export interface StorePlan {
  /** Longest duration of a call, ms; 0 = calls complete synchronously. */
  readonly slowMs: number
  /** true = a crash may lose the last writes. */
  readonly isLosing: boolean
}

/** Observes reads and writes of a store. */
export interface StoreWatcher {
  loaded(key: string, token: string | undefined): void
  saved(key: string, token: string): void
}

/** Positions that a client's programs pass on to later ones. */
export class SimStore {
  readonly #process: Process
  readonly #random: Random
  readonly #plan: StorePlan
  readonly #tokens = new Map<string, string>()
  /** Values replaced by each write since the program started, newest last. */
  #undo: { readonly key: string; readonly before: string | undefined }[] = []
  /** Writes in progress. */
  #inFlight: { readonly key: string; readonly token: string }[] = []
  #life = {}

  constructor(process: Process, random: Random, plan: StorePlan) {
    this.#process = process
    this.#random = random
    this.#plan = plan
  }

  /** Opens the store for one program. */
  open({ loaded, saved }: StoreWatcher): PositionStore {
    const life = {}
    this.#life = life
    this.#undo = []
    return {
      load: (key) => {
        const found = () => {
          const token = this.#tokens.get(key)
          if (life === this.#life) loaded(key, token)
          return token
        }
        return this.#plan.slowMs === 0 ? found() : this.#later(found)
      },
      save: (key, token) => {
        if (life !== this.#life) return undefined
        saved(key, token)
        if (this.#plan.slowMs === 0) return this.#write(key, token)
        const write = { key, token }
        this.#inFlight.push(write)
        return this.#later(() => {
          const at = this.#inFlight.indexOf(write)
          if (at < 0) return
          this.#inFlight.splice(at, 1)
          this.#write(key, token)
        })
      },
    }
  }

  /** Ends the program. Its later writes have no effect. */
  crash(): void {
    this.#life = {}
    if (this.#plan.isLosing) {
      const last = this.#undo.at(-1)
      if (last?.before !== undefined) this.#tokens.set(last.key, last.before)
      else if (last !== undefined) this.#tokens.delete(last.key)
    } else for (const { key, token } of this.#inFlight) this.#write(key, token)
    this.#inFlight = []
    this.#undo = []
  }

  #write(key: string, token: string): void {
    this.#undo = [{ key, before: this.#tokens.get(key) }]
    this.#tokens.set(key, token)
  }

  #later<T>(then: () => T): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<T>()
    this.#process.after(this.#random.next() * this.#plan.slowMs, () => resolve(then()))
    return promise
  }
}
