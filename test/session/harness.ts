import type { CarillonError } from '../../src/base/errors.ts'
import { systemRandom } from '../../src/base/random.ts'
import type { Feeds } from '../../src/fanout/feeds.ts'
import type { FillOptions } from '../../src/fanout/options.ts'
import type { StreamFeed } from '../../src/fanout/stream-feed.ts'
import { allowAll, type Grant } from '../../src/identity/grant.ts'
import type { RejectedRing } from '../../src/intake/rejected.ts'
import { bytesPerEntry } from '../../src/log/entry-arena.ts'
import type { RouteRule } from '../../src/routing/options.ts'
import { RoutingTable } from '../../src/routing/table.ts'
import type { ServingOptions } from '../../src/serving/options.ts'
import { Serving } from '../../src/serving/serving.ts'
import { type ReadBackOptions, sessionLimits } from '../../src/session/options.ts'
import type { FrameKind, Outlet, PositionSource, Session, Transport, WriteOutcome } from '../../src/session/outlet.ts'
import { writeOutcome } from '../../src/session/outlet.ts'
import type { Sessions } from '../../src/session/sessions.ts'
import { Instruments } from '../../src/telemetry/instruments.ts'
import type { Logger } from '../../src/telemetry/logger.ts'
import { encodeEvent } from '../../src/wire/envelope.ts'
import type { Encoding, Event, SubscribeOptions } from '../../src/wire/frames.ts'
import { ModelBroker } from '../model/broker.ts'
import { ManualClock, settled } from '../model/clock.ts'

/** Results of JSON.parse: frames as an untyped client sees them. */
type Json = ReturnType<typeof JSON.parse>

export const quiet: Logger = { log() {}, every() {} }

/** Record capacity of a chunk, which is full long before its payloads are. */
const smallChunks = { chunkBytes: 0, entries: 32, payloadBytes: 32_768 }

interface TestSize {
  /** Records that the window's index holds. */
  readonly entries?: number
  /** Size of its payloads; 1 KiB an entry by default. */
  readonly payloadBytes?: number
  readonly fill?: FillOptions
  readonly readBack?: Partial<ReadBackOptions>
  /** Routes of the stream `events`; by Java's hash by default. */
  readonly by?: RouteRule
}

const noFill: FillOptions = { ageMs: 0, budgetMs: 0 }

/** A gateway without sockets: real feeds, hub, window and sessions over a model broker. */
export class TestGateway {
  readonly broker: ModelBroker
  readonly clock = new ManualClock()
  /** Its log messages. */
  readonly logged: string[] = []
  readonly instruments = new Instruments()
  readonly serving: Serving
  readonly rejected: RejectedRing
  readonly feeds: Feeds
  readonly sessions: Sessions
  readonly stream: StreamFeed
  readonly routing: RoutingTable

  constructor(
    broker: ModelBroker,
    limits: Partial<typeof sessionLimits> = {},
    { entries = 64, payloadBytes = entries * 1024, fill = noFill, readBack: readBackOptions = {}, by }: TestSize = {},
  ) {
    this.broker = broker
    this.routing = new RoutingTable([{ subjects: '>', stream: 'events', by }])
    const { chunks = 8, ...readBack } = readBackOptions
    const options: ServingOptions = {
      gateway: 'test',
      version: '0',
      heartbeatMs: 25_000,
      limits: { ...sessionLimits, ...limits, maxSessions: 1000, maxFrameBytes: 65_536, maxEventBytes: 4096 },
      session: limits,
      streams: { events: { topic: 'events', partitions: 1 } },
      createTopics: false,
      window: {
        payloadBytes,
        indexBytes: entries * bytesPerEntry(broker.generations),
        payloadSlabBytes: Math.floor(payloadBytes / 4),
        slabEntries: 1,
      },
      fill,
      readBack: { chunkBytes: 2048, concurrency: 2, ...readBack, cacheBytes: 0, floors: { ...smallChunks, chunks } },
      seed: 7,
    }
    this.serving = new Serving(options, {
      source: broker,
      routing: this.routing,
      clock: this.clock,
      random: systemRandom,
      logger: {
        log: (_level, message) => this.logged.push(message),
        every: (_limit, _level, message) => this.logged.push(message),
      },
      instruments: this.instruments,
    })
    const { feeds, sessions, rejected } = this.serving
    this.feeds = feeds
    this.sessions = sessions
    this.rejected = rejected
    this.stream = feeds.streams.get('events')!
  }

