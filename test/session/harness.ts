import type { CarillonError } from '../../src/base/errors.ts'
import { systemRandom } from '../../src/base/random.ts'
import { Feeds } from '../../src/fanout/feeds.ts'
import type { FillOptions } from '../../src/fanout/fill.ts'
import { RejectedRing } from '../../src/fanout/rejected.ts'
import { StreamFeed } from '../../src/fanout/stream-feed.ts'
import { RoutingTable } from '../../src/routing/table.ts'
import { AheadWatch } from '../../src/session/ahead.ts'
import { Sessions } from '../../src/session/host.ts'
import { sessionLimits } from '../../src/session/limits.ts'
import type { Outlet, Session, Transport, WriteOutcome } from '../../src/session/outlet.ts'
import { writeOutcome } from '../../src/session/outlet.ts'
import { Pump } from '../../src/session/pump.ts'
import { ReadBack, type ReadBackOptions } from '../../src/session/read-back.ts'
import { Instruments } from '../../src/telemetry/instruments.ts'
import type { Logger } from '../../src/telemetry/logger.ts'
import { encodeEvent } from '../../src/wire/envelope.ts'
import type { Encoding, Event, SubscribeOptions } from '../../src/wire/frames.ts'
import { ModelBroker } from '../model/broker.ts'
import { ManualClock, settled } from '../model/clock.ts'
import { smallPool } from '../model/window.ts'

/** What JSON.parse gives: frames as a client of no particular types has them. */
type Json = ReturnType<typeof JSON.parse>

export const quiet: Logger = { log() {}, every() {} }

const seed = 7

/** One gateway without sockets: real feeds, hub, window and sessions over a model broker. */
export class TestGateway {
  readonly broker: ModelBroker
  readonly clock = new ManualClock()
  readonly instruments = new Instruments()
  readonly rejected = new RejectedRing()
  readonly feeds: Feeds
  readonly sessions: Sessions
  readonly stream: StreamFeed
  readonly routing: RoutingTable

  constructor(
    broker: ModelBroker,
    limits: Partial<typeof sessionLimits>,
    entries: number,
    payloadBytes: number,
    fill: FillOptions,
    readBackOptions: Partial<ReadBackOptions> = {},
  ) {
    this.broker = broker
    this.routing = new RoutingTable([{ subjects: '>', stream: 'events', by: { hash: 'murmur2' } }])
    this.feeds = new Feeds(this.routing, broker)
    this.stream = new StreamFeed({
      name: 'events',
      topic: 'events',
      source: broker,
      routing: this.routing,
      window: { pool: smallPool({ payloadBytes, entries, slabEntries: 1 }), seed },
      maxEventBytes: 4096,
      fill,
      partitions: 1,
      creates: false,
      instruments: this.instruments.stream('events'),
      rejected: this.rejected,
      clock: this.clock,
      logger: quiet,
      onRepartitioned: () => this.sessions.replaceAll(),
    })
    this.feeds.streams.set('events', this.stream)
    const pump = new Pump((task) => setImmediate(task))
    const readBack = new ReadBack(
      { chunkBytes: 2048, chunks: 8, concurrency: 2, ...readBackOptions },
      { payloadBytes: 1 << 15, payloadSlabBytes: 1 << 15, entries: 32, slabEntries: 32 },
      this.feeds,
      this.clock,
      quiet,
      pump,
    )
    this.sessions = new Sessions(
      {
        maxSessions: 1000,
        welcome: {
          gateway: 'test',
          version: '0',
          heartbeatMs: 25_000,
          limits: { maxFrameBytes: 1, maxEventBytes: 1, maxSubjectBytes: 255, maxSubscriptions: 1 },
        },
      },
      {
        feeds: this.feeds,
        readBack,
        pump,
        ahead: new AheadWatch(this.feeds, this.clock),
        limits: { ...sessionLimits, ...limits },
        instruments: this.instruments.gateway,
        clock: this.clock,
        logger: quiet,
        seed,
      },
      systemRandom,
    )
  }

  /** `entries` is what the window's index holds; of up to 1 KiB each in its payload ring, unless that is given. */
  static async start(
    broker = new ModelBroker('events', 1),
    limits: Partial<typeof sessionLimits> = {},
    entries = 64,
    payloadBytes = entries * 1024,
    fill: FillOptions = { ageMs: 0, budgetMs: 0 },
    readBack: Partial<ReadBackOptions> = {},
  ): Promise<TestGateway> {
    const gateway = new TestGateway(broker, limits, entries, payloadBytes, fill, readBack)
    await gateway.feeds.start()
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

  connect(transport: Transport = 'websocket'): TestClient {
    return new TestClient(this, transport)
  }
}

/** A client without a socket: takes frames while it has room, as a socket would. */
export class TestClient implements Outlet {
  readonly transport: Transport
  readonly encoding: Encoding
  readonly session: Session
  /** All frames, parsed: `{delivery: …}`, `{gap: …}`; of SSE the blocks as text. */
  readonly frames: Record<string, Json>[] = []
  readonly blocks: string[] = []
  /** Frames that the socket still takes; the one that fills it is taken. */
  room = Number.POSITIVE_INFINITY
  /** A full socket refuses instead of taking one more. */
  refuses = false
  ended: CarillonError | 'normally' | undefined
  openedAt: string | undefined
  caughtUps = 0

  constructor(gateway: TestGateway, transport: Transport) {
    this.transport = transport
    this.encoding = transport === 'sse' ? 'sse' : 'json'
    this.session = gateway.sessions.open(this)
  }

  write(frame: Uint8Array): WriteOutcome {
    if (this.room <= 0) {
      if (!this.refuses) throw new Error('written to a full socket')
      return writeOutcome.refused
    }
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

  /** Texts of the deliveries, in order. */
  get texts(): string[] {
    return this.deliveries.map((delivery) => delivery.event.text)
  }

  get deliveries(): Json[] {
    return this.frames.flatMap((frame) => ('delivery' in frame ? [frame.delivery] : []))
  }

  get gaps(): Json[] {
    return this.frames.flatMap((frame) => ('gap' in frame ? [frame.gap] : []))
  }

  /** Kinds of the frames, in order. */
  get kinds(): string[] {
    return this.frames.flatMap((frame) => Object.keys(frame))
  }

  drain(room = Number.POSITIVE_INFINITY): void {
    this.room = room
    this.session.drained()
  }
}

export { settled }
