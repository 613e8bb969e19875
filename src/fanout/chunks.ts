import type { Clock } from '../base/clock.ts'
import { Window } from '../log/window.ts'
import { type PoolOptions, WindowPool } from '../log/window-pool.ts'
import { ByteRate } from './byte-rate.ts'
import type { Feeds } from './feeds.ts'
import type { LeftOver } from './fill.ts'
import { type ChunkOptions, noLimit } from './options.ts'
import type { PartitionFeed } from './partition-feed.ts'

/**
 * Maximum age of a cached answer to where the records of `maxAgeMs` start, ms. A tenth of
 * `maxAgeMs` also limits it.
 */
const maxFloorAgeMs = 10_000

interface Chunk extends LeftOver {
  /** Whether its memory belongs to the chunks and is used again. */
  readonly isOwn: boolean
}

/** Start of the records of a partition that are young enough. */
interface Floor {
  readonly rewrites: number
  readonly offset: number
  readonly askedMs: number
}

/** A queued read for `feed`. */
interface Waiting {
  readonly feed: PartitionFeed
  readonly read: () => Promise<void>
}

/**
 * Reads back what left a window, in chunks. Each chunk is a small window onto an older stretch,
 * shared by all readers that need it. The number and the rate of concurrent reads are bounded.
 * The least recently used chunk is dropped first.
 */
export class Chunks {
  readonly #options: ChunkOptions
  /** Each chunk is a window with its own pool. */
  readonly #pool: PoolOptions
  readonly #feeds: Feeds
  readonly #clock: Clock
  readonly #rate: ByteRate
  /** Least recently used first. */
  readonly #chunks: Chunk[] = []
  readonly #spare: Window[] = []
  readonly #floors = new WeakMap<PartitionFeed, Floor>()
  readonly #waiting: Waiting[] = []
  #running = 0
  /** Whether `bytesPerSecond` currently delays reads. */
  #throttled = false
  #closed = false

  constructor(options: ChunkOptions, pool: PoolOptions, feeds: Feeds, clock: Clock) {
    this.#options = options
    this.#pool = pool
    this.#feeds = feeds
    this.#clock = clock
    this.#rate = new ByteRate(options.bytesPerSecond ?? noLimit, clock)
  }

  /**
   * Returns the chunk that holds `offset`, complete from there on. Valid during the call only.
   */
  find(feed: PartitionFeed, offset: number): Window | undefined {
    const chunks = this.#chunks
    for (let i = chunks.length - 1; i >= 0; i--) {
      const chunk = chunks[i]!
      if (chunk.feed !== feed || chunk.rewrites !== feed.rewrites) continue
      if (offset < chunk.window.tail || offset >= chunk.window.head) continue
      chunks.splice(i, 1)
      chunks.push(chunk)
      return chunk.window
    }
    return undefined
  }

  /**
   * Runs `read`, which calls `floor` and `load`, once `concurrency` and `bytesPerSecond` permit.
   * It must not reject.
   */
  admit(feed: PartitionFeed, read: () => Promise<void>): void {
    this.#waiting.push({ feed, read })
    this.#startReads()
  }

  /** Returns the first offset whose record is at most `maxAgeMs` old. */
  async floor(feed: PartitionFeed, maxAgeMs: number): Promise<number> {
    const { rewrites } = feed
    const known = this.#floors.get(feed)
    const askedMs = this.#clock.monotonicMs()
    const goodForMs = Math.min(maxFloorAgeMs, maxAgeMs / 10)
    if (known?.rewrites === rewrites && askedMs - known.askedMs < goodForMs) return known.offset
    const offset = await this.#feeds.atTime(feed, Math.ceil(this.#clock.nowUs() / 1000) - maxAgeMs)
    // The log was replaced meanwhile, so the offset is meaningless.
    if (rewrites !== feed.rewrites) return 0
    this.#floors.set(feed, { rewrites, offset, askedMs })
    return offset
  }

  /** Reads the chunk that starts at `from`. */
  async load(feed: PartitionFeed, from: number): Promise<Window> {
    const window = this.#spare.pop() ?? new Window(new WindowPool(this.#pool))
    // Taken before the read: if the log is replaced meanwhile, `find` ignores the chunk.
    const { rewrites } = feed
    const { chunkBytes } = this.#options
    this.#rate.take(chunkBytes)
    let bytes: number
    try {
      bytes = await this.#feeds.load({ feed, from, maxBytes: chunkBytes }, window)
      if (window.head <= from) throw new Error('the broker returned nothing')
    } catch (error) {
      this.#rate.take(-chunkBytes)
      this.#spare.push(window)
      throw error
    }
    this.#rate.take(bytes - chunkBytes)
    this.#add({ feed, rewrites, window, isOwn: true })
    return window
  }

  /** Keeps a stretch that a fill has read as a chunk. Its memory belongs to the windows, which may take it back. */
  keep(stretch: LeftOver): void {
    const { window } = stretch
    window.seal()
    if (window.size === 0 || this.#closed) window.close()
    else this.#add({ ...stretch, isOwn: false })
  }

  #add(chunk: Chunk): void {
    this.#chunks.push(chunk)
    if (this.#chunks.length <= this.#options.chunks) return
    const { window, isOwn } = this.#chunks.shift()!
    if (isOwn) this.#spare.push(window)
    else window.close()
  }

  close(): void {
    this.#closed = true
    this.#waiting.length = 0
    this.#chunks.length = 0
  }

  #startReads(): void {
    while (!this.#closed && !this.#throttled && this.#running < this.#options.concurrency) {
      const [first] = this.#waiting
      if (first === undefined) return
      const waitMs = this.#rate.waitMs()
      if (waitMs > 0) {
        this.#holdBack(first.feed, waitMs)
        return
      }
      this.#waiting.shift()
      void this.#run(first.read)
    }
  }

  async #run(read: () => Promise<void>): Promise<void> {
    this.#running++
    await read()
    this.#running--
    this.#startReads()
  }

  #holdBack({ instruments }: PartitionFeed, waitMs: number): void {
    this.#throttled = true
    const sinceMs = this.#clock.monotonicMs()
    this.#clock.after(waitMs, () => {
      this.#throttled = false
      instruments.readBackThrottledMs += this.#clock.monotonicMs() - sinceMs
      this.#startReads()
    })
  }
}
