import { ByteRange } from '../../src/base/byte-range.ts'
import { CarillonError } from '../../src/base/errors.ts'
import type { Random } from '../../src/base/random.ts'
import type { Generations, HeaderSink, SourceRecord } from '../../src/log/record.ts'
import type { Ack, Chunk, Offsets, RangeEnd, RangeSink, StreamInfo, Tail, TailSink } from '../../src/source/source.ts'
import type { Incarnation, SimBroker } from './broker.ts'
import { boundsOf, type Headers, type LogRecord, type PartitionLog, visible } from './partition-log.ts'
import type { SimulatedSource } from './simulated-source.ts'
import { SimTail } from './tail.ts'
import { generationOf } from './truth.ts'
import type { Process, VirtualTime } from './virtual-time.ts'

/** How long a request to a broker that is away takes to fail, ms. */
const timeoutMs = 700

interface Reading {
  readonly random: Random
  /** Records in one answer, at most. */
  readonly batch: number
}

/**
 * One gateway's connection to the broker, behind the real contract: requests take their time both ways, answers are of
 * when the broker looked, and the bytes that a sink is shown are gone when it returns.
 */
export class SimSource implements SimulatedSource {
  readonly kind = 'kafka'
  readonly name = 'sim'
  readonly tellsGoneRewrites = true
  readonly firstOffset: number
  readonly generations: Generations
  readonly broker: SimBroker
  readonly process: Process
  readonly random: Random
  /** The way to the broker is cut. */
  away = false
  latencyMs = 6
  /** Records in one answer, at most. */
  readonly batch: number
  readonly #time: VirtualTime
  readonly #tails = new Set<SimTail>()
  readonly #view: RecordView

  constructor(time: VirtualTime, process: Process, broker: SimBroker, { random, batch }: Reading) {
    this.#time = time
    this.process = process
    this.broker = broker
    this.firstOffset = broker.firstOffset
    this.generations = broker.generations
    this.#view = new RecordView(broker.generations)
    this.random = random
    this.batch = batch
  }

  async describe(): Promise<StreamInfo | undefined> {
    return this.ask(() => this.broker.info)
  }

  create(): Promise<void> {
    return Promise.resolve()
  }

  createCommand(stream: string): string {
    return `create ${stream}`
  }

