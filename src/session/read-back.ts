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

export interface ReadBackContracts {
  readonly clock: Clock
  readonly logger: Logger
  readonly rounds?: Rounds
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
 * Those who wait for what left a window, and which chunk is read for them next: one read a partition at a time.
 *
 * The reads of a partition sweep upwards over the offsets that are waited for, and take along all who stand there; who comes below has
 * the next sweep, and where many come, sweeps are apart in time: so a herd costs each stretch once or twice. Who has waited for too long
 * is read for next, and the sweep goes on from there. The next read waits until those whom the last one brought something had their turn
 * at it: chunks don't come faster than they are used.
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

  /** What a new session may have read back; Infinity = there is no limit. */
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
        // Another read may have brought this stretch since it was asked for.
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
        // Others have their turn before it is tried again.
        queue.from = from + 1
        resume(queue, from, undefined)
      }
    }
    this.#goOn(queue)
  }

  /** The queue's next turn, if it needs one. */
  #goOn(queue: Queue): void {
    queue.active = queue.waiters.size > 0
    const again = () => {
      if (queue.active) this.#read(queue)
    }
    const holdMs = heldMs(queue, this.#clock.monotonicMs())
    if (holdMs > 0) this.#clock.after(holdMs, again)
    else again()
  }

  /** Until those who were resumed had their turn. */
  #round(): Promise<void> | undefined {
    const rounds = this.#rounds
    return rounds && new Promise((resolve) => rounds.afterRound(resolve))
  }
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
