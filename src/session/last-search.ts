import type { PartitionFeed } from '../fanout/partition-feed.ts'
import { noEntry, tooMany } from '../log/chains.ts'
import { type StoredEntry, storedEntry } from '../log/entry.ts'
import type { Window } from '../log/window.ts'
import { isSubject } from '../subject/bytes.ts'
import { PatternTrie } from '../subject/trie.ts'
import { sizes } from './account.ts'
import type { ScanBudget } from './matcher.ts'
import type { ReadBackWaiter } from './read-back.ts'
import type { ReaderOwner } from './reader.ts'
import type { Start } from './start.ts'
import type { Subscription } from './subscription.ts'

/**
 * Bounds of a search in one partition: records examined, in memory and in the log below it, and
 * events found.
 */
const maxScanned = 65_536
const maxEvents = 10_000
/** Bytes of log below the window that one request may read, in all of its partitions together. */
const maxReadBytes = 32 << 20
/** Nodes of the pattern trie that cost as much as one examined record. */
const nodesPerRecord = 16
/**
 * Initial distance from a search down to the next chunk, in offsets, until it knows how many
 * offsets a chunk spans.
 */
const firstStep = 1024

/** `more`: the search can go on at once. `waiting`: it waits for read-back. */
type SearchProgress = 'more' | 'waiting' | 'done'

/** The part of a session that a search uses. */
export type SearchOwner = Pick<ReaderOwner, 'readBack' | 'readBackLeft' | 'charge' | 'account'>

/** State that all searches of a request share. */
export class LastRequest {
  readonly n: number
  readonly owner: SearchOwner
  #readLeft = maxReadBytes
  /** Bytes charged to the session's read-back budget. */
  #charged = 0
  readonly #tree = new PatternTrie<Subscription>()
  #matched = 0
  readonly #count = (): void => {
    this.#matched++
  }

  constructor(n: number, owner: SearchOwner, subscriptions: readonly Subscription[]) {
    this.n = n
    this.owner = owner
    for (const each of subscriptions) this.#tree.add(each.subject, each)
  }

  /**
   * Whether it may read more. It leaves half of the session's read-back budget for delivering
   * what it finds.
   */
  get mayRead(): boolean {
    return this.#readLeft > 0 && this.owner.readBackLeft > this.#charged
  }

  charge({ usedBytes }: Window): void {
    this.#readLeft -= usedBytes
    this.#charged += usedBytes
    this.owner.charge(usedBytes)
  }

  wants(subject: string, budget: ScanBudget): boolean {
    this.#matched = 0
    budget.left -= Math.floor(this.#tree.match(subject, this.#count) / nodesPerRecord)
    return this.#matched > 0
  }
}

const scratch: StoredEntry = storedEntry()

/**
 * Finds the last events of each subject in one partition, a slice at a time. It finds exact
 * subjects by the index, and those of a pattern among the records in memory, newest first. It
 * searches for missing events in the log below, which it reads in stretches downwards. Between
 * two slices it keeps an offset, because ordinals are no longer valid then.
 */
export class LastSearch implements ReadBackWaiter {
  readonly feed: PartitionFeed
  /** Offset that it waits for. */
  next = 0
  readonly #request: LastRequest
  readonly #wake: (search: LastSearch) => void
  readonly #exact: readonly Subscription[]
  /** Hashes of the subjects; undefined if there is a pattern among them. */
  readonly #hashes: ReadonlySet<number> | undefined
  readonly #rewrites: number
  /** Events are counted below this offset. Later ones are delivered as they come. */
  readonly #until: number
  readonly #offsets = new Set<number>()
  /**
   * Number of events found for each subject, and the bytes that this table holds until the search
   * ends.
   */
  readonly #found = new Map<string, number>()
  #foundBytes = 0
  /** The session has no room for more events. */
  #noRoom = false
  /**
   * Number of subjects whose chains are followed to the end, and the offset at which the next
   * subject's chain continues.
   */
  #answered = 0
  #chainAt: number | undefined
  /**
   * Number of subjects of which the index has too few events, and the offset from which on the
   * index has all events of these.
   */
  #missing = 0
  #indexed = 0
  /**
   * Lowest offset from which on all records are covered: examined, or answered for by the index.
   */
  #below: number
  #scansLeft = maxScanned
  /** Start offsets of log chunks below, the next one last. */
  #chunks: number[] = []
  #step = firstStep
  /** Lowest offset that may be read: older records exceed `readBack.maxAgeMs`. */
  #floor = 0
  /** Lowest offset that retention has kept, according to the chunks read. */
  #kept = 0
  #stopped = false

