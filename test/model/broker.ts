import { ByteRange } from '../../src/base/byte-range.ts'
import { CarillonError } from '../../src/base/errors.ts'
import type { Generations, SourceRecord } from '../../src/log/record.ts'
import { expectAbsent } from '../../src/source/partitions.ts'
import type {
  Ack,
  Chunk,
  Offsets,
  OutRecord,
  RangeEnd,
  RangeSink,
  Source,
  StreamInfo,
  Tail,
  TailSink,
} from '../../src/source/source.ts'

interface Entry {
  readonly offset: number
  readonly timeMs: number
  readonly epoch: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers?: Readonly<Record<string, string | Uint8Array>> | undefined
  /** Its bytes on disk are not those that were written. */
  readonly damaged?: true
}

interface Log {
  entries: Entry[]
  first: number
  head: number
}

/**
 * A broker in memory behind the real contract, for tests of what reads from it: synchronous, so that a test says when a
 * record arrives, and with the faults that a real log has, on demand. The adapters have their own, real tests.
 */
export class ModelBroker implements Source {
  readonly kind = 'embedded'
  readonly firstOffset: number
  /** `times`: a record's generation is its time, as on JetStream; to be set before a feed is made. */
  generations: Generations = 'ranges'
  readonly name = 'model'
  epoch = 0
  /** While true, `range` and `offsets` reject as `broker_unavailable`. */
  away = false
  /** Calls of `range`. */
  ranges = 0
  nowMs = 1_000_000
  #incarnation = 1
  #logs: Log[]
  #sink: TailSink | undefined
  /** What the tail that was opened last reads. */
  #reads = new Set<number>()
  readonly #stream: string

  constructor(stream: string, partitions: number, firstOffset = 0) {
    this.#stream = stream
    this.firstOffset = firstOffset
    this.#logs = Array.from({ length: partitions }, () => this.#empty())
  }

