import { duration } from '../base/numbers.ts'
import type { StreamIntake } from '../intake/stream-intake.ts'
import type { Window } from '../log/window.ts'
import type { RoutingTable } from '../routing/table.ts'
import type { Offsets, StreamInfo } from '../source/source.ts'
import { type ChunkStart, loadChunk } from './chunk-load.ts'
import type { PartitionFeed } from './partition-feed.ts'
import type { StreamFeed } from './stream-feed.ts'

/** A stream that is not up, or that an operator should look at. */
export interface StreamTrouble {
  /** For people. */
  readonly what: string
  /** Once it was read sessions stay on it, whatever becomes of the broker. A gateway that never could read it is of no use to new ones. */
  readonly when: 'before it was served' | 'while it is served'
}

/** A partition that stands still is told after so long, as one whose broker is away (`awayAfterMs`), ms. */
const standstillMs = 1000

/** All streams of this gateway, and where a subject's events are among them. */
export class Feeds {
  readonly streams = new Map<string, StreamFeed>()
  readonly #routing: RoutingTable

  constructor(routing: RoutingTable) {
    this.#routing = routing
  }

  /** The partitions in which events of a subject or pattern can be. Throws `no_route`, `stream_missing`, `broker_unavailable`. */
  partitionsFor(subject: string): PartitionFeed[] {
    const feeds: PartitionFeed[] = []
    for (const { stream, partitions } of this.#routing.partitionsFor(subject, this.partitionCount)) {
      for (const partition of partitions) feeds.push(this.#stream(stream).requireLive(partition))
    }
    return feeds
  }

  /** Whether events of a subject or pattern may be in several partitions of a stream at a time. */
  isSpread({ subject, pattern }: { readonly subject: string; readonly pattern: boolean }): boolean {
    return pattern || this.#routing.isSpread(subject)
  }

  /** How many partitions the feed's stream has. */
  countOf(feed: PartitionFeed): number {
    return this.#stream(feed.stream).partitions.length
  }

  /** Partitions of a stream that events of one of the subjects or patterns can be in, and could not when it had `count` of them. */
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

  /** The stream as it is now. Throws `stream_missing`, `broker_unavailable`. */
  requireInfo(stream: string): StreamInfo {
    return this.#stream(stream).requireInfo()
  }

  /** One chunk of the feed's past into `window`, see `loadChunk`. */
  load(start: ChunkStart, window: Window): Promise<number> {
    return loadChunk(this.#intake(start.feed), start, window)
  }

  /** The broker's head of that partition, asked now. */
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

  /** Of each stream it has been found out what it is, that it is not there, or that it can't be used. */
  get known(): boolean {
    return [...this.streams.values()].every(({ known }) => known)
  }

  /** What is wrong with streams now, Unix ms; empty = nothing is. */
  troubles(nowMs: number): StreamTrouble[] {
    return [...this.streams.values()].flatMap((stream) => troublesOf(stream, nowMs))
  }

  async start(): Promise<void> {
    await Promise.all([...this.streams.values()].map(({ intake }) => intake.start()))
  }

  async close(): Promise<void> {
    await Promise.all([...this.streams.values()].map(({ intake }) => intake.close()))
  }

  /** Where the feed's stream can be asked. */
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
  const said = `stream ${name}, partition ${partition}: ${what}, for ${duration(nowMs - sinceMs)}${others}`
  return [{ what: said, when: 'while it is served' }]
}
