import type { LostReason } from './record.ts'

/** A lost stretch: offsets from `from` to `to`, both inclusive. */
export interface Lost {
  readonly from: number
  readonly to: number
  readonly reason: LostReason
}

/** Maximum losses remembered for readers that are catching up. */
const maxLosses = 64

/** Losses in a partition's newest stretch, in offset order. */
export class Losses {
  #list: Lost[] = []

  /** Adds a loss. Returns the oldest one if it had to make room. */
  add(lost: Lost): Lost | undefined {
    const after = this.#list.findIndex(({ from }) => from > lost.from)
    this.#list.splice(after < 0 ? this.#list.length : after, 0, lost)
    return this.#list.length > maxLosses ? this.#list.shift() : undefined
  }

  next(offset: number): Lost | undefined {
    const list = this.#list
    for (let i = 0; i < list.length; i++) if (list[i]!.to >= offset) return list[i]
    return undefined
  }

  dropBelow(offset: number): void {
    if (this.#list.length > 0 && this.#list[0]!.to < offset) this.#list = this.#list.filter(({ to }) => to >= offset)
  }

  /** Drops losses from `offset` on. Losses below it remain. */
  truncate(offset: number): void {
    const below = this.#list.filter(({ from }) => from < offset)
    this.#list = below.map((lost) => (lost.to < offset ? lost : { ...lost, to: offset - 1 }))
  }

  clear(): void {
    this.#list = []
  }
}
