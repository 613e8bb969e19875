import type { Clock } from '../base/clock.ts'
import type { Feeds } from '../fanout/feeds.ts'
import type { PartitionFeed } from '../fanout/partition-feed.ts'
import { Window } from '../log/window.ts'
import { type PoolOptions, WindowPool } from '../log/window-pool.ts'
import type { Logger } from '../telemetry/logger.ts'
import { ByteRate } from './byte-rate.ts'
import { noLimit, type ReadBackOptions } from './options.ts'

/** A reader whose next offset has left the window. */
export interface ReadBackWaiter {
  readonly feed: PartitionFeed
  readonly next: number
  /** The chunk that holds `next` is there, or another attempt is worth making. */
  resume(): void
  /** What lies below `to` is too old to be read back: told, and on from there. */
  passTo(to: number): void
}

/** Where the readers that were resumed run; see `Pump`. */
export interface Rounds {
  /** Runs `then` once all that waits there now had its slice. */
  afterRound(then: () => void): void
}

/** How long to wait before asking again after a failed read, ms. */
const retryMs = 500
/** While a sweep is as young as this, who comes below it is taken along, ms. */
const gatherMs = 100
/** Where so many wait, a partition's sweeps begin at least so long after each other: the later ones of a herd share one, ms. */
const crowd = 8
const sweepMs = 1000
/** Who has waited for so long is read for next, and for so long at least reads go on from there, ms. */
const patienceMs = 2000
/** How old the answer may be to where the records of `maxAgeMs` begin: a tenth of that age, at most so many ms. */
const maxFloorAgeMs = 10_000

interface Chunk {
  readonly feed: PartitionFeed
  readonly rewrites: number
  readonly window: Window
}

/** Where the records of a partition begin that are young enough. */
interface Floor {
  readonly rewrites: number
  readonly offset: number
  readonly askedMs: number
}

interface Wanted {
  readonly offset: number
  readonly sinceMs: number
}

/** Who waits for a partition, and for which offset, in the order in which they came. */
interface Queue {
  readonly feed: PartitionFeed
  readonly waiters: Map<ReadBackWaiter, Wanted>
  /** A read is under way, or will be when its turn comes. */
  active: boolean
  /** Where the sweep is: it goes on at the lowest offset from here on that is waited for. */
  from: number
  /** When it began. */
  sweptMs: number
  /** When it was last turned to who had waited longest. */
  turnedMs: number
}

/**
 * What left a window is read back from the broker in chunks, each a small window onto an older stretch, shared by all who
 * need it. One read a partition at a time and a bounded number at once; the least recently used chunk gives way.
 *
 * The reads of a partition sweep upwards over the offsets that are waited for, and take along all who stand there; who comes below has
 * the next sweep, and where many come, sweeps are apart in time: so a herd costs each stretch once or twice. Who has waited for too long
 * is read for next, and the sweep goes on from there. The next read waits until those whom the last one brought something had their turn
 * at it: chunks don't come faster than they are used.
 */
export class ReadBack {
  readonly #options: ReadBackOptions
  /** A chunk is a window with a pool of its own. */
  readonly #chunkPool: PoolOptions
  readonly #feeds: Feeds
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #rounds: Rounds | undefined
  readonly #rate: ByteRate
  /** Least recently used first. */
  readonly #chunks: Chunk[] = []
  readonly #spare: Window[] = []
  readonly #queues = new WeakMap<PartitionFeed, Queue>()
  /** Queues whose next read may start. */
  readonly #ready: Queue[] = []
  readonly #floors = new WeakMap<PartitionFeed, Floor>()
  #running = 0
  /** Reads are held back by `bytesPerSecond`. */
  #throttled = false
  #closed = false

  constructor(
    options: ReadBackOptions,
    chunkPool: PoolOptions,
    feeds: Feeds,
    clock: Clock,
    logger: Logger,
    rounds?: Rounds,
  ) {
    this.#options = options
    this.#chunkPool = chunkPool
    this.#feeds = feeds
    this.#clock = clock
    this.#logger = logger
    this.#rounds = rounds
    this.#rate = new ByteRate(options.bytesPerSecond ?? noLimit, clock)
  }

  get chunkBytes(): number {
    return this.#options.chunkBytes
  }

  /** What a new session may have read back; Infinity = there is no limit. */
  get maxBytesPerSession(): number {
    const { maxBytesPerSession = noLimit } = this.#options
    return maxBytesPerSession === noLimit ? Number.POSITIVE_INFINITY : maxBytesPerSession
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
    this.#ready.push(queue)
    this.#startReads()
  }

  forget(waiter: ReadBackWaiter): void {
    const queue = this.#queues.get(waiter.feed)
    if (queue !== undefined) remove(queue, waiter)
  }

  close(): void {
    this.#closed = true
    this.#ready.length = 0
    this.#chunks.length = 0
  }

