import type { Clock } from '../base/clock.ts'
import { Window } from '../log/window.ts'
import { type PoolOptions, WindowPool } from '../log/window-pool.ts'
import { ByteRate } from './byte-rate.ts'
import type { Feeds } from './feeds.ts'
import type { LeftOver } from './fill.ts'
import { type ChunkOptions, noLimit } from './options.ts'
import type { PartitionFeed } from './partition-feed.ts'

/** How old the answer may be to where the records of `maxAgeMs` begin: a tenth of that age, at most so many ms. */
const maxFloorAgeMs = 10_000

interface Chunk extends LeftOver {
  /** Its memory is the chunks' own, for the next one. */
  readonly isOwn: boolean
}

/** Where the records of a partition begin that are young enough. */
interface Floor {
  readonly rewrites: number
  readonly offset: number
  readonly askedMs: number
}

/** A read that waits until it may start; `feed` is whose. */
interface Waiting {
  readonly feed: PartitionFeed
  readonly read: () => Promise<void>
}

/**
 * What left a window, read back from the broker in chunks: each a small window onto an older stretch, shared by all who need
 * it. A bounded number of reads runs at once, at a bounded rate; the least recently used chunk gives way.
 */
export class Chunks {
  readonly #options: ChunkOptions
  /** A chunk is a window with a pool of its own. */
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
  /** Reads are held back by `bytesPerSecond`. */
  #throttled = false
  #closed = false

  constructor(options: ChunkOptions, pool: PoolOptions, feeds: Feeds, clock: Clock) {
    this.#options = options
    this.#pool = pool
    this.#feeds = feeds
    this.#clock = clock
    this.#rate = new ByteRate(options.bytesPerSecond ?? noLimit, clock)
  }

  /** The chunk that holds `offset`, complete from there on; to be used during the call only. */
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

  /** Runs `read`, which calls `floor` and `load`, as soon as `concurrency` and `bytesPerSecond` allow it. It must not reject. */
  admit(feed: PartitionFeed, read: () => Promise<void>): void {
    this.#waiting.push({ feed, read })
    this.#startReads()
  }

  /** The first offset whose record is no older than `maxAgeMs`. */
  async floor(feed: PartitionFeed, maxAgeMs: number): Promise<number> {
    const { rewrites } = feed
    const known = this.#floors.get(feed)
    const askedMs = this.#clock.monotonicMs()
    const goodForMs = Math.min(maxFloorAgeMs, maxAgeMs / 10)
    if (known?.rewrites === rewrites && askedMs - known.askedMs < goodForMs) return known.offset
    const offset = await this.#feeds.atTime(feed, Math.ceil(this.#clock.nowUs() / 1000) - maxAgeMs)
    // Another log by now has other offsets.
    if (rewrites !== feed.rewrites) return 0
    this.#floors.set(feed, { rewrites, offset, askedMs })
    return offset
  }

  /** Reads the chunk that begins at `from`. */
  async load(feed: PartitionFeed, from: number): Promise<Window> {
    const window = this.#spare.pop() ?? new Window(new WindowPool(this.#pool))
    // As of before the read: where the log becomes another one meanwhile, nobody finds the chunk.
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

  /** Has a stretch that somebody else has read for a chunk; its memory is that of the windows, which may take it back. */
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
