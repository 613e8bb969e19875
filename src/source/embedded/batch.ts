/**
 * A stream as it is stored. Ids are never reused, so a deleted stream's blocks cannot reappear in
 * a new stream.
 */
export interface StoredStream {
  readonly id: number
  readonly incarnation: string
  readonly partitions: number
}

/** A partition's bounds as stored, in the same transaction as its blocks. */
export interface StoredBounds {
  /** Lowest offset of a stored block; ≤ `first`. */
  readonly base: number
  readonly first: number
  readonly head: number
  /** Total of the blocks from `base` on. */
  readonly bytes: number
  /** Time of the last record, ms: times never go back, even if the clock does. */
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

  /**
   * Removes the name at once. The blocks are deleted later, by another process if this one
   * crashes.
   */
  doom(name: string, stream: StoredStream): void {
    this.facts.set(streamKey(name), undefined)
    this.facts.set(doomedKey(stream.id), stream.partitions)
  }

  /** Removes the remaining facts of a deleted stream: its blocks are gone. */
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
