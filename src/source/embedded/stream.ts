import type { Offsets, StreamInfo } from '../source.ts'
import type { StoredBounds, StoredStream } from './batch.ts'

/** A partition's bounds as of the last durable commit; only commits change them. */
export class PartitionLog {
  readonly id: number
  readonly partition: number
  bounds: StoredBounds
  /** Time at which the oldest block expires, Unix ms: 0 = not known yet, Infinity = no block. */
  expiresMs = 0

  constructor(id: number, partition: number, bounds: StoredBounds) {
    this.id = id
    this.partition = partition
    this.bounds = bounds
  }

  get offsets(): Offsets {
    return { first: this.bounds.first, head: this.bounds.head }
  }
}

/** An existing stream. */
export class StreamLog {
  readonly partitions: PartitionLog[]
  stored: StoredStream
  info: StreamInfo
  /** Set when it is deleted: publishes that still wait for a commit are refused. */
  gone = false

  constructor(name: string, stored: StoredStream, partitions: PartitionLog[]) {
    this.partitions = partitions
    this.stored = stored
    this.info = { name, incarnation: stored.incarnation, partitions: stored.partitions }
  }

  grow(stored: StoredStream, added: readonly PartitionLog[]): void {
    this.partitions.push(...added)
    this.stored = stored
    this.info = { ...this.info, partitions: stored.partitions }
  }
}
