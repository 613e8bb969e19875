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

/** How long a request may wait for the log below the memory, ms. */
const patienceMs = 2000

interface LastContext {
  readonly clock: Timing
  readonly instruments: Pick<GatewayInstruments, 'scanned'>
  readonly limits: Pick<SessionLimits, 'scanPerSlice'>
}

type LastOwner = SearchOwner & Pick<ReaderOwner, 'wake'>

/** The last so many events of each of these subscriptions. */
export interface LastAsked {
  readonly n: number
  readonly subscriptions: readonly Subscription[]
  /** Who of them reads a partition. */
  readers(feed: PartitionFeed): readonly Subscription[]
  isGone(): boolean
}

interface Request {
  readonly asked: LastAsked
  readonly searches: readonly LastSearch[]
  /** Searches that are not done. */
  left: number
  resolve(starts: Start[]): void
  /** Set once it waits for the log. */
  cancelTimer: (() => void) | undefined
}

/** A session's searches for last events: they run in slices, so that others wait for one slice only, whatever a request asks for. */
export class LastSearches {
  readonly #owner: LastOwner
  readonly #context: LastContext
  readonly #requests = new Set<Request>()
  /** Those that can go on at once. */
  readonly #ready = new Map<LastSearch, Request>()

  constructor(owner: LastOwner, context: LastContext) {
    this.#owner = owner
    this.#context = context
  }

  /** Somebody's beginning has not been found yet. */
  get pending(): boolean {
    return this.#requests.size > 0
  }

  /** Where they begin in each partition; a promise where one slice does not suffice. Of no use where a log becomes another one meanwhile. */
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

  /** One slice. True when there is more to do at once. */
  run(budget: ScanBudget): boolean {
    for (const [search, request] of this.#ready) {
      if (budget.left <= 0) break
      if (request.asked.isGone()) this.#discard(request)
      else this.#advance(search, request, budget)
    }
    return this.#ready.size > 0
  }

  /** Nobody waits for those any more whose subscriptions are gone. */
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

  /** The log has taken too long: what was found in memory, and of the log so far, is all. */
  #stop(request: Request): void {
    for (const search of request.searches) search.stop()
    this.#drop(request)
    request.resolve(startsOf(request))
    // Its session waited for this, and may have nothing to read.
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

/** What was found is not given. */
export function freeFound(account: Account, starts: readonly Start[]): void {
  for (const { only } of starts) if (only !== undefined) account.give(only.bytes)
}

const startsOf = ({ searches }: Request): Start[] => searches.map(({ start }) => start)
