import type { LostReason, SourceRecord } from '../../../src/log/record.ts'
import type { EmbeddedOptions } from '../../../src/source/embedded/options.ts'
import { EmbeddedSource } from '../../../src/source/embedded/source.ts'
import { Store } from '../../../src/source/embedded/store.ts'
import type { Chunk, Offsets, RangeEnd, RangeSink, StreamInfo, Tail, TailSink } from '../../../src/source/source.ts'
import type { MetadataWatcher } from '../broker.ts'
import type { LogRecord, PartitionLog } from '../partition-log.ts'
import type { ClusterSurroundings, SimulatedSource } from '../simulated-source.ts'
import type { Process } from '../virtual-time.ts'
import type { Medium, ModelDisk } from './model-disk.ts'

/** The real embedded log of one process, on a model of its disk. */
export class SimEmbeddedSource extends EmbeddedSource implements SimulatedSource {
  readonly tellsGoneRewrites = true
  readonly process: Process
  readonly #medium: Medium
  readonly #disk: ModelDisk
  readonly #judge: ReadJudge
  readonly #watching = new Set<WatchedTail>()

  constructor(surroundings: ClusterSurroundings, medium: Medium, process: Process, options: EmbeddedOptions) {
    const disk = medium.open(process)
    super(options, {
      store: new Store(disk, process),
      clock: process,
      log: () => {},
      newIncarnation: () => surroundings.broker.nextId,
      release: () => disk.release(),
    })
    this.process = process
    this.#medium = medium
    this.#disk = disk
    this.#judge = new ReadJudge(surroundings)
  }

  get latencyMs(): number {
    return this.#medium.latencyMs
  }

  set latencyMs(ms: number) {
    this.#medium.latencyMs = ms
  }

  /** There is no way to this broker: its disk refuses what is written. */
  setAway(away: boolean): void {
    const { random } = this.#medium.surroundings
    this.#medium.failing = away ? (random.next() < 0.5 ? 'full' : 'broken') : undefined
  }

  override tail(stream: StreamInfo, from: readonly (number | undefined)[], sink: TailSink): Tail {
    const watched = new WatchedTail(this.#judge, stream, sink)
    const tail = super.tail(stream, from, watched)
    this.#watching.add(watched)
    return {
      add: (partition, offset) => tail.add(partition, offset),
      drop: (partition) => tail.drop(partition),
      close: () => {
        this.#watching.delete(watched)
        watched.closed()
        return tail.close()
      },
    }
  }

  override async range(stream: StreamInfo, chunk: Chunk, sink: RangeSink): Promise<RangeEnd> {
    const judge = this.#judge
    const end = await super.range(stream, chunk, {
      get full() {
        return sink.full === true
      },
      record(record) {
        judge.shown(stream.incarnation, record)
        sink.record(record)
      },
      lost(first, last, reason) {
        judge.lost(stream.incarnation, chunk.partition, [first, last], reason)
        sink.lost(first, last, reason)
      },
    })
    judge.bounds(stream.incarnation, chunk.partition, end.offsets)
    return end
  }

  override close(): Promise<void> {
    for (const watched of this.#watching) watched.closed()
    if (!this.process.dead) return super.close()
    this.#disk.killed()
    return Promise.resolve()
  }
}

/** Holds what readers are shown against what is durable. */
class ReadJudge {
  readonly surroundings: ClusterSurroundings

  constructor(surroundings: ClusterSurroundings) {
    this.surroundings = surroundings
  }

  shown(
    incarnation: string,
    { partition, offset, timeMs, buffer, keyStart, keyEnd, valueStart, valueEnd }: SourceRecord,
  ) {
    const record = this.#log(incarnation, partition)?.find(offset, offset + 1, () => true)
    if (record === undefined) return this.#broken(`showed @${partition}/${offset}, which is not durable`)
    const isKey = isBytes(buffer, keyStart, keyEnd, record.key)
    const isValue = isBytes(buffer, valueStart, valueEnd, record.value)
    if (!isKey || !isValue || timeMs !== record.timeMs) this.#broken(`showed @${partition}/${offset} as what it is not`)
  }

  lost(incarnation: string, partition: number, [from, to]: readonly [number, number], reason: string): void {
    const log = this.#log(incarnation, partition)
    if (log === undefined) return
    const isWrong = reason === 'retention' ? log.first <= to : log.find(from, to + 1, isReadable) !== undefined
    if (isWrong || to < from || to >= log.end)
      this.#broken(`lost ${from} to ${to} of partition ${partition} to ${reason}`)
  }

  bounds(incarnation: string, partition: number, { first, head }: Offsets): void {
    const log = this.#log(incarnation, partition)
    if (log !== undefined && (head > log.end || first > log.first))
      this.#broken(`bounds partition ${partition} by ${first} and ${head}, and it has ${log.first} to ${log.end}`)
  }

  #log(incarnation: string, partition: number): PartitionLog | undefined {
    return this.surroundings.broker.incarnations.find(({ id }) => id === incarnation)?.logs[partition]
  }

  #broken(what: string): void {
    this.surroundings.verdict.broken('log', `the embedded log ${what}`)
  }
}

const isReadable = ({ spoiledMs, gone }: LogRecord): boolean =>
  gone === undefined && spoiledMs === Number.POSITIVE_INFINITY

function isBytes(buffer: Buffer, start: number, end: number, expected: Buffer | null): boolean {
  return expected === null ? start < 0 : start >= 0 && expected.equals(buffer.subarray(start, end))
}

/** A tail that is judged; the history hears what it has learned of the stream. */
class WatchedTail implements TailSink, MetadataWatcher {
  partitions: number
  incarnation: string
  readonly #judge: ReadJudge
  readonly #sink: TailSink

  constructor(judge: ReadJudge, { partitions, incarnation }: StreamInfo, sink: TailSink) {
    this.partitions = partitions
    this.incarnation = incarnation
    this.#judge = judge
    this.#sink = sink
    const { broker } = judge.surroundings
    broker.watchers.add(this)
    broker.learned()
  }

  closed(): void {
    const { broker } = this.#judge.surroundings
    if (broker.watchers.delete(this)) broker.learned()
  }

  metadataChanged(): void {}

  record(record: SourceRecord): void {
    this.#judge.shown(this.incarnation, record)
    this.#sink.record(record)
  }

  end(partition: number, next: number, offsets: Offsets): void {
    this.#judge.bounds(this.incarnation, partition, offsets)
    this.#sink.end(partition, next, offsets)
  }

  lost(partition: number, from: number, to: number, reason: LostReason): void {
    this.#judge.lost(this.incarnation, partition, [from, to], reason)
    this.#sink.lost(partition, from, to, reason)
  }

  state: TailSink['state'] = (...state) => this.#sink.state(...state)

  recreated(stream: StreamInfo): void {
    this.#learned(stream)
    this.#sink.recreated(stream)
  }

  grown(stream: StreamInfo): void {
    this.#sink.grown(stream)
    this.#learned(stream)
  }

  #learned({ partitions, incarnation }: StreamInfo): void {
    this.partitions = partitions
    this.incarnation = incarnation
    this.#judge.surroundings.broker.learned()
  }
}
