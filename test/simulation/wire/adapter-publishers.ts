import { CarillonError } from '../../../src/base/errors.ts'
import type { Random } from '../../../src/base/random.ts'
import type { Source } from '../../../src/source/source.ts'
import type { SimBroker } from '../broker.ts'
import { DirectOwner } from '../log-owner.ts'
import type { LogRecord, NewRecord } from '../partition-log.ts'
import type { ClusterSurroundings } from '../simulated-source.ts'
import type { Process, VirtualTime } from '../virtual-time.ts'
import type { Published } from './published.ts'

/** Share of the events that gateways publish. Other producers write the rest. */
const share = 0.7
/** Time until a record reaches the gateway, ms, at most. */
const publishMs = 5
/** Records of one publication, at most. */
const maxRecords = 5
const refusals: ReadonlySet<string> = new Set([
  'broker_unavailable',
  'overloaded',
  'stream_missing',
  'event_too_large',
  'storage_full',
])

/** The adapter of one gateway. */
export interface PublishingSource extends Pick<Source, 'describe' | 'publish'> {
  readonly gateway: Process
  readonly isClosed: boolean
}

/** Publishes through gateways. */
export class AdapterPublishers extends DirectOwner {
  readonly #time: VirtualTime
  readonly #broker: SimBroker
  readonly #published: Published
  readonly #sources: ReadonlySet<PublishingSource>
  readonly #random: Random
  #waiting: [partition: number, record: NewRecord][] = []

  constructor(
    { time, broker, truth, verdict }: Pick<ClusterSurroundings, 'time' | 'broker' | 'truth' | 'verdict'>,
    published: Published,
    sources: ReadonlySet<PublishingSource>,
    random: Random,
  ) {
    super(time, broker, truth, verdict)
    this.#time = time
    this.#broker = broker
    this.#published = published
    this.#sources = sources
    this.#random = random
  }

  override append(partition: number, record: NewRecord): LogRecord | undefined {
    // Excludes deletions and unusable records, since several of them may look the same.
    const isEvent = record.event !== undefined && record.value !== null
    if (!isEvent || record.damaged || record.transaction !== undefined || this.#random.next() >= share)
      return super.append(partition, record)
    this.#waiting.push([partition, record])
    if (this.#waiting.length > 1) return undefined
    this.#time.add(this.#broker.process, this.#random.next() * publishMs, () => this.#hand(this.#waiting.splice(0)))
    return undefined
  }

  /** Passes the records to any gateway that runs. */
  #hand(all: [number, NewRecord][]): void {
    const open = [...this.#sources].filter(({ gateway, isClosed }) => !gateway.dead && !isClosed)
    const source = open[Math.floor(this.#random.next() * open.length)]
    source?.gateway.after(0, () => void this.#publish(source, all))
  }

  async #publish(source: PublishingSource, all: [number, NewRecord][]): Promise<void> {
    const stream = await source.describe(this.#broker.name).catch((error: unknown) => void refusalOf(error))
    if (stream === undefined) return
    while (all.length > 0) {
      const some = all.splice(0, 1 + Math.floor(this.#random.next() * maxRecords))
      const submissions = this.#published.submit(stream, source.gateway, some)
      const records = some.map(([partition, { key, value }]) => ({ partition, key, value }))
      source.publish(stream, records).then(
        (acks) => this.#published.acknowledged(submissions, acks),
        (error: unknown) => this.#published.refused(submissions, refusalOf(error)),
      )
    }
  }
}

/** Returns the code of a documented refusal. Throws any other error. */
function refusalOf(error: unknown): string {
  if (error instanceof CarillonError && refusals.has(error.code)) return error.code
  throw error
}
