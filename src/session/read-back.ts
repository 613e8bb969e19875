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

interface Job {
  readonly feed: PartitionFeed
  readonly from: number
  readonly waiters: Set<ReadBackWaiter>
}

/**
 * What left a window is read back from the broker in chunks, each a small window onto an older stretch, shared by all who
 * need it: one read a stretch at a time (single flight), a bounded number at once, the least recently used chunk gives way.
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
  readonly #jobs: Job[] = []
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
    const under = this.#jobs.find((job) => job.feed === feed && job.from === next)
    if (under !== undefined) {
      under.waiters.add(waiter)
      return
    }
    this.#jobs.push({ feed, from: next, waiters: new Set([waiter]) })
    this.#startJobs()
  }

  forget(waiter: ReadBackWaiter): void {
    for (const job of this.#jobs) job.waiters.delete(waiter)
  }

  close(): void {
    this.#closed = true
    this.#jobs.length = 0
    this.#chunks.length = 0
  }

  #startJobs(): void {
    while (!this.#closed && this.#running < Math.min(this.#options.concurrency, this.#jobs.length)) {
      void this.#run(this.#jobs[this.#running++]!)
    }
  }

  async #run(job: Job): Promise<void> {
    try {
      // Another job may have read this stretch while it queued.
      if (job.waiters.size > 0 && this.find(job.feed, job.from) === undefined) await this.#load(job)
    } catch (error) {
      job.feed.instruments.readBacksFailed++
      const message = error instanceof Error ? error.message : String(error)
      const what = `read-back of ${job.feed.stream}, partition ${job.feed.partition} from ${job.from} failed`
      this.#logger.every(`read-back ${job.feed.stream}`, 10_000, 'warn', `${what}: ${message}`)
      await new Promise<void>((resolve) => this.#clock.after(retryMs, resolve))
    }
    this.#finish(job)
  }

  async #load({ feed, from }: Job): Promise<void> {
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
  }

  #finish(job: Job): void {
    const at = this.#jobs.indexOf(job)
    if (at >= 0) this.#jobs.splice(at, 1)
    this.#running--
    for (const waiter of job.waiters) waiter.resume()
    this.#startJobs()
  }
}
