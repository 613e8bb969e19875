import type { Clock } from '../base/clock.ts'
import type { Feeds } from '../fanout/feeds.ts'
import type { PartitionFeed } from '../fanout/partition-feed.ts'
import { Window, type WindowOptions } from '../log/window.ts'
import type { Logger } from '../telemetry/logger.ts'

/** A reader whose next offset has left the window. */
export interface ReadBackWaiter {
  readonly feed: PartitionFeed
  readonly next: number
  /** The chunk that holds `next` is there, or another attempt is worth making. */
  resume(): void
}

export interface ReadBackOptions {
  /** What one read asks the broker for, bytes. */
  readonly chunkBytes: number
  /** Chunks kept for others who need the same stretch. */
  readonly chunks: number
  /** Reads under way at once. */
  readonly concurrency: number
}

export const readBackDefaults: ReadBackOptions = { chunkBytes: 1 << 20, chunks: 16, concurrency: 4 }

/** How long to wait before asking again after a failed read, ms. */
const retryMs = 500

interface Chunk {
  readonly feed: PartitionFeed
  readonly streamHash: number
  readonly rewrites: number
  readonly window: Window
}

/** Who waits for a partition, and for which offset, in the order in which they came. */
interface Queue {
  readonly feed: PartitionFeed
  readonly waiters: Map<ReadBackWaiter, number>
  /** The next read is for who has waited longest, not for the lowest offset. */
  oldestNext: boolean
}

/**
 * What left a window is read back from the broker in chunks, each a small window onto an older stretch, shared by all who
 * need it. One read a partition at a time and a bounded number at once; the least recently used chunk gives way. A read starts, in turns,
 * at the lowest offset that is waited for, so that its chunk serves as many as it can, and at that of who has waited longest, so that
 * nobody waits for all who are further behind.
 */
export class ReadBack {
  readonly #options: ReadBackOptions
  readonly #chunkWindow: WindowOptions
  readonly #feeds: Feeds
  readonly #clock: Clock
  readonly #logger: Logger
  /** Least recently used first. */
  readonly #chunks: Chunk[] = []
  readonly #spare: Window[] = []
  readonly #queues = new Map<PartitionFeed, Queue>()
  /** Queues whose next read may start. */
  readonly #ready: Queue[] = []
  #running = 0
  #closed = false

  constructor(options: ReadBackOptions, chunkWindow: WindowOptions, feeds: Feeds, clock: Clock, logger: Logger) {
    this.#options = options
    this.#chunkWindow = chunkWindow
    this.#feeds = feeds
    this.#clock = clock
    this.#logger = logger
  }

  /** The chunk that holds `offset`, complete from there on; to be used during the call only. */
  find(feed: PartitionFeed, offset: number): Window | undefined {
    const chunks = this.#chunks
    for (let i = chunks.length - 1; i >= 0; i--) {
      const chunk = chunks[i]!
      if (chunk.feed !== feed || chunk.streamHash !== feed.streamHash || chunk.rewrites !== feed.rewrites) continue
      if (offset < chunk.window.tail || offset >= chunk.window.head) continue
      chunks.splice(i, 1)
      chunks.push(chunk)
      return chunk.window
    }
    return undefined
  }

  want(waiter: ReadBackWaiter): void {
    const { feed, next } = waiter
    let queue = this.#queues.get(feed)
    if (queue === undefined) {
      queue = { feed, waiters: new Map(), oldestNext: false }
      this.#queues.set(feed, queue)
      this.#ready.push(queue)
    }
    queue.waiters.delete(waiter)
    queue.waiters.set(waiter, next)
    this.#startReads()
  }

  forget(waiter: ReadBackWaiter): void {
    this.#queues.get(waiter.feed)?.waiters.delete(waiter)
  }

  close(): void {
    this.#closed = true
    this.#queues.clear()
    this.#ready.length = 0
    this.#chunks.length = 0
  }

  #startReads(): void {
    while (!this.#closed && this.#running < this.#options.concurrency) {
      const queue = this.#ready.shift()
      if (queue === undefined) return
      this.#running++
      void this.#run(queue)
    }
  }

  async #run(queue: Queue): Promise<void> {
    const { feed } = queue
    const from = choose(queue)
    if (from !== undefined) {
      try {
        // Another read may have brought this stretch since it was asked for.
        resume(queue, from, this.find(feed, from) ?? (await this.#load(feed, from)))
      } catch (error) {
        feed.instruments.readBacksFailed++
        const message = error instanceof Error ? error.message : String(error)
        const what = `read-back of ${feed.stream}, partition ${feed.partition} from ${from} failed`
        this.#logger.every(`read-back ${feed.stream}`, 10_000, 'warn', `${what}: ${message}`)
        await new Promise<void>((resolve) => this.#clock.after(retryMs, resolve))
        resume(queue, from, undefined)
      }
    }
    this.#running--
    if (queue.waiters.size > 0) this.#ready.push(queue)
    else this.#queues.delete(feed)
    this.#startReads()
  }

  async #load(feed: PartitionFeed, from: number): Promise<Window> {
    const window = this.#spare.pop() ?? new Window(this.#chunkWindow)
    // As of before the read: where the log becomes another one meanwhile, nobody finds the chunk.
    const { streamHash, rewrites } = feed
    try {
      await this.#feeds.readBack(feed, from, this.#options.chunkBytes, window)
      if (window.head <= from) throw new Error('the broker returned nothing')
    } catch (error) {
      this.#spare.push(window)
      throw error
    }
    this.#chunks.push({ feed, streamHash, rewrites, window })
    if (this.#chunks.length > this.#options.chunks) this.#spare.push(this.#chunks.shift()!.window)
    return window
  }
}

/** Where the next read starts; undefined where nobody waits any more. */
function choose(queue: Queue): number | undefined {
  const { waiters, oldestNext } = queue
  queue.oldestNext = !oldestNext
  let chosen: number | undefined
  for (const from of waiters.values()) {
    if (oldestNext) return from
    if (chosen === undefined || from < chosen) chosen = from
  }
  return chosen
}

/** Those for whom the read was made, and all others who wait for something in its chunk, go on. */
function resume({ waiters }: Queue, read: number, chunk: Window | undefined): void {
  for (const [waiter, from] of [...waiters]) {
    const covered = chunk !== undefined && from >= chunk.tail && from < chunk.head
    if (from !== read && !covered) continue
    waiters.delete(waiter)
    waiter.resume()
  }
}
