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

/** In one partition: records that are looked at, in memory and in the log below it, and events that are brought along. */
const maxScanned = 65_536
const maxEvents = 10_000
/** What one request may read of the log below the memory, in all of its partitions. */
const maxReadBytes = 32 << 20
/** Nodes of the tree of patterns that count as one record looked at. */
const nodesPerRecord = 16
/** How far below itself a search reads on at first, in offsets, until it knows how far a chunk reaches. */
const firstStep = 1024

/** `more`: it can go on at once. `waiting`: for read-back. */
type SearchProgress = 'more' | 'waiting' | 'done'

/** What a search needs of its session. */
export type SearchOwner = Pick<ReaderOwner, 'readBack' | 'readBackLeft' | 'charge' | 'account'>

/** What all searches of a request have in common. */
export class LastRequest {
  readonly n: number
  readonly owner: SearchOwner
  #readLeft = maxReadBytes
  /** Of what its session may have read back. */
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

  /** Half of what its session may have read back is for what is found. */
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
 * Finds where the last events of each subject are in one partition, a slice at a time: a subject's by the index, a pattern's among the
 * records in memory, newest first, and what is missing then in the log below, which is read in stretches downwards. Between two slices it
 * stands at an offset, for ordinals are no longer good then.
 */
export class LastSearch implements ReadBackWaiter {
  readonly feed: PartitionFeed
  /** The place in the log that it waits for. */
  next = 0
  readonly #request: LastRequest
  readonly #wake: (search: LastSearch) => void
  readonly #exact: readonly Subscription[]
  /** Of the subjects; absent where a pattern is among them. */
  readonly #hashes: ReadonlySet<number> | undefined
  readonly #rewrites: number
  /** Counted from here down: what comes later is given as it is. */
  readonly #until: number
  readonly #offsets = new Set<number>()
  /** How many were found of each subject, and what that takes until the end of the search. */
  readonly #found = new Map<string, number>()
  #foundBytes = 0
  /** Its session has no room for more. */
  #noRoom = false
  /** Subjects that the index has answered for, and the offset at which the chain of the next one goes on. */
  #answered = 0
  #chainAt: number | undefined
  /** Subjects of which the index has fewer than wanted, and down to where it was asked for them. */
  #missing = 0
  #indexed = 0
  /** Down to here each record was looked at that the index does not answer for. */
  #below: number
  #scansLeft = maxScanned
  /** Where chunks of the log begin that lie below, the next one last. */
  #chunks: number[] = []
  #step = firstStep
  /** Nothing below is to be read. */
  #floor = 0
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

  /** The log in which it counts has become another one. */
  get isOutdated(): boolean {
    return this.feed.rewrites !== this.#rewrites
  }

  /** What it found. */
  get start(): Start {
    const { feed } = this
    const offset = this.#offsets.size === 0 ? this.#until : Math.min(...this.#offsets)
    const only = { until: this.#until, offsets: this.#offsets, bytes: this.#offsets.size * sizes.found }
    if (this.#isComplete || this.#below <= feed.first) return { feed, offset, gaps: [], only }
    const gap = { from: feed.first, to: this.#below - 1, reason: 'budget', certain: false, before: undefined } as const
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

  /** What it has found by now is all that is given. */
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

  /** True when the index has said all. */
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

  /** One subject's chain, down to an entry that is not looked at any more; `noEntry` = to its end, `tooMany` = `look` ran out at `#chainAt`. */
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
      // Without its payload an entry is known by its hash alone; its reader compares the subject.
      const isWanted = offset < this.#until && (at < window.tailOrdinal || isOf(window, at, subscription))
      if (isWanted && !this.#add(subject, offset)) break
    }
    return at
  }

  /** The records of `window` from `low` on, newest first. True when all were looked at, or no more are to be. */
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

  /** False where it is wanted, and its session has no room for it. */
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

  /** In the log below the memory, as far as budgets reach. */
  #readOn(budget: ScanBudget): SearchProgress {
    const { feed } = this
    const { readBack } = this.#request.owner
    const least = Math.max(feed.first, feed.firstOffset, this.#floor)
    while (this.#below > least && this.#goesOn) {
      const from = this.#nextChunk(least)
      const chunk = readBack.find(feed, from)
      if (chunk === undefined) {
        this.next = from
        readBack.want(this)
        return 'waiting'
      }
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

  /** Where the chunk begins that is to be looked at next: it hardly reaches beyond what has been looked at. */
  #nextChunk(least: number): number {
    const chunks = this.#chunks
    while (chunks.length > 0 && chunks.at(-1)! >= this.#below) chunks.pop()
    if (chunks.length === 0) chunks.push(Math.max(this.#below - this.#step, least))
    return chunks.at(-1)!
  }

  #foundOf(subject: string): number {
    return this.#found.get(subject) ?? 0
  }

  /** False where its session has no room for it. */
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

/** The entry at an offset, where it has not been evicted. */
function ordinalAt(window: Window, offset: number): number {
  return offset < window.indexTail ? noEntry : window.lowerBound(offset)
}

/** Offsets that a chunk like this one reaches over, as a rule. */
const stepOf = ({ tail, head }: Window): number => Math.ceil((head - tail) * 0.75)
