import type { Clock } from '../../base/clock.ts'
import { LimitReached } from '../../base/limits.ts'
import type { Ack, OutRecord, StreamInfo } from '../source.ts'
import { Lane, type LaneHost, type Publication } from './lane.ts'
import type { LeaderCalls } from './leader-calls.ts'
import type { KafkaOptions } from './options.ts'

interface Topic {
  readonly incarnation: string
  readonly lanes: Map<number, Lane>
}

/** What a record costs beside its bytes, roughly. */
const recordBytes = 32

/** Hands records to the lane of their partition; bounds what waits in all of them. */
export class Publisher {
  readonly #options: KafkaOptions
  readonly #host: LaneHost
  readonly #topics = new Map<string, Topic>()
  #queuedBytes = 0

  constructor(options: KafkaOptions, calls: LeaderCalls, clock: Clock) {
    this.#options = options
    const settled = (bytes: number) => {
      this.#queuedBytes -= bytes
    }
    this.#host = { options, calls, clock, settled }
  }

  publish(stream: StreamInfo, records: readonly OutRecord[]): Promise<Ack[]> {
    if (records.length === 0) return Promise.resolve([])
    const sizes = records.map(recordSize)
    const bytes = sizes.reduce((sum, size) => sum + size, 0)
    this.#admit(bytes)
    return new Promise((resolve, reject) => {
      const acks = new Array<Ack>(records.length)
      const publication: Publication = { acks, waiting: records.length, failed: false, resolve, reject }
      for (const [index, record] of records.entries()) {
        this.#lane(stream, record.partition).add({ record, bytes: sizes[index]!, publication, index })
      }
    })
  }

  #admit(bytes: number): void {
    const { maxQueuedBytes } = this.#options
    if (this.#queuedBytes > 0 && this.#queuedBytes + bytes > maxQueuedBytes) {
      throw new LimitReached(
        'publishQueue',
        'overloaded',
        `expected at most ${maxQueuedBytes} bytes to wait for Kafka, got ${bytes} more than fit; publish again later`,
      )
    }
    this.#queuedBytes += bytes
  }

  #lane(stream: StreamInfo, partition: number): Lane {
    let topic = this.#topics.get(stream.name)
    if (topic?.incarnation !== stream.incarnation) {
      topic = { incarnation: stream.incarnation, lanes: new Map() }
      this.#topics.set(stream.name, topic)
    }
    let lane = topic.lanes.get(partition)
    if (lane === undefined) {
      lane = new Lane(stream, partition, this.#host)
      topic.lanes.set(partition, lane)
    }
    return lane
  }
}

function recordSize({ key, value, headers }: OutRecord): number {
  let bytes = recordBytes + (key?.length ?? 0) + (value?.length ?? 0)
  for (const [name, header] of Object.entries(headers ?? {})) bytes += name.length + header.length + 2
  return bytes
}
