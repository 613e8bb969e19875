import { loopClock } from '../../base/clock.ts'
import { CarillonError } from '../../base/errors.ts'
import { systemRandom } from '../../base/random.ts'
import type { NatsSettings } from '../settings.ts'
import type {
  Ack,
  Chunk,
  Offsets,
  OutRecord,
  RangeEnd,
  RangeSink,
  Source,
  SourceContext,
  StreamInfo,
  Tail,
  TailSink,
} from '../source.ts'
import { firstSequence, JetStreamApi } from './api.ts'
import { authenticator, tlsOptions } from './credentials.ts'
import { formatTime } from './delivery.ts'
import { createCommand, createFamily, describeFamily, familyFacts } from './family.ts'
import { type Layout, layoutOf } from './layout.ts'
import { dialServer, Link, type LinkContext, serversOf } from './link.ts'
import { type NatsOptions, natsDefaults } from './options.ts'
import { Publisher } from './publisher.ts'
import { RangeRead } from './range.ts'
import { familySettings } from './stream-settings.ts'
import { JetStreamTail } from './tail.ts'

/** The system's clock, random source and connections, unless a test provides others. */
export type NatsContext = SourceContext & Partial<LinkContext>

/**
 * Opens NATS JetStream as a source. Connections open on first use, so this resolves even if the
 * servers are down. Rejects with `bad_request` if a credential file can't be used.
 */
export async function openNats(
  options: Pick<NatsOptions, 'servers'> & Partial<NatsOptions>,
  context: NatsContext,
): Promise<Source> {
  const all = { ...natsDefaults, ...options }
  if (all.servers.length === 0) throw new CarillonError('bad_request', 'expected at least one NATS server, got none')
  authenticator(all)
  if (all.tls !== undefined) tlsOptions(all.tls)
  return new NatsSource(all, { clock: loopClock(), random: systemRandom, dial: dialServer, ...context })
}

export class NatsSource implements Source {
  readonly kind = 'nats'
  readonly firstOffset = firstSequence
  readonly generations = 'times'
  readonly name: string
  readonly #options: NatsOptions
  readonly #context: SourceContext & LinkContext
  /** For requests and ranges; the publisher and each tail have separate connections. */
  readonly #api: JetStreamApi
  readonly #publisher: Publisher
  readonly #tails = new Set<JetStreamTail>()

  constructor(options: NatsOptions, context: SourceContext & LinkContext) {
    this.name = serversOf(options)
    this.#options = options
    this.#context = context
    this.#api = new JetStreamApi(new Link(options, context), options, context.clock)
    this.#publisher = new Publisher(options, context)
  }

  describe(stream: string): Promise<StreamInfo | undefined> {
    return describeFamily(this.#api, this.#layout(stream))
  }

  create(stream: string, partitions: number): Promise<void> {
    return createFamily(this.#api, this.#layout(stream), partitions, this.#options)
  }

  createCommand(stream: string, partitions: number): string {
    return createCommand(this.#layout(stream), partitions, this.name, this.#options)
  }

  async offsets(stream: StreamInfo, partition: number): Promise<Offsets> {
    const { first, head } = await familyFacts(this.#api, this.#layout(stream.name), stream, partition)
    return { first, head }
  }

  async offsetAt(stream: StreamInfo, partition: number, timeMs: number): Promise<number> {
    const name = this.#layout(stream.name).stream(partition)
    const offset = await this.#api.sequenceAt(name, formatTime(Math.max(0, Math.ceil(timeMs)), 0))
    // Checked afterwards, to verify that the answer was about this family.
    await familyFacts(this.#api, this.#layout(stream.name), stream, partition)
    return offset
  }

  tail(stream: StreamInfo, from: readonly (number | undefined)[], sink: TailSink): Tail {
    const tail = new JetStreamTail(stream, from, sink, { options: this.#options, context: this.#context })
    this.#tails.add(tail)
    return {
      add: (partition, offset) => tail.add(partition, offset),
      drop: (partition) => tail.drop(partition),
      close: () => {
        this.#tails.delete(tail)
        return tail.close()
      },
    }
  }

  range(stream: StreamInfo, chunk: Chunk, sink: RangeSink): Promise<RangeEnd> {
    const { clock } = this.#context
    return new RangeRead(this.#api, { options: this.#options, clock }, stream, chunk).read(sink)
  }

  async publish(stream: StreamInfo, records: readonly OutRecord[]): Promise<Ack[]> {
    return this.#publisher.publish(stream, records)
  }

  settings(stream: StreamInfo): Promise<NatsSettings> {
    return familySettings(this.#api, this.#layout(stream.name), stream, this.#context.clock)
  }

  #layout(topic: string): Layout {
    return layoutOf(this.#options, topic)
  }

  async close(): Promise<void> {
    await Promise.all([
      this.#api.link.close(),
      this.#publisher.close(),
      ...[...this.#tails].map((tail) => tail.close()),
    ])
  }
}