  constructor(
    wish: LastRequest,
    feed: PartitionFeed,
    subscriptions: readonly Subscription[],
    wake: (search: LastSearch) => void,
  ) {
    this.feed = feed
    this.#request = wish
    this.#wake = wake
    this.#rewrites = feed.rewrites
    this.#until = feed.window.head
    this.#below = this.#until
    this.#exact = subscriptions.filter(({ pattern }) => !pattern)
    const areExact = this.#exact.length === subscriptions.length
    this.#hashes = areExact ? new Set(subscriptions.map(({ hash }) => hash)) : undefined
  }

  /** Whether the log has been rewritten or re-created since the search began. */
  get isOutdated(): boolean {
    return this.feed.rewrites !== this.#rewrites
  }

  /** Start for a reader that delivers the events found. */
  get start(): Start {
    const { feed } = this
    const offset = this.#offsets.size === 0 ? this.#until : Math.min(...this.#offsets)
    const only = { until: this.#until, offsets: this.#offsets, bytes: this.#offsets.size * sizes.found }
    const from = Math.max(feed.first, this.#kept)
    if (this.#isComplete || this.#below <= from) return { feed, offset, gaps: [], only }
    const gap = { from, to: this.#below - 1, reason: 'budget', certain: false, before: undefined } as const
    return { feed, offset, gaps: [gap], only }
  }

  run(budget: ScanBudget): SearchProgress {
    if (this.#stopped || this.isOutdated) return 'done'
    if (!this.#followIndex(budget)) return 'more'
    const { window } = this.feed
    if (this.#hashes === undefined && !this.#scan(window, window.tail, budget)) return 'more'
    const progress = this.#readOn(budget)
    if (progress === 'done') this.#forgetSubjects()
    return progress
  }

  /** Ends the search with the events found by now. */
  stop(): void {
    this.#stopped = true
    this.#forgetSubjects()
    this.#request.owner.readBack.forget(this)
  }

  #forgetSubjects(): void {
    this.#request.owner.account.give(this.#foundBytes)
    this.#foundBytes = 0
    this.#found.clear()
  }

  resume(): void {
    this.#wake(this)
  }

  passTo(to: number): void {
    this.#floor = to
    this.#chunks = []
    this.#wake(this)
  }

  get #isComplete(): boolean {
    return this.#hashes !== undefined && this.#missing === 0
  }

  get #isFull(): boolean {
    return this.#noRoom || this.#offsets.size >= maxEvents
  }

  /** Follows the chains of all exact subjects. True = all are done. */
  #followIndex(budget: ScanBudget): boolean {
    const { window } = this.feed
    while (this.#answered < this.#exact.length) {
      const subscription = this.#exact[this.#answered]!
      const at = this.#follow(subscription, budget)
      if (at === tooMany) return false
      if (this.#foundOf(subscription.subject) < this.#request.n) {
        this.#missing++
        this.#indexed = Math.max(this.#indexed, at === noEntry ? window.indexTail : window.offsetOf(at) + 1)
      }
      this.#answered++
      this.#chainAt = undefined
      if (this.#answered === this.#exact.length && this.#hashes !== undefined) this.#below = this.#indexed
    }
    return true
  }

  /**
   * Follows one subject's chain and returns the ordinal at which it stopped; `noEntry` = the
   * chain ended, `tooMany` = `budget` ran out at `#chainAt`.
   */
  #follow(subscription: Subscription, budget: ScanBudget): number {
    const { window } = this.feed
    const { hash, subject } = subscription
    let at = this.#chainAt === undefined ? window.newest(hash) : ordinalAt(window, this.#chainAt)
    for (; at >= 0 && this.#foundOf(subject) < this.#request.n && !this.#isFull; at = window.previous(at)) {
      const offset = window.offsetOf(at)
      if (budget.left-- <= 0) {
        this.#chainAt = offset
        return tooMany
      }
      // An entry without a payload is known by its hash only; the reader compares the subject.
      const isWanted = offset < this.#until && (at < window.tailOrdinal || isOf(window, at, subscription))
      if (isWanted && !this.#add(subject, offset)) break
    }
    return at
  }

  /**
   * Examines the records of `window` at or above offset `low`, newest first. True = all are
   * examined, or no more are needed.
   */
  #scan(window: Window, low: number, budget: ScanBudget): boolean {
    const least = window.lowerBound(low)
    for (let ordinal = window.lowerBound(this.#below) - 1; ordinal >= least; ordinal--) {
      if (this.#isFull || this.#scansLeft === 0) return true
      if (budget.left <= 0) return false
      budget.left--
      this.#scansLeft--
      if (this.#hashes?.has(window.hashOf(ordinal)) !== false && !this.#examine(window, ordinal, budget)) return true
      this.#below = window.offsetOf(ordinal)
    }
    this.#below = Math.min(this.#below, low)
    return true
  }

  /** Examines one record. False = it is wanted, but the session has no room for it. */
  #examine(window: Window, ordinal: number, budget: ScanBudget): boolean {
    window.load(ordinal, scratch)
    const subject = scratch.buffer.toString('utf8', scratch.subjectStart, scratch.subjectEnd)
    const found = this.#foundOf(subject)
    if (found >= this.#request.n || this.#offsets.has(scratch.offset) || !this.#request.wants(subject, budget))
      return true
    if (!this.#add(subject, scratch.offset)) return false
    if (this.#hashes !== undefined && found + 1 === this.#request.n) this.#missing--
    return true
  }

  /** Searches the log below the window, as far as the budgets allow. */
  #readOn(budget: ScanBudget): SearchProgress {
    const { feed } = this
    const { readBack } = this.#request.owner
    while (this.#goesOn) {
      const least = Math.max(feed.first, this.#kept, this.#floor)
      if (this.#below <= least) break
      const from = this.#nextChunk(least)
      const chunk = readBack.find(feed, from)
      if (chunk === undefined) {
        this.next = from
        readBack.want(this)
        return 'waiting'
      }
      const lost = chunk.nextLost(from)
      if (lost?.reason === 'retention') this.#kept = lost.to + 1
      const step = stepOf(chunk)
      if (chunk.head >= this.#below) {
        if (!this.#scan(chunk, from, budget)) return 'more'
        if (this.#below > from) break
      } else if (step < this.#step) this.#chunks = []
      else this.#chunks.push(chunk.head)
      this.#step = step
      this.#request.charge(chunk)
    }
    return 'done'
  }

  get #goesOn(): boolean {
    return !this.#isComplete && !this.#isFull && this.#scansLeft > 0 && this.#request.mayRead
  }

  /**
   * Returns the start of the next chunk to examine, such that it hardly overlaps what is already
   * covered.
   */
  #nextChunk(least: number): number {
    const chunks = this.#chunks
    while (chunks.length > 0 && chunks.at(-1)! >= this.#below) chunks.pop()
    if (chunks.length === 0) chunks.push(Math.max(this.#below - this.#step, least))
    return chunks.at(-1)!
  }

  #foundOf(subject: string): number {
    return this.#found.get(subject) ?? 0
  }

  /** Adds an event found. False = the session has no room for it. */
  #add(subject: string, offset: number): boolean {
    const found = this.#foundOf(subject)
    const bytes = found === 0 ? sizes.foundSubject + subject.length : 0
    if (!this.#request.owner.account.tryTake(sizes.found + bytes)) {
      this.#noRoom = true
      return false
    }
    this.#foundBytes += bytes
    this.#offsets.add(offset)
    this.#found.set(subject, found + 1)
    return true
  }
}

function isOf(window: Window, ordinal: number, { bytes }: Subscription): boolean {
  window.load(ordinal, scratch)
  return isSubject(bytes, scratch.buffer, scratch.subjectStart, scratch.subjectEnd)
}

/** Returns the ordinal of the entry at an offset; `noEntry` = it has been evicted. */
function ordinalAt(window: Window, offset: number): number {
  return offset < window.indexTail ? noEntry : window.lowerBound(offset)
}

/** Estimates how many offsets a chunk like this one spans, with a margin of a quarter. */
const stepOf = ({ tail, head }: Window): number => Math.ceil((head - tail) * 0.75)