  #startReads(): void {
    while (!this.#closed && !this.#throttled && this.#running < this.#options.concurrency) {
      const [queue] = this.#ready
      if (queue === undefined) return
      const waitMs = this.#rate.waitMs()
      if (waitMs > 0) {
        this.#holdBack(queue, waitMs)
        return
      }
      this.#ready.shift()
      this.#running++
      void this.#run(queue)
    }
  }

  #holdBack({ feed }: Queue, waitMs: number): void {
    this.#throttled = true
    const sinceMs = this.#clock.monotonicMs()
    this.#clock.after(waitMs, () => {
      this.#throttled = false
      feed.instruments.readBackThrottledMs += this.#clock.monotonicMs() - sinceMs
      this.#startReads()
    })
  }

  async #run(queue: Queue): Promise<void> {
    const { feed } = queue
    const { maxAgeMs = noLimit } = this.#options
    let from: number | undefined
    try {
      if (maxAgeMs !== noLimit) pass(queue, await this.#askFloor(feed, maxAgeMs))
      from = choose(queue, this.#clock.monotonicMs())
      if (from !== undefined) {
        // Another read may have brought this stretch since it was asked for.
        const chunk = this.find(feed, from) ?? (await this.#load(feed, from))
        queue.from = chunk.head
        resume(queue, from, chunk)
        await this.#round()
      }
    } catch (error) {
      feed.instruments.readBacksFailed++
      const message = error instanceof Error ? error.message : String(error)
      const what = `read-back of ${feed.stream}, partition ${feed.partition}${from === undefined ? '' : ` from ${from}`} failed`
      this.#logger.every(`read-back ${feed.stream}`, 10_000, 'warn', `${what}: ${message}`)
      await new Promise<void>((resolve) => this.#clock.after(retryMs, resolve))
      if (from !== undefined) {
        // Others have their turn before it is tried again.
        queue.from = from + 1
        resume(queue, from, undefined)
      }
    }
    this.#running--
    this.#goOn(queue)
  }

  /** The queue's next turn, if it needs one. */
  #goOn(queue: Queue): void {
    queue.active = queue.waiters.size > 0
    const holdMs = heldMs(queue, this.#clock.monotonicMs())
    if (holdMs > 0) this.#clock.after(holdMs, () => this.#enqueue(queue))
    else this.#enqueue(queue)
  }

  #enqueue(queue: Queue): void {
    if (queue.active) this.#ready.push(queue)
    this.#startReads()
  }

  /** Until those who were resumed had their turn. */
  #round(): Promise<void> | undefined {
    const rounds = this.#rounds
    return rounds && new Promise((resolve) => rounds.afterRound(resolve))
  }

  async #askFloor(feed: PartitionFeed, maxAgeMs: number): Promise<number> {
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

  async #load(feed: PartitionFeed, from: number): Promise<Window> {
    const window = this.#spare.pop() ?? new Window(new WindowPool(this.#chunkPool))
    // As of before the read: where the log becomes another one meanwhile, nobody finds the chunk.
    const { rewrites } = feed
    const { chunkBytes } = this.#options
    this.#rate.take(chunkBytes)
    let bytes: number
    try {
      bytes = await this.#feeds.readBack(feed, from, chunkBytes, window)
      if (window.head <= from) throw new Error('the broker returned nothing')
      if (contradict(feed.window, window)) throw new Error('the log is another one, which its tail has not noticed yet')
    } catch (error) {
      this.#rate.take(-chunkBytes)
      this.#spare.push(window)
      throw error
    }
    this.#rate.take(bytes - chunkBytes)
    this.#chunks.push({ feed, rewrites, window })
    if (this.#chunks.length > this.#options.chunks) this.#spare.push(this.#chunks.shift()!.window)
    return window
  }
}

/**
 * What was read is of another history than what the gateway has seen of the same offsets: given to a client, its position would be of
 * that one, and what lies below it untold.
 */
function contradict(seen: Window, chunk: Window): boolean {
  const { head } = chunk
  const generation = chunk.generationAt(head)
  if (generation < 0) return false
  const before = seen.generationAt(head)
  return before >= 0 && before !== generation
}

/** Where the next read starts; undefined where nobody waits any more. */
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

/** How long a sweep that would begin now is to wait for more who need it, ms. */
function heldMs(queue: Queue, nowMs: number): number {
  const { waiters, sweptMs, from } = queue
  const ageMs = nowMs - sweptMs
  if (waiters.size < crowd || ageMs < gatherMs || ageMs >= sweepMs || lowest(queue, from) !== undefined) return 0
  return sweepMs - ageMs
}

/** The lowest offset at or above `from` that is waited for. */
function lowest({ waiters }: Queue, from: number): number | undefined {
  let least: number | undefined
  for (const { offset } of waiters.values()) {
    if (offset >= from && (least === undefined || offset < least)) least = offset
  }
  return least
}

/** Those for whom the read was made, and all others who wait for something in its chunk, go on. */
function resume(queue: Queue, read: number, chunk: Window | undefined): void {
  for (const [waiter, { offset }] of queue.waiters) {
    const covered = chunk !== undefined && offset >= chunk.tail && offset < chunk.head
    if (offset !== read && !covered) continue
    remove(queue, waiter)
    waiter.resume()
  }
}

/** To the first record that is young enough, or in memory, where age is no matter. */
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
