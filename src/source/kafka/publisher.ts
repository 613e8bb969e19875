import type { Clock } from '../../base/clock.ts'
import { LimitReached } from '../../base/limits.ts'
import type { Ack, OutRecord, StreamInfo } from '../source.ts'
import { placeOf } from './grants.ts'
import { Lane, type LaneOwner, type Publication } from './lane.ts'
import type { LeaderCalls } from './leader-calls.ts'
import type { KafkaOptions } from './options.ts'

interface Topic {
  readonly incarnation: string
  readonly lanes: Map<number, Lane>
}

/** Approximate overhead of a record, bytes. */
const recordBytes = 32

/**
 * Passes records to the lane of their partition, and bounds the bytes that wait. One partition
 * may hold at most as much as is free for all. So partitions without a leader never take the
 * whole queue: one of them takes at most half of it, two take at most two thirds, and the rest
 * stays for the others.
 */
export class Publisher {
  readonly #options: KafkaOptions
  readonly #host: LaneOwner
  readonly #clock: Clock
  readonly #topics = new Map<string, Topic>()
  #queuedBytes = 0

  constructor(options: KafkaOptions, calls: LeaderCalls, clock: Clock) {
    this.#options = options
    this.#clock = clock
    const settled = (bytes: number) => {
      this.#queuedBytes -= bytes
    }
    this.#host = { options, calls, clock, settled }
  }

  publish(stream: StreamInfo, records: readonly OutRecord[]): Promise<Ack[]> {
    if (records.length === 0) return Promise.resolve([])
    const sizes = records.map(recordSize)
    const lanes = records.map(({ partition }) => this.#lane(stream, partition))
    this.#admit(stream, records, sizes, lanes)
    const deadlineMs = this.#clock.monotonicMs() + this.#options.publishTimeoutMs
    return new Promise((resolve, reject) => {
      const acks = new Array<Ack>(records.length)
      const publication: Publication = { acks, deadlineMs, waiting: records.length, failed: false, resolve, reject }
      for (const [index, record] of records.entries()) {
        lanes[index]!.add({ record, bytes: sizes[index]!, publication, index, settled: false })
      }
    })
  }

  #admit(stream: StreamInfo, records: readonly OutRecord[], sizes: readonly number[], lanes: readonly Lane[]): void {
    const wanted = new Map<Lane, number>()
    for (const [i, lane] of lanes.entries()) wanted.set(lane, (wanted.get(lane) ?? lane.queuedBytes) + sizes[i]!)
    const freeBytes = this.#options.maxQueuedBytes - this.#queuedBytes
    for (const [lane, bytes] of wanted) {
      // An empty queue accepts a single publication of any size.
      if (bytes <= freeBytes || this.#queuedBytes === 0) continue
      const { partition } = records[lanes.indexOf(lane)]!
      const problem = `${placeOf({ topic: stream.name, partition })}: expected at most ${Math.max(0, freeBytes)} bytes to wait for its leader`
      throw new LimitReached('publishQueue', 'overloaded', `${problem}, got ${bytes}; publish again later`)
    }
    this.#queuedBytes += sizes.reduce((sum, size) => sum + size, 0)
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
