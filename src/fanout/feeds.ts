import { duration } from '../base/numbers.ts'
import type { StreamIntake } from '../intake/stream-intake.ts'
import type { Window } from '../log/window.ts'
import type { RoutingTable } from '../routing/table.ts'
import type { Offsets, StreamInfo } from '../source/source.ts'
import { type ChunkStart, loadChunk } from './chunk-load.ts'
import type { PartitionFeed } from './partition-feed.ts'
import type { StreamFeed } from './stream-feed.ts'

/** A stream that is down, or that needs an operator's attention. */
export interface StreamTrouble {
  /** Description for people. */
  readonly what: string
  /**
   * After the first read, sessions stay on the stream through broker outages. Until then, the
   * gateway is useless to new sessions.
   */
  readonly when: 'before it was served' | 'while it is served'
}

/**
 * Delay before a partition without progress is reported, ms; the same as for an unavailable
 * broker (`awayAfterMs`).
 */
const standstillMs = 1000

/** All streams of this gateway. Maps subjects to partitions. */
export class Feeds {
  readonly streams = new Map<string, StreamFeed>()
  readonly #routing: RoutingTable

  constructor(routing: RoutingTable) {
    this.#routing = routing
  }

  /**
   * Returns the partitions that may hold events of a subject or pattern. Throws `no_route`,
   * `stream_missing`, `broker_unavailable`.
   */
  partitionsFor(subject: string): PartitionFeed[] {
    const feeds: PartitionFeed[] = []
    for (const { stream, partitions } of this.#routing.partitionsFor(subject, this.partitionCount)) {
      for (const partition of partitions) feeds.push(this.#stream(stream).requireLive(partition))
    }
    return feeds
  }

  /**
   * Returns whether events of a subject or pattern may be in several partitions of a stream at
   * the same time.
   */
  isSpread({ subject, pattern }: { readonly subject: string; readonly pattern: boolean }): boolean {
    return pattern || this.#routing.isSpread(subject)
  }

  /** Returns the number of partitions of the feed's stream. */
  countOf(feed: PartitionFeed): number {
    return this.#stream(feed.stream).partitions.length
  }

  /**
   * Returns the partitions of a stream that may hold events of the subjects or patterns now, and
   * could not when the stream had `count` partitions.
   */
  movedSince(stream: string, subjects: Iterable<{ readonly subject: string }>, count: number): ReadonlySet<number> {
    const now = this.#stream(stream).partitions.length
    const moved = new Set<number>()
    for (const { subject } of subjects) {
      const before = new Set(this.#routing.partitionsIn(stream, subject, count))
      for (const each of this.#routing.partitionsIn(stream, subject, now)) if (!before.has(each)) moved.add(each)
    }
    return moved
  }

  readonly partitionCount = (stream: string): number => this.requireInfo(stream).partitions

  /** Returns the stream's current description. Throws `stream_missing`, `broker_unavailable`. */
  requireInfo(stream: string): StreamInfo {
    return this.#stream(stream).requireInfo()
  }

  /** Reads one chunk of the feed's past into `window`, see `loadChunk`. */
  load(start: ChunkStart, window: Window): Promise<number> {
    return loadChunk(this.#intake(start.feed), start, window)
  }

  /** Asks the broker for the partition's head. */
  async brokerHead(feed: PartitionFeed): Promise<number> {
    return (await this.#offsets(feed)).head
  }

  async first(feed: PartitionFeed): Promise<number> {
    return (await this.#offsets(feed)).first
  }

  async atTime(feed: PartitionFeed, timeMs: number): Promise<number> {
    return this.#intake(feed).offsetAt(feed.partition, timeMs)
  }

  #offsets(feed: PartitionFeed): Promise<Offsets> {
    return this.#intake(feed).offsets(feed.partition)
  }

  /** Whether each stream has been described by the broker, found missing, or refused. */
  get known(): boolean {
    return [...this.streams.values()].every(({ known }) => known)
  }

  /** Returns current problems of streams; `nowMs` is Unix ms. */
  troubles(nowMs: number): StreamTrouble[] {
    return [...this.streams.values()].flatMap((stream) => troublesOf(stream, nowMs))
  }

  async start(): Promise<void> {
    await Promise.all([...this.streams.values()].map(({ intake }) => intake.start()))
  }

  async close(): Promise<void> {
    await Promise.all([...this.streams.values()].map(({ intake }) => intake.close()))
  }

  /** Returns the intake to ask about the feed's stream. Throws if the stream is not available. */
  #intake(feed: PartitionFeed): StreamIntake {
    const stream = this.#stream(feed.stream)
    stream.requireInfo()
    return stream.intake
  }

  #stream(name: string): StreamFeed {
    const feed = this.streams.get(name)
    if (feed === undefined) throw new Error(`route names the stream "${name}", which is not configured`)
    return feed
  }
}

function troublesOf(stream: StreamFeed, nowMs: number): StreamTrouble[] {
  const { name, trouble, wasRead } = stream
  if (trouble !== undefined) return [{ what: trouble, when: wasRead ? 'while it is served' : 'before it was served' }]
  const still = stream.partitions.flatMap((feed) => {
    const found = feed.standstill()
    return found === undefined || nowMs - found.sinceMs < standstillMs ? [] : [{ ...found, partition: feed.partition }]
  })
  const [longest] = still.sort((a, b) => a.sinceMs - b.sinceMs)
  if (longest === undefined) return []
  const { what, partition, sinceMs } = longest
  const others = still.length === 1 ? '' : ` (and ${still.length - 1} more)`
  const problem = `stream ${name}, partition ${partition}: ${what}, for ${duration(nowMs - sinceMs)}${others}`
  return [{ what: problem, when: 'while it is served' }]
}