  static async start(
    broker = new ModelBroker('events', 1),
    limits: Partial<typeof sessionLimits> = {},
    size: TestSize = {},
  ): Promise<TestGateway> {
    const gateway = new TestGateway(broker, limits, size)
    await gateway.serving.start()
    return gateway
  }

  /** Writes an event whose data is `text`, and ends the batch. Returns its offset. */
  publish(subject: string, text: string, more: Partial<Event> & { traceparent?: string } = {}): number {
    const { traceparent, ...fields } = more
    const { partition, key } = this.routing.place(subject, () => this.broker.info.partitions)
    const value = encodeEvent({
      subject,
      id: text,
      contentType: 'text/plain',
      data: Buffer.from(text),
      publishedAtUs: 1,
      ...fields,
    })
    const headers = traceparent === undefined ? {} : { traceparent }
    const offset = this.broker.append(partition!, Buffer.from(key), Buffer.from(value), headers)
    this.broker.end(partition!)
    return offset
  }

  connect(transport: Transport = 'websocket', grant: Grant = allowAll): TestClient {
    return new TestClient(this, transport, grant)
  }
}

/** A client without a socket: takes frames while it has room, as a socket would. */
export class TestClient implements Outlet {
  readonly transport: Transport
  readonly encoding: Encoding
  readonly peer = '192.0.2.1'
  readonly session: Session
  /** All frames, parsed: `{delivery: …}`, `{gap: …}`; those of SSE are blocks of text. */
  readonly frames: Record<string, Json>[] = []
  readonly blocks: string[] = []
  /** Number of frames that the socket still accepts; it accepts the one that fills it. */
  room = Number.POSITIVE_INFINITY
  /** Whether a full socket refuses instead of accepting one more frame. */
  refuses = false
  ended: CarillonError | 'normally' | undefined
  openedAt: string | undefined
  /** SSE: its position with each frame. */
  readonly stood: string[] = []
  /** Kind with which each frame was written. */
  readonly wroteAs: FrameKind[] = []
  caughtUps = 0

  constructor(gateway: TestGateway, transport: Transport, grant: Grant) {
    this.transport = transport
    this.encoding = transport === 'sse' ? 'sse' : 'json'
    this.session = gateway.sessions.open(this, grant)
  }

  write(frame: Uint8Array, kind: FrameKind, after: PositionSource): WriteOutcome {
    if (this.room <= 0) {
      if (!this.refuses) throw new Error('written to a full socket')
      return writeOutcome.refused
    }
    this.wroteAs.push(kind)
    if (this.transport === 'sse') this.stood.push(after.token('brief'))
    const text = Buffer.from(frame).toString('utf8')
    if (this.encoding === 'sse') this.blocks.push(text)
    else this.frames.push(JSON.parse(text))
    return --this.room > 0 || this.refuses ? writeOutcome.sent : writeOutcome.full
  }

  batch(run: () => void): void {
    run()
  }

  opened(): void {
    this.openedAt = this.session.token()
  }

  caughtUp(): void {
    this.caughtUps++
  }

  end(error: CarillonError | undefined): void {
    this.ended = error ?? 'normally'
  }

  subscribe(ref: number, subject: string, ...after: string[]): void {
    this.session.receive({ kind: 'subscribe', ref, subject, after })
  }

  ask(ref: number, subject: string, options: SubscribeOptions, ...after: string[]): void {
    this.session.receive({ kind: 'subscribe', ref, subject, after, ...options })
  }

  /** Returns the texts of the deliveries, in order. */
  get texts(): string[] {
    return this.deliveries.map((delivery) => delivery.event.text)
  }

  get deliveries(): Json[] {
    return this.frames.flatMap((frame) => ('delivery' in frame ? [frame.delivery] : []))
  }

  get gaps(): Json[] {
    return this.frames.flatMap((frame) => ('gap' in frame ? [frame.gap] : []))
  }

  /** Returns the kinds of the frames, in order. */
  get kinds(): string[] {
    return this.frames.flatMap((frame) => Object.keys(frame))
  }

  drain(room = Number.POSITIVE_INFINITY): void {
    this.room = room
    this.session.drained()
  }
}

export { settled }
