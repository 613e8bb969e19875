import type { Clock } from '../base/clock.ts'
import type { Chunks } from '../fanout/chunks.ts'
import { noLimit } from '../fanout/options.ts'
import type { PartitionFeed } from '../fanout/partition-feed.ts'
import type { Window } from '../log/window.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { ReadBackOptions } from './options.ts'

/** A reader whose next offset has left the window. */
export interface ReadBackWaiter {
  readonly feed: PartitionFeed
  readonly next: number
  /**
   * Lets the reader go on: the chunk that holds `next` is loaded, or another attempt is
   * worthwhile.
   */
  resume(): void
  /** Moves the reader to `to`, with a gap: records below are too old to be read back. */
  passTo(to: number): void
}

/** Scheduler that runs the resumed readers; see `Pump`. */
export interface Rounds {
  /** Runs `then` once everything queued there now has had its slice. */
  afterRound(then: () => void): void
}

export interface ReadBackContracts {
  readonly clock: Clock
  readonly logger: Logger
  readonly rounds?: Rounds
}

/** Delay before a failed read is retried, ms. */
const retryMs = 500
/** Age until which a sweep also serves waiters that arrive below it, ms. */
const gatherMs = 100
/**
 * With at least `crowd` waiters, a partition's sweeps start at least `sweepMs` (ms) apart: the
 * later clients of a herd share one sweep.
 */
const crowd = 8
const sweepMs = 1000
/**
 * Wait after which the next read is for the longest waiter, and minimum interval between two such
 * reads, ms.
 */
const patienceMs = 2000

interface Wanted {
  readonly offset: number
  readonly sinceMs: number
}

/** Waiters of a partition with their offsets, in order of arrival. */
interface Queue {
  readonly feed: PartitionFeed
  readonly waiters: Map<ReadBackWaiter, Wanted>
  /** Whether a read is running or scheduled. */
  active: boolean
  /**
   * Position of the sweep: it continues at the lowest offset at or above this one that a reader
   * waits for.
   */
  from: number
  /** Start of the sweep, monotonic ms. */
  sweptMs: number
  /** Time of the last read for the longest waiter, monotonic ms. */
  turnedMs: number
}

/**
 * Holds the readers that wait for records that have left a window, and decides which chunk to
 * read next: one read a partition at a time.
 *
 * The reads of a partition sweep upwards over the offsets that readers wait for, and serve all
 * waiters at each. Waiters that arrive below the sweep get the next one. With many waiters,
 * sweeps are spaced in time, so that a herd costs each stretch one or two reads. The next read is
 * for a reader that has waited too long, and the sweep continues from there. A read starts only
 * after the readers served by the previous one have had their turn: chunks arrive no faster than
 * they are used.
 */
export class ReadBack {
  readonly #options: ReadBackOptions
  readonly #chunks: Chunks
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #rounds: Rounds | undefined
  readonly #queues = new WeakMap<PartitionFeed, Queue>()

  constructor(options: ReadBackOptions, chunks: Chunks, { clock, logger, rounds }: ReadBackContracts) {
    this.#options = options
    this.#chunks = chunks
    this.#clock = clock
    this.#logger = logger
    this.#rounds = rounds
  }

  get chunkBytes(): number {
    return this.#options.chunkBytes
  }

  /** Read-back budget of a new session, bytes; Infinity = unlimited. */
  get maxBytesPerSession(): number {
    const { maxBytesPerSession = noLimit } = this.#options
    return maxBytesPerSession === noLimit ? Number.POSITIVE_INFINITY : maxBytesPerSession
  }

  /** See `Chunks.find`. */
  find(feed: PartitionFeed, offset: number): Window | undefined {
    return this.#chunks.find(feed, offset)
  }