  async offsets(stream: StreamInfo, partition: number): Promise<Offsets> {
    return this.ask(() => boundsOf(this.#log(stream, partition)))
  }

  async offsetAt(stream: StreamInfo, partition: number, timeMs: number): Promise<number> {
    return this.ask(() => {
      const log = this.#log(stream, partition)
      return visible(log, log.first, log.head).find((entry) => entry.timeMs >= timeMs)?.offset ?? log.head
    })
  }

  tail(stream: StreamInfo, from: readonly (number | undefined)[], sink: TailSink): Tail {
    const tail = new SimTail(this, { info: stream, from }, sink, () => this.#tails.delete(tail))
    this.#tails.add(tail)
    return tail
  }

  async range(stream: StreamInfo, { partition, from, to, maxBytes }: Chunk, sink: RangeSink): Promise<RangeEnd> {
    let next = from
    let left = maxBytes
    let shown = false
    for (;;) {
      const found = await this.ask(() => this.#look(this.#log(stream, partition), next, to, left))
      // The log's start has passed what would come next: that is for the next call, which is told where it starts.
      if (shown && found.offsets.first > next) return { next, offsets: found.offsets }
      shown ||= found.entries.length > 0
      for (const entry of found.entries) {
        if (sink.full) return { next: entry.offset, offsets: found.offsets }
        left -= entry.value?.length ?? 0
        if (entry.damaged) sink.lost(entry.offset, entry.offset, 'corrupt')
        else sink.record(this.show(entry))
      }
      this.forget()
      next = Math.max(next, found.next)
      const done = next >= Math.min(to, found.offsets.head) || left <= 0
      // An answer may also come in parts: the log can become another one between them.
      if (done || (found.entries.length > 0 && this.random.next() < 0.7)) return { next, offsets: found.offsets }
    }
  }

  publish(): Promise<Ack[]> {
    return Promise.reject(new CarillonError('broker_unavailable', 'nobody publishes through a gateway here'))
  }

  async close(): Promise<void> {
    for (const tail of [...this.#tails]) await tail.close()
  }

  // What the tail shares

  /** `look` runs at the broker, what comes of it is told here: a latency each way. */
  ask<T>(look: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const answer = (settle: () => void) => this.#time.add(this.process, this.latency(), settle)
      this.#time.add(this.broker.process, this.latency(), () => {
        if (this.away) {
          const error = new CarillonError('broker_unavailable', 'the broker is away')
          this.#time.add(this.process, timeoutMs, () => reject(error))
          return
        }
        try {
          const found = look()
          answer(() => resolve(found))
        } catch (error) {
          answer(() => reject(error as Error))
        }
      })
    })
  }

  latency(): number {
    return this.random.next() * this.latencyMs
  }

  /** The same object and memory each time: whoever keeps something copies it. */
  show(entry: LogRecord): SourceRecord {
    return this.#view.show(entry)
  }

  /** What was shown is overwritten. */
  forget(): void {
    this.#view.forget()
  }

  setAway(away: boolean): void {
    if (away === this.away) return
    this.away = away
    for (const tail of this.#tails) tail.linkChanged()
  }

  incarnation(stream: StreamInfo): Incarnation | undefined {
    if (this.broker.missing) return undefined
    const { current } = this.broker
    return current.id === stream.incarnation ? current : undefined
  }

  #log(stream: StreamInfo, partition: number): PartitionLog {
    const log = this.incarnation(stream)?.logs[partition]
    if (log === undefined) throw new CarillonError('stream_missing', 'that incarnation is gone')
    return log
  }

  #look(log: PartitionLog, from: number, to: number, maxBytes: number) {
    const offsets = boundsOf(log)
    const start = Math.max(from, log.first)
    let end = Math.min(to, offsets.head)
    const entries: LogRecord[] = []
    let bytes = 0
    for (const entry of visible(log, start, end)) {
      const length = entry.value?.length ?? 0
      if (entries.length > 0 && (bytes + length > maxBytes || entries.length >= this.batch)) {
        end = entry.offset
        break
      }
      bytes += length
      entries.push(entry)
    }
    return { entries, next: Math.max(start, end), offsets }
  }
}

/** Memory of the network's, as it were. */
const scratchBytes = 4096

class RecordView {
  readonly #record: SourceRecord = {
    buffer: Buffer.alloc(scratchBytes),
    partition: 0,
    offset: 0,
    timeMs: 0,
    generation: 0,
    keyStart: -1,
    keyEnd: -1,
    valueStart: -1,
    valueEnd: -1,
    traceStart: -1,
    traceEnd: -1,
    headers: () => new Map(this.#headers.map(([name, value]) => [name, Buffer.from(value)])),
    eachHeader: (sink) => this.#eachHeader(sink),
  }
  readonly #generations: Generations
  #headers: Headers = []
  readonly #name = new ByteRange()
  readonly #value = new ByteRange()
  /** Where they begin in the buffer. */
  #headersAt = 0

  constructor(generations: Generations) {
    this.#generations = generations
  }

  show(entry: LogRecord): SourceRecord {
    const record = this.#record
    const { key, value } = entry
    record.partition = entry.partition
    record.offset = entry.offset
    record.timeMs = entry.timeMs
    record.generation = this.#generations === 'times' ? generationOf(entry) : entry.epoch
    // Not at the start: bounds count from the buffer's.
    let at = 16
    record.keyStart = key === null ? -1 : at
    at += key?.copy(record.buffer, at) ?? 0
    record.keyEnd = at
    record.valueStart = value === null ? -1 : at
    at += value?.copy(record.buffer, at) ?? 0
    record.valueEnd = at
    this.#headers = entry.headers ?? []
    this.#headersAt = at
    return record
  }

  #eachHeader(sink: HeaderSink): void {
    const { buffer } = this.#record
    let at = this.#headersAt
    for (const [name, value] of this.#headers) {
      const nameEnd = at + buffer.write(name, at)
      const end = nameEnd + buffer.write(value, nameEnd)
      sink.header(this.#name.set(buffer, at, nameEnd), this.#value.set(buffer, nameEnd, end))
      at = end
    }
  }

  forget(): void {
    this.#record.buffer.fill(0xff)
  }
}
