import { setTimeout as sleep } from 'node:timers/promises'
import { loopClock } from '../../base/clock.ts'
import { CarillonError } from '../../base/errors.ts'
import type { RouteConfig } from '../../routing/options.ts'
import { RoutingTable } from '../../routing/table.ts'
import { type OpenOptions, openSource } from '../../source/open.ts'
import type { OutRecord, Source, StreamInfo } from '../../source/source.ts'
import { type OpenWay, type Outgoing, Refusal, type Way, type WayOptions } from '../load/outgoing.ts'
import { subjectName } from '../load/subjects.ts'

export interface BrokerWayTarget {
  readonly url: string
  readonly options: OpenOptions
  readonly routes: readonly RouteConfig[]
  /** Topic and number of partitions by stream name. */
  readonly streams: Readonly<Record<string, { readonly topic: string; readonly partitions: number }>>
  /** true = create a topic that is missing; false = running servers read it, so it must exist. */
  readonly create: boolean
}

const nothing = Buffer.alloc(0)
/**
 * Publish calls in flight. Their records wait in the adapter, which has its own bound in bytes.
 */
const maxBatches = 16
const maxEvents = 1000
const createdMs = 5000
const pollMs = 50

interface Place {
  readonly stream: StreamInfo
  readonly partition: number
  /** undefined = the subject itself. */
  readonly key: Buffer | undefined
}

interface Opened {
  readonly source: Source
  readonly streams: ReadonlyMap<string, StreamInfo>
}

/**
 * Connects and finds the streams, or creates them. Throws `broker_unavailable`, `stream_missing`
 * and the adapters' other errors.
 */
export async function openBroker({ url, options, streams, create }: BrokerWayTarget): Promise<Opened> {
  const source = await openSource(url, { clock: loopClock(), log: () => {} }, options)
  try {
    const known = new Map<string, StreamInfo>()
    for (const [name, { topic, partitions }] of Object.entries(streams)) {
      if (create) await source.create(topic, partitions)
      const info = await (create ? described(source, topic) : source.describe(topic))
      if (info === undefined) {
        const hint = create
          ? ''
          : ': expected the one that the gateways read, as their configuration names it (--config)'
        throw new CarillonError('stream_missing', `the broker has no stream "${topic}"${hint}`)
      }
      known.set(name, info)
    }
    return { source, streams: known }
  } catch (error) {
    await source.close()
    throw error
  }
}

/** Describes a new stream. Retries, because the node that answers may not know the stream yet. */
async function described(source: Source, topic: string): Promise<StreamInfo | undefined> {
  const endMs = performance.now() + createdMs
  for (;;) {
    const info = await source.describe(topic)
    if (info !== undefined || performance.now() > endMs) return info
    await sleep(pollMs)
  }
}

/**
 * Publishes through the broker's adapter to where the routes say, as a publisher with the
 * broker's own client would.
 */
export const openBrokerWay: OpenWay = async (options) => {
  const target = options.target as BrokerWayTarget
  const { source, streams } = await openBroker(target)
  return new BrokerWay(source, new RoutingTable(target.routes), streams, options)
}

class BrokerWay implements Way {
  readonly before = nothing
  readonly maxBatches = maxBatches
  readonly maxEvents = maxEvents
  readonly #source: Source
  readonly #routing: RoutingTable
  readonly #streams: ReadonlyMap<string, StreamInfo>
  readonly #prefix: string
  /** By subject index. All events of a subject are in one partition. */
  readonly #places: (Place | undefined)[]
  readonly #subjectBytes: number

  constructor(source: Source, routing: RoutingTable, streams: ReadonlyMap<string, StreamInfo>, options: WayOptions) {
    this.#source = source
    this.#routing = routing
    this.#streams = streams
    this.#prefix = options.prefix
    this.#places = new Array(options.subjects)
    this.#subjectBytes = subjectName(options.prefix, 0).length
  }

  async send(outgoing: Outgoing): Promise<void> {
    const byStream = new Map<StreamInfo, OutRecord[]>()
    for (let i = 0; i < outgoing.count; i++) {
      const { stream, record } = this.#record(outgoing, i)
      const records = byStream.get(stream)
      if (records === undefined) byStream.set(stream, [record])
      else records.push(record)
    }
    try {
      await Promise.all([...byStream].map(([stream, records]) => this.#source.publish(stream, records)))
    } catch (error) {
      const passing = error instanceof CarillonError && ['broker_unavailable', 'overloaded'].includes(error.code)
      throw passing ? error : new Refusal((error as Error).message)
    }
  }

  close(): Promise<void> {
    return this.#source.close()
  }

  #record({ subjects, bytes, stride }: Outgoing, i: number): { stream: StreamInfo; record: OutRecord } {
    const index = subjects[i]!
    this.#places[index] ??= this.#place(index)
    const { stream, partition, key } = this.#places[index]
    const value = bytes.subarray(i * stride, (i + 1) * stride)
    // The envelope's first field is the subject: a key, a length of one byte, then its bytes.
    return { stream, record: { partition, key: key ?? value.subarray(2, 2 + this.#subjectBytes), value } }
  }

  #place(index: number): Place {
    const subject = subjectName(this.#prefix, index)
    const place = this.#routing.place(subject, (name) => this.#streams.get(name)!.partitions)
    if (place.partition === undefined) {
      throw new Refusal(
        `subject "${subject}" is in a range with several partitions: bench needs a route that names one`,
      )
    }
    const key = place.key === subject ? undefined : Buffer.from(place.key)
    return { stream: this.#streams.get(place.stream)!, partition: place.partition, key }
  }
}
