import type { LostReason } from './record.ts'

/** Offsets [from, to], both inclusive. */
export interface Lost {
  readonly from: number
  readonly to: number
  readonly reason: LostReason
}

/** Losses that are remembered for readers on their way. */
const maxLosses = 64

/** What can't be had of a partition's newest stretch, in order. */
export class Losses {
  #list: Lost[] = []

  /** Returns the loss that had to be forgotten for it. */
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

  /** What is lost below `offset` stays lost. */
  truncate(offset: number): void {
    const below = this.#list.filter(({ from }) => from < offset)
    this.#list = below.map((lost) => (lost.to < offset ? lost : { ...lost, to: offset - 1 }))
  }

  clear(): void {
    this.#list = []
  }
}
