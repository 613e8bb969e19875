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
export class Epochs {
  #list: Epoch[] = []
  /** The lowest offset of whose record below something is known: its epoch, or -1. */
  #from = 0
  #epochBefore = -1

  start(offset: number, epochBefore: number): void {
    this.#list = []
    this.#from = offset
    this.#epochBefore = epochBefore
  }

  /** The record at `offset` was seen; nothing from `from` up to it was. */
  note(offset: number, epoch: number, from = offset): void {
    if (this.#list.length > 0 && this.#list.at(-1)!.epoch === epoch) return
    this.#list.push({ start: offset, from, epoch })
    if (this.#list.length > maxEpochs) this.#forgetOldest()
  }

  /** Epoch of the last record below `offset`; -1 unknown, as it is beyond `head`, or where a later one may have begun unseen. */
  before(offset: number, head: number): number {
    if (offset > head) return -1
    const list = this.#list
    for (let i = list.length - 1; i >= 0; i--) {
      const { start, from, epoch } = list[i]!
      if (start < offset) return epoch
      if (from < offset) return -1
    }
    return offset >= this.#from ? this.#epochBefore : -1
  }

  /** The first offset that is, or may be, of a later epoch; undefined = none was seen. */
  end(epoch: number): number | undefined {
    if (this.#epochBefore > epoch) return this.#from
    return this.#list.find((entry) => entry.epoch > epoch)?.from
  }

  truncate(offset: number): void {
    if (offset < this.#from) this.start(offset, -1)
    else this.#list = this.#list.filter(({ start }) => start < offset)
  }

  #forgetOldest(): void {
    const { start, epoch } = this.#list.shift()!
    this.#from = start + 1
    this.#epochBefore = epoch
  }
}
