import { CarillonError } from '../base/errors.ts'
import { unknownGeneration } from '../base/generation.ts'
import { LimitReached } from '../base/limits.ts'
import type { Grant } from '../identity/grant.ts'
import type { RoutingTable } from '../routing/table.ts'
import type { OutRecord, Source, StreamInfo } from '../source/source.ts'
import { encodeEvent } from '../wire/envelope.ts'
import type { Event, Published } from '../wire/frames.ts'
import type { StreamFormat } from '../wire/stream-format.ts'
import { encodePosition, logOf } from '../wire/token.ts'
import { asRead, contentOf } from './record-of.ts'

export interface PublisherOptions {
  readonly source: Source
  readonly routing: RoutingTable
  /**
   * Returns the stream as it is now, by its name in the routes; throws `stream_missing` or
   * `broker_unavailable`.
   */
  readonly stream: (name: string) => StreamInfo
  /** Returns the format of a stream's records. */
  readonly format: (name: string) => StreamFormat
  /** Maximum size of one event's envelope, bytes. */
  readonly maxEventBytes: number
}

export interface PublishOptions {
  /** W3C trace context of the publisher. */
  readonly traceparent?: string
}

interface Placed {
  readonly stream: string
  readonly record: OutRecord
}

/**
 * Writes events to the broker by the routes: key, partition, envelope. Checks everything before
 * it writes anything.
 */
export class Publisher {
  readonly #options: PublisherOptions

  constructor(options: PublisherOptions) {
    this.#options = options
  }

  /**
   * Publishes events. Resolves after the broker's acknowledgement with each event's position, in
   * order. Throws `no_route`, `event_too_large`, …, and names the event by its index. If the
   * broker fails half way, some events may have been written.
   */
  async publish(events: readonly Event[], grant: Grant, options: PublishOptions = {}): Promise<Published[]> {
    for (const { subject } of events) grant.checkPublish(subject)
    const placed = events.map((event, index) => this.#place(event, index, options.traceparent))
    const results = new Array<Published>(events.length)
    const streams = new Set(placed.map(({ stream }) => stream))
    await Promise.all([...streams].map((stream) => this.#write(stream, placed, results)))
    return results
  }

  async #write(stream: string, placed: readonly Placed[], results: Published[]): Promise<void> {
    const info = this.#options.stream(stream)
    const indexes = placed.flatMap((item, index) => (item.stream === stream ? [index] : []))
    const acks = await this.#options.source.publish(
      info,
      indexes.map((index) => placed[index]!.record),
    )
    const log = logOf(stream, info.incarnation)
    indexes.forEach((index, i) => {
      const { partition, offset } = acks[i]!
      // The generation is unknown: an acknowledgement does not name the leader's epoch.
      const after = encodePosition({ ...log, partition, offset: offset + 1, generation: unknownGeneration })
      results[index] = { after, stream, partition, offset }
    })
  }

  #place(event: Event, index: number, traceparent: string | undefined): Placed {
    const { source, routing, stream, maxEventBytes } = this.#options
    const place = routing.place(event.subject, (name) => stream(name).partitions)
    if (place.partition === undefined) {
      const problem = `event ${index}: subject "${event.subject}" is in a range with several partitions`
      throw new CarillonError(
        'no_route',
        `${problem}: its publisher must choose one; publish it to the broker directly`,
      )
    }
    const format = this.#options.format(place.stream)
    const envelope = encodeEvent(event)
    const read = asRead(event, format)
    const bytes = read === event ? envelope.length : encodeEvent(read).length
    if (bytes > maxEventBytes) {
      const problem = `event ${index} is ${bytes} bytes as an envelope, the limit is ${maxEventBytes}`
      throw new LimitReached('maxEventBytes', 'event_too_large', `${problem}: send a reference to the data instead`)
    }
    const prefix = routing.prefixOf(place.stream)
    const target = { stream: place.stream, format, prefix, broker: source.kind }
    const { value, headers } = contentOf(event, envelope, target)
    // A raw record's key is the whole subject, whatever part of it the route hashes.
    const key = format.format === 'raw' ? event.subject.slice(prefix.length) : place.key
    const all = traceparent === undefined ? headers : { ...headers, traceparent }
    return {
      stream: place.stream,
      record: { partition: place.partition, key: Buffer.from(key), value, headers: all },
    }
  }
}