  want(waiter: ReadBackWaiter): void {
    const { feed, next } = waiter
    let queue = this.#queues.get(feed)
    if (queue === undefined) {
      const never = Number.NEGATIVE_INFINITY
      const nowhere = Number.POSITIVE_INFINITY
      queue = { feed, waiters: new Map(), active: false, from: nowhere, sweptMs: never, turnedMs: never }
      this.#queues.set(feed, queue)
    }
    remove(queue, waiter)
    queue.waiters.set(waiter, { offset: next, sinceMs: this.#clock.monotonicMs() })
    feed.instruments.readBackWaiting++
    if (queue.active) return
    queue.active = true
    this.#read(queue)
  }

  forget(waiter: ReadBackWaiter): void {
    const queue = this.#queues.get(waiter.feed)
    if (queue !== undefined) remove(queue, waiter)
  }

  #read(queue: Queue): void {
    this.#chunks.admit(queue.feed, () => this.#run(queue))
  }

  async #run(queue: Queue): Promise<void> {
    const { feed } = queue
    const { maxAgeMs = noLimit } = this.#options
    let from: number | undefined
    try {
      if (maxAgeMs !== noLimit) pass(queue, await this.#chunks.floor(feed, maxAgeMs))
      from = choose(queue, this.#clock.monotonicMs())
      if (from !== undefined) {
        // Another read may have loaded this stretch meanwhile.
        const chunk = this.find(feed, from) ?? (await this.#chunks.load(feed, from))
        queue.from = chunk.head
        resume(queue, from, chunk)
        await this.#round()
      }
    } catch (error) {
      feed.instruments.readBacksFailed++
      const message = error instanceof Error ? error.message : String(error)
      const what = `read-back of ${feed.stream}, partition ${feed.partition}${from === undefined ? '' : ` from ${from}`} failed`
      this.#logger.every({ key: `read-back ${feed.stream}`, ms: 10_000 }, 'warn', `${what}: ${message}`)
      await new Promise<void>((resolve) => this.#clock.after(retryMs, resolve))
      if (from !== undefined) {
        // Other waiters have their turn before this offset is retried.
        queue.from = from + 1
        resume(queue, from, undefined)
      }
    }
    this.#goOn(queue)
  }

  /** Schedules the queue's next read, if it has waiters. */
  #goOn(queue: Queue): void {
    queue.active = queue.waiters.size > 0
    const again = () => {
      if (queue.active) this.#read(queue)
    }
    const holdMs = heldMs(queue, this.#clock.monotonicMs())
    if (holdMs > 0) this.#clock.after(holdMs, again)
    else again()
  }

  /** Resolves once the resumed readers have had their turn. */
  #round(): Promise<void> | undefined {
    const rounds = this.#rounds
    return rounds && new Promise((resolve) => rounds.afterRound(resolve))
  }
}

/** Returns the offset of the next read; undefined = there are no waiters. */
function choose(queue: Queue, nowMs: number): number | undefined {
  const [longest] = queue.waiters.values()
  if (longest === undefined) return undefined
  if (nowMs - Math.max(longest.sinceMs, queue.turnedMs) >= patienceMs) {
    queue.from = longest.offset
    queue.turnedMs = nowMs
    return queue.from
  }
  const next = nowMs - queue.sweptMs < gatherMs ? undefined : lowest(queue, queue.from)
  if (next !== undefined) return next
  if (nowMs - queue.sweptMs >= gatherMs) queue.sweptMs = nowMs
  return lowest(queue, 0)
}

/** Returns how long a new sweep is delayed so that more waiters can share it, ms. */
function heldMs(queue: Queue, nowMs: number): number {
  const { waiters, sweptMs, from } = queue
  const ageMs = nowMs - sweptMs
  if (waiters.size < crowd || ageMs < gatherMs || ageMs >= sweepMs || lowest(queue, from) !== undefined) return 0
  return sweepMs - ageMs
}

/** Returns the lowest offset at or above `from` that a reader waits for. */
function lowest({ waiters }: Queue, from: number): number | undefined {
  let least: number | undefined
  for (const { offset } of waiters.values()) {
    if (offset >= from && (least === undefined || offset < least)) least = offset
  }
  return least
}

/** Resumes the waiters at offset `read`, and all others whose offset is in the chunk. */
function resume(queue: Queue, read: number, chunk: Window | undefined): void {
  for (const [waiter, { offset }] of queue.waiters) {
    const covered = chunk !== undefined && offset >= chunk.tail && offset < chunk.head
    if (offset !== read && !covered) continue
    remove(queue, waiter)
    waiter.resume()
  }
}

/**
 * Moves waiters to the first record that is young enough, or to the window, where age does not
 * matter.
 */
function pass(queue: Queue, young: number): void {
  const floor = Math.min(young, queue.feed.window.tail)
  for (const [waiter, { offset }] of queue.waiters) {
    if (offset >= floor) continue
    remove(queue, waiter)
    waiter.passTo(floor)
  }
}

function remove({ feed, waiters }: Queue, waiter: ReadBackWaiter): void {
  if (waiters.delete(waiter)) feed.instruments.readBackWaiting--
}
