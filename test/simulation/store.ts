import type { Random } from '../../src/base/random.ts'
import type { PositionStore } from '../../src/client/store.ts'
import type { Process } from './virtual-time.ts'

export interface StorePlan {
  /** What a call takes at most, ms; 0 = it is done when it returns. */
  readonly slowMs: number
  /** When a program ends without a word, what was written last may be lost. */
  readonly isLosing: boolean
}

/** Who looks on. */
export interface StoreWatcher {
  loaded(key: string, token: string | undefined): void
  saved(key: string, token: string): void
}

/** Positions that a client's programs leave to each other. */
export class SimStore {
  readonly #process: Process
  readonly #random: Random
  readonly #plan: StorePlan
  readonly #tokens = new Map<string, string>()
  /** What each write since the program began took the place of, newest last. */
  #undo: { readonly key: string; readonly before: string | undefined }[] = []
  /** Writes that have not come to their end. */
  #inFlight: { readonly key: string; readonly token: string }[] = []
  #life = {}

  constructor(process: Process, random: Random, plan: StorePlan) {
    this.#process = process
    this.#random = random
    this.#plan = plan
  }

  /** For one program. */
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

  /** The program is gone; what it writes from now on is nothing. */
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
