import type { Clock } from '../../base/clock.ts'
import type { SourceContext } from '../source.ts'
import type { Batch } from './batch.ts'
import { readHeader } from './block.ts'
import type { EmbeddedOptions } from './options.ts'
import type { Store } from './store.ts'
import type { PartitionLog, StreamLog } from './stream.ts'

/** The resources that retention uses. */
export interface SweeperOwner extends SourceContext {
  readonly store: Store
  readonly clock: Clock
}

/**
 * Drops records beyond retention, and the blocks of deleted streams. Each commit drops at most
 * `sweepBlocks`, and alternates with publishes.
 */
export class Sweeper {
  readonly #store: Store
  readonly #options: EmbeddedOptions
  readonly #clock: Clock
  readonly #log: SourceContext['log']
  readonly #streams: () => Iterable<StreamLog>
  /** Ids and partition counts of deleted streams. */
  readonly #doomed: Map<number, number>
  #cancel = () => {}
  #closed = false
  #failing = false

  constructor(options: EmbeddedOptions, { store, clock, log }: SweeperOwner, streams: () => Iterable<StreamLog>) {
    this.#store = store
    this.#options = options
    this.#clock = clock
    this.#log = log
    this.#streams = streams
    this.#doomed = new Map(store.doomed())
  }

  start(): void {
    if (this.#closed) return
    this.#cancel = this.#clock.after(this.#options.sweepIntervalMs, () => {
      void this.#round().then(() => this.start())
    })
  }

  stop(): void {
    this.#closed = true
    this.#cancel()
  }

  /** Queues the deleted stream's blocks for the next rounds. */
  doom(id: number, partitions: number): void {
    this.#doomed.set(id, partitions)
  }

  /**
   * Raises the partition's first offset to `offset` (at most its head) and drops the blocks below
   * it.
   */
  async dropBefore(log: PartitionLog, offset: number): Promise<void> {
    await this.#store.commit((batch) => {
      const first = Math.min(Math.max(log.bounds.first, offset), log.bounds.head)
      const bounds = { ...log.bounds, first }
      batch.putBounds(log.id, log.partition, bounds)
      return () => {
        log.bounds = bounds
        // If the commit that drops the blocks fails, the next round repeats it.
        log.expiresMs = 0
      }
    })
    await this.#sweep(log)
  }

  async #round(): Promise<void> {
    try {
      const nowMs = this.#clock.nowUs() / 1000
      for (const stream of this.#streams()) {
        for (const log of stream.partitions) {
          if (log.bounds.bytes > this.#options.retentionBytes || nowMs >= log.expiresMs) await this.#sweep(log)
        }
      }
      for (const [id, partitions] of this.#doomed) await this.#bury(id, partitions)
      this.#failing = false
    } catch (error) {
      if (this.#failing || this.#closed) return
      this.#failing = true
      this.#log('warn', 'the embedded log could not drop expired records; it will retry', { error })
    }
  }

  async #sweep(log: PartitionLog): Promise<void> {
    let dropped: number
    do {
      dropped = await this.#store.commit((batch) => this.#stage(batch, log))
    } while (dropped === this.#options.sweepBlocks && !this.#closed)
  }

  /**
   * Drops blocks from the oldest on, up to the first one to keep. The newest stays unless it is
   * too old.
   */
  #stage(batch: Batch, log: PartitionLog): () => number {
    const { retentionBytes, retentionMs, sweepBlocks } = this.#options
    const { id, partition, bounds } = log
    const youngestMs = Math.floor(this.#clock.nowUs() / 1000) - retentionMs
    let { base, bytes } = bounds
    let expiresMs = Number.POSITIVE_INFINITY
    let dropped = 0
    while (base < bounds.head && dropped < sweepBlocks) {
      const oldest = this.#oldest(log, base)
      const surplus = bytes > retentionBytes && oldest.next < bounds.head
      if (oldest.next > bounds.first && !surplus && oldest.lastMs >= youngestMs) {
        expiresMs = oldest.lastMs + retentionMs + 1
        break
      }
      batch.dropBlock(id, partition, base)
      dropped++
      bytes -= oldest.bytes
      base = oldest.next
    }
    // Until here the total includes bytes of blocks that are missing or cut short, because only
    // their writer knew their size.
    if (base === bounds.head) bytes = 0
    const next = { ...bounds, base, bytes, first: Math.max(bounds.first, base) }
    if (dropped > 0) batch.putBounds(id, partition, next)
    return () => {
      log.bounds = next
      log.expiresMs = expiresMs
      return dropped
    }
  }

  /**
   * Describes the oldest block. A damaged one has no readable time, so it counts as new as the
   * newest record.
   */
  #oldest(log: PartitionLog, base: number): { next: number; bytes: number; lastMs: number } {
    const block = this.#store.block(log.id, log.partition, base)
    const header = block && readHeader(block, base)
    const bytes = block?.length ?? 0
    if (header !== undefined) return { next: base + header.count, bytes, lastMs: header.lastMs }
    const next = this.#store.basesFrom(log.id, log.partition, base + 1, 1)[0] ?? log.bounds.head
    return { next, bytes, lastMs: log.bounds.timeMs }
  }

  async #bury(id: number, partitions: number): Promise<void> {
    for (let partition = 0; partition < partitions; partition++) {
      let dropped: number
      do {
        dropped = await this.#store.commit((batch) => {
          const bases = this.#store.basesFrom(id, partition, 0, this.#options.sweepBlocks)
          for (const base of bases) batch.dropBlock(id, partition, base)
          return () => bases.length
        })
      } while (dropped > 0)
    }
    await this.#store.commit((batch) => {
      batch.bury(id, partitions)
      return () => {}
    })
    this.#doomed.delete(id)
  }
}
