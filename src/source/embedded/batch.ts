/** A stream as it is stored. Ids are never used again, so that a deleted stream's blocks can't come back under a new one. */
export interface StoredStream {
  readonly id: number
  readonly incarnation: string
  readonly partitions: number
}

/** A partition's bounds as they are stored, in the same transaction as the blocks that they bound. */
export interface StoredBounds {
  /** Lowest offset of which a block is there; ≤ `first`. */
  readonly base: number
  readonly first: number
  readonly head: number
  /** Of the blocks from `base` on. */
  readonly bytes: number
  /** The last record's time, ms: times never go back, not even when the clock does. */
  readonly timeMs: number
}

export interface BlockWrite {
  readonly id: number
  readonly partition: number
  readonly base: number
  /** Null drops the block. */
  readonly block: Buffer | null
}

/** The writes of one transaction. */
export class Batch {
  readonly blocks: BlockWrite[] = []
  readonly facts = new Map<string, unknown>()
  bytes = 0

  putBlock(id: number, partition: number, base: number, block: Buffer): void {
    this.blocks.push({ id, partition, base, block })
    this.bytes += block.length
  }

  dropBlock(id: number, partition: number, base: number): void {
    this.blocks.push({ id, partition, base, block: null })
  }

  putStream(name: string, stream: StoredStream): void {
    this.facts.set(streamKey(name), stream)
  }

  putLastId(id: number): void {
    this.facts.set(lastIdKey, id)
  }

  /** Takes the name away at once; the blocks are swept later, also by another process after a crash. */
  doom(name: string, stream: StoredStream): void {
    this.facts.set(streamKey(name), undefined)
    this.facts.set(doomedKey(stream.id), stream.partitions)
  }

  /** The doomed stream's blocks are gone: nothing is left of it. */
  bury(id: number, partitions: number): void {
    for (let partition = 0; partition < partitions; partition++) this.facts.set(boundsKey(id, partition), undefined)
    this.facts.set(doomedKey(id), undefined)
  }

  putBounds(id: number, partition: number, bounds: StoredBounds): void {
    this.facts.set(boundsKey(id, partition), bounds)
  }
}

export const streamPrefix = 'stream/'
export const doomedPrefix = 'doomed/'
export const lastIdKey = 'last-id'
export const touchedKey = 'touched'
const streamKey = (name: string) => `${streamPrefix}${name}`
const doomedKey = (id: number) => `${doomedPrefix}${id}`
export const boundsKey = (id: number, partition: number) => `bounds/${id}/${partition}`
