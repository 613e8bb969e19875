import type { Timing } from '../base/clock.ts'
import type { PartitionFeed } from '../fanout/partition-feed.ts'
import type { GatewayInstruments } from '../telemetry/instruments.ts'
import type { Account } from './account.ts'
import { LastRequest, LastSearch, type SearchOwner } from './last-search.ts'
import type { ScanBudget } from './matcher.ts'
import type { SessionLimits } from './options.ts'
import type { ReaderOwner } from './reader.ts'
import type { Start } from './start.ts'
import type { Subscription } from './subscription.ts'

/** Maximum wait of a request for the log below the window, ms. */
const patienceMs = 2000

interface LastContext {
  readonly clock: Timing
  readonly instruments: Pick<GatewayInstruments, 'scanned'>
  readonly limits: Pick<SessionLimits, 'scanPerSlice'>
}

type LastOwner = SearchOwner & Pick<ReaderOwner, 'wake'>

/** A request for the last `n` events of each of these subscriptions. */
export interface LastAsked {
  readonly n: number
  readonly subscriptions: readonly Subscription[]
  /** Returns the subscriptions that read a partition. */
  readers(feed: PartitionFeed): readonly Subscription[]
  isGone(): boolean
}

interface Request {
  readonly asked: LastAsked
  readonly searches: readonly LastSearch[]
  /** Number of searches that are not done. */
  left: number
  resolve(starts: Start[]): void
  /** Cancels the timeout; set once the request waits for the log. */
  cancelTimer: (() => void) | undefined
}

/**
 * A session's searches for last events. They run in slices, so that other work waits for one
 * slice only, whatever the size of a request.
 */
export class LastSearches {
  readonly #owner: LastOwner
  readonly #context: LastContext
  readonly #requests = new Set<Request>()
  /** Searches that can go on at once, with their requests. */
  readonly #ready = new Map<LastSearch, Request>()

  constructor(owner: LastOwner, context: LastContext) {
    this.#owner = owner
    this.#context = context
  }

  /** Whether a search is still running. */
  get pending(): boolean {
    return this.#requests.size > 0
  }

  /**
   * Returns the start in each partition; a promise if one slice does not suffice. The starts are
   * invalid if one of the logs is rewritten meanwhile.
   */
  find(asked: LastAsked, feeds: readonly PartitionFeed[]): Start[] | Promise<Start[]> {
    const { n, subscriptions } = asked
    const wish = new LastRequest(n, this.#owner, subscriptions)
    const { promise, resolve } = Promise.withResolvers<Start[]>()
    const wake = (search: LastSearch) => this.#resume(search, request)
    const searches = feeds.map((feed) => new LastSearch(wish, feed, asked.readers(feed), wake))
    const request: Request = { asked, searches, left: searches.length, resolve, cancelTimer: undefined }
    this.#requests.add(request)
    for (const search of searches) this.#ready.set(search, request)
    const { limits, instruments } = this.#context
    const budget = { left: limits.scanPerSlice, stoppedAt: 0 }
    for (const search of searches) if (budget.left > 0) this.#advance(search, request, budget)
    instruments.scanned += limits.scanPerSlice - budget.left
    if (!this.#requests.has(request)) return startsOf(request)
    this.#owner.wake()
    return promise
  }

  /** Runs one slice. True = there is more to do at once. */
  run(budget: ScanBudget): boolean {
    for (const [search, request] of this.#ready) {
      if (budget.left <= 0) break
      if (request.asked.isGone()) this.#discard(request)
      else this.#advance(search, request, budget)
    }
    return this.#ready.size > 0
  }

  /** Discards requests whose subscriptions are gone. */
  dropGone(): void {
    for (const request of this.#requests) if (request.asked.isGone()) this.#discard(request)
  }

  #advance(search: LastSearch, request: Request, budget: ScanBudget): void {
    const progress = search.run(budget)
    if (progress === 'more') return
    this.#ready.delete(search)
    if (progress === 'waiting') {
      request.cancelTimer ??= this.#context.clock.after(patienceMs, () => this.#stop(request))
      return
    }
    if (--request.left > 0 && !search.isOutdated) return
    this.#drop(request)
    request.resolve(startsOf(request))
  }

  #resume(search: LastSearch, request: Request): void {
    this.#ready.set(search, request)
    this.#owner.wake()
  }

  /**
   * Ends a request whose reads of the log take too long, with the events found by now in memory
   * and in the log.
   */
  #stop(request: Request): void {
    for (const search of request.searches) search.stop()
    this.#drop(request)
    request.resolve(startsOf(request))
    // The session waited for this, and may have nothing else to run for.
    this.#owner.wake()
  }

  #discard(request: Request): void {
    this.#drop(request)
    freeFound(this.#owner.account, startsOf(request))
  }

  #drop(request: Request): void {
    this.#requests.delete(request)
    request.cancelTimer?.()
    for (const search of request.searches) {
      this.#ready.delete(search)
      search.stop()
    }
  }
}

/** Frees the memory of events that were found but will not be delivered. */
export function freeFound(account: Account, starts: readonly Start[]): void {
  for (const { only } of starts) if (only !== undefined) account.give(only.bytes)
}

const startsOf = ({ searches }: Request): Start[] => searches.map(({ start }) => start)
