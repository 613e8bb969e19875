import { unknownGeneration } from '../base/generation.ts'
import type { History } from './history.ts'
import type { Losses } from './losses.ts'

interface Epoch {
  /** Offset of its first record that was seen. */
  readonly start: number
  /** Where it may begin: what lies below `start` from here on was lost unseen. */
  readonly from: number
  readonly epoch: number
}

/** Changes of leader that are remembered; an unclean history has few. */
const maxEpochs = 256

/** Where each leader epoch of a partition starts, so that a token's generation is judged without asking the broker. */
export class Epochs implements History {
  readonly isInEntries = false
  #list: Epoch[] = []
  /** The lowest offset of whose record below something is known: its epoch, or `unknownGeneration`. */
  #from = 0
  #epochBefore = unknownGeneration
  /** Where a loss begins that reaches up to the head; -1 = none. */
  #unreadFrom = -1
  readonly #losses: Losses

  constructor(losses: Losses) {
    this.#losses = losses
  }

  start(offset: number, epochBefore: number): void {
    this.#list = []
    this.#from = offset
    this.#epochBefore = epochBefore
    this.#unreadFrom = -1
  }

  appended(_slot: number, offset: number, epoch: number): void {
    this.passed(offset, epoch)
  }

  passed(offset: number, epoch: number): void {
    const from = this.#unreadFrom < 0 ? offset : this.#unreadFrom
    this.#unreadFrom = -1
    if (this.#list.length > 0 && this.#list.at(-1)!.epoch === epoch) return
    this.#list.push({ start: offset, from, epoch })
    if (this.#list.length > maxEpochs) this.#forgetOldest()
  }

  unread(from: number): void {
    if (this.#unreadFrom < 0) this.#unreadFrom = from
  }

  truncate(offset: number): void {
    this.#unreadFrom = -1
    if (offset < this.#from) this.start(offset, unknownGeneration)
    else this.#list = this.#list.filter(({ start }) => start < offset)
  }

  ofEntry(_ordinal: number, offset: number, head: number): number {
    return this.#before(offset + 1, head)
  }

  at(offset: number, head: number): number {
    return this.#unreadFrom >= 0 && offset > this.#unreadFrom ? unknownGeneration : this.#before(offset, head)
  }

  divergence(offset: number, epoch: number, head: number): number {
    return Math.min(this.#end(epoch), this.#unread(offset, head))
  }

  mayBegin(before: number, after: number): boolean {
    return before !== after
  }

  doubtfulFrom(offset: number, epoch: number, head: number): number {
    const seen = this.#unreadFrom < 0 ? offset : Math.min(offset, this.#unreadFrom)
    const before = this.#before(seen, head)
    return before < 0 || (epoch >= 0 && before > epoch) ? 0 : seen
  }

  hasOlder(offset: number, epoch: number): boolean {
    const isAbove = this.#from > offset && this.#epochBefore >= 0
    const first = isAbove ? this.#epochBefore : this.#list.find(({ start }) => start >= offset)?.epoch
    return first !== undefined && first < epoch
  }

  /** Epoch of the last record below `offset`; unknown, as it is beyond `head`, or where a later one may have begun unseen. */
  #before(offset: number, head: number): number {
    if (offset > head) return unknownGeneration
    const list = this.#list
    for (let i = list.length - 1; i >= 0; i--) {
      const { start, from, epoch } = list[i]!
      if (start < offset) return epoch
      if (from < offset) return unknownGeneration
    }
    return offset >= this.#from ? this.#epochBefore : unknownGeneration
  }

  /** The first offset that is, or may be, of a later epoch; Infinity = none was seen. */
  #end(epoch: number): number {
    if (this.#epochBefore > epoch) return this.#from
    return this.#list.find((entry) => entry.epoch > epoch)?.from ?? Number.POSITIVE_INFINITY
  }

  /** From where on nothing up to the head could be read, below a position of someone who did: another history may begin there. */
  #unread(offset: number, head: number): number {
    if (this.#unreadFrom < 0 || offset <= this.#unreadFrom || offset > head) return Number.POSITIVE_INFINITY
    const lost = this.#losses.next(offset - 1)
    return lost !== undefined && lost.from < offset ? lost.from : Number.POSITIVE_INFINITY
  }

  #forgetOldest(): void {
    const { start, epoch } = this.#list.shift()!
    this.#from = start + 1
    this.#epochBefore = epoch
  }
}