  get info(): StreamInfo {
    return { name: this.#stream, incarnation: `incarnation-${this.#incarnation}`, partitions: this.#logs.length }
  }

  describe(): Promise<StreamInfo> {
    return Promise.resolve(this.info)
  }

  create(): Promise<void> {
    return Promise.resolve()
  }

  createCommand(stream: string): string {
    return `create ${stream}`
  }

  offsets(_stream: StreamInfo, partition: number): Promise<Offsets> {
    return this.#answer(() => this.#bounds(partition))
  }

  offsetAt(_stream: StreamInfo, partition: number, timeMs: number): Promise<number> {
    const log = this.#logs[partition]!
    return this.#answer(() => log.entries.find((entry) => entry.timeMs >= timeMs)?.offset ?? log.head)
  }

  /** Shows what is written from now on, of partitions that are read. */
  tail(_stream: StreamInfo, from: readonly (number | undefined)[], sink: TailSink): Tail {
    this.#sink = sink
    const reads = new Set<number>()
    from.forEach((offset, partition) => {
      if (offset !== undefined) reads.add(partition)
    })
    this.#reads = reads
    queueMicrotask(() => sink.state('up', ''))
    return {
      add: (partition) => {
        expectAbsent(this.info, partition, (wanted) => reads.has(wanted))
        reads.add(partition)
      },
      drop: (partition) => void reads.delete(partition),
      close: () => Promise.resolve(),
    }
  }

  range(_: StreamInfo, { partition, from, to, maxBytes }: Chunk, sink: RangeSink): Promise<RangeEnd> {
    this.ranges++
    return this.#answer(() => {
      const log = this.#logs[partition]!
      let bytes = 0
      let next = Math.min(to, log.head)
      for (const entry of log.entries) {
        if (entry.offset < from || entry.offset >= to) continue
        if (bytes > 0 && bytes + (entry.value?.length ?? 0) > maxBytes) {
          next = entry.offset
          break
        }
        bytes += entry.value?.length ?? 0
        if (entry.damaged) sink.lost(entry.offset, entry.offset, 'corrupt')
        else sink.record(this.#view(partition, entry))
      }
      return { next, offsets: this.#bounds(partition) }
    })
  }

  publish(_stream: StreamInfo, records: readonly OutRecord[]): Promise<Ack[]> {
    const acks = records.map(({ partition, key, value, headers }) => ({
      partition,
      offset: this.append(
        partition,
        key === null ? null : Buffer.from(key),
        value === null ? null : Buffer.from(value),
        headers,
      ),
    }))
    for (const partition of new Set(records.map((record) => record.partition))) this.end(partition)
    return Promise.resolve(acks)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  // What a test does to the log

  /** Appends, and shows the record to the tail at once, inside a batch that `end` closes. */
  append(partition: number, key: Buffer | null, value: Buffer | null, headers?: Entry['headers']): number {
    const log = this.#logs[partition]!
    const entry = { offset: log.head++, timeMs: this.nowMs, epoch: this.epoch, key, value, headers }
    log.entries.push(entry)
    this.#sinkOf(partition)?.record(this.#view(partition, entry))
    return entry.offset
  }

  end(partition: number): void {
    const bounds = this.#bounds(partition)
    this.#sinkOf(partition)?.end(partition, bounds.head, bounds)
  }

  /** Offsets without records: a transaction's marker, a compacted stretch. */
  hole(partition: number, count: number): void {
    this.#logs[partition]!.head += count
    this.end(partition)
  }

  /** A record that nobody can read: its checksum is wrong. Returns its offset. */
  damage(partition: number): number {
    const log = this.#logs[partition]!
    const offset = log.head++
    log.entries.push({ offset, timeMs: this.nowMs, epoch: this.epoch, key: null, value: null, damaged: true })
    this.#sinkOf(partition)?.lost(partition, offset, offset, 'corrupt')
    this.end(partition)
    return offset
  }

  /** Drops what is below `first`. */
  retain(partition: number, first: number): void {
    const log = this.#logs[partition]!
    log.first = Math.max(log.first, first)
    log.entries = log.entries.filter((entry) => entry.offset >= log.first)
  }

  /** Another leader's history from `offset` on. */
  rewrite(partition: number, offset: number): void {
    const log = this.#logs[partition]!
    const last = log.head - 1
    log.entries = log.entries.filter((entry) => entry.offset < offset)
    log.head = offset
    this.epoch++
    this.#sinkOf(partition)?.lost(partition, offset, last, 'rewritten')
  }

  /** Another leader's history from `offset` on, of which the tail has not heard yet: as many records as the log had, stored now. */
  rewriteUnheard(partition: number, offset: number): void {
    const log = this.#logs[partition]!
    const { nowMs: timeMs } = this
    const epoch = ++this.epoch
    log.entries = log.entries.map((entry) => (entry.offset < offset ? entry : { ...entry, epoch, timeMs }))
  }

  /** The end moves back without a word, as after a restored backup. */
  cut(partition: number, offset: number): void {
    const log = this.#logs[partition]!
    log.entries = log.entries.filter((entry) => entry.offset < offset)
    log.head = offset
  }

  grow(partitions: number): void {
    while (this.#logs.length < partitions) this.#logs.push(this.#empty())
    this.#sink?.grown(this.info)
  }

  recreate(partitions = this.#logs.length): void {
    this.#incarnation++
    this.#logs = Array.from({ length: partitions }, () => this.#empty())
    for (const partition of this.#reads) if (partition >= partitions) this.#reads.delete(partition)
    this.#sink?.recreated(this.info)
  }

  #empty(): Log {
    return { entries: [], first: this.firstOffset, head: this.firstOffset }
  }

  #sinkOf(partition: number): TailSink | undefined {
    return this.#reads.has(partition) ? this.#sink : undefined
  }

  #bounds(partition: number): Offsets {
    const { first, head } = this.#logs[partition]!
    return { first, head }
  }

  #answer<T>(make: () => T): Promise<T> {
    if (this.away) return Promise.reject(new CarillonError('broker_unavailable', 'the model broker is away'))
    return Promise.resolve().then(make)
  }

  #view(partition: number, entry: Entry): SourceRecord {
    const key = entry.key ?? Buffer.alloc(0)
    const value = entry.value ?? Buffer.alloc(0)
    const trace = Buffer.from(entry.headers?.traceparent ?? '')
    const traceStart = key.length + value.length
    return {
      buffer: Buffer.concat([key, value, trace]),
      partition,
      offset: entry.offset,
      timeMs: entry.timeMs,
      generation: this.generations === 'times' ? entry.timeMs % 2 ** 32 : entry.epoch,
      keyStart: entry.key === null ? -1 : 0,
      keyEnd: key.length,
      valueStart: entry.value === null ? -1 : key.length,
      valueEnd: key.length + value.length,
      traceStart: entry.headers?.traceparent === undefined ? -1 : traceStart,
      traceEnd: entry.headers?.traceparent === undefined ? -1 : traceStart + trace.length,
      headers: () => new Map(Object.entries(entry.headers ?? {}).map(([name, text]) => [name, Buffer.from(text)])),
      eachHeader: (sink) => {
        for (const [name, text] of Object.entries(entry.headers ?? {})) {
          const value = Buffer.from(text)
          sink.header(ByteRange.of(name), new ByteRange().set(value, 0, value.length))
        }
      },
    }
  }
}
