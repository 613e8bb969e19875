import type { StreamInfo, Tail, TailSink } from '../../src/source/source.ts'
import type { SimBroker } from './broker.ts'
import { type PartitionLog, type Pin, visible } from './partition-log.ts'
import type { TailStart } from './tail.ts'

/**
 * A tail's position in one partition and the rewrites that it knows: those beyond its position,
 * and those that it has reported. It pins the part of the log that it needs to detect the others.
 */
class Standing implements Pin {
  readonly #log: PartitionLog
  #next: number
  #known: number

  constructor(log: PartitionLog, next: number) {
    this.#log = log
    this.#next = next
    this.#known = log.rewrites.length
    log.pins.add(this)
  }

  get mostFirst(): number {
    this.#look()
    return this.#known < this.#log.rewrites.length ? this.#next - 1 : Number.POSITIVE_INFINITY
  }

  moved(next: number): void {
    this.#look()
    this.#next = next
  }

  /** Records a shown record. It may have been in flight while the log was rewritten. */
  showed(offset: number, timeMs: number): void {
    this.moved(offset + 1)
    const { rewrites } = this.#log
    if (rewrites.length === 0) return
    const [there] = visible(this.#log, offset, offset + 1)
    if (there !== undefined && Math.floor(there.timeMs) === timeMs) return
    const unknown = rewrites.findIndex(({ from }) => from <= offset)
    if (unknown >= 0) this.#known = Math.min(this.#known, unknown)
  }

  rewritten(from: number): void {
    const unknown = this.#log.rewrites.slice(this.#known)
    if (unknown.every((rewrite) => rewrite.from >= from)) this.#known = this.#log.rewrites.length
    this.#next = from
  }

  leave(): void {
    this.#log.pins.delete(this)
  }

  #look(): void {
    const { rewrites } = this.#log
    while (this.#known < rewrites.length && rewrites[this.#known]!.from >= this.#next) this.#known++
  }
}

/**
 * Wraps a real adapter's tail and reports its knowledge of the stream to the broker model,
 * because clients' expected events depend on it.
 */
class Watched implements TailSink, Tail {
  partitions = 0
  incarnation = ''
  readonly #broker: SimBroker
  readonly #sink: TailSink
  readonly #tail: Tail
  readonly #standings = new Map<number, Standing>()

  constructor(broker: SimBroker, { info, from }: TailStart, sink: TailSink, open: (sink: TailSink) => Tail) {
    this.#broker = broker
    this.#sink = sink
    broker.watchers.add(this)
    this.#learned(info)
    from.forEach((offset, partition) => {
      if (offset !== undefined) this.#stand(partition, offset)
    })
    broker.learned()
    this.#tail = open(this)
  }

  add(partition: number, from?: number): void {
    this.#tail.add(partition, from)
    this.#stand(partition, from)
  }

  drop(partition: number): void {
    this.#leave(partition)
    this.#tail.drop(partition)
  }

  metadataChanged(): void {}

  close(): Promise<void> {
    this.#broker.watchers.delete(this)
    for (const partition of [...this.#standings.keys()]) this.#leave(partition)
    this.#broker.learned()
    return this.#tail.close()
  }

  record(record: Parameters<TailSink['record']>[0]): void {
    this.#standings.get(record.partition)?.showed(record.offset, record.timeMs)
    this.#sink.record(record)
  }

  end(partition: number, next: number, offsets: Parameters<TailSink['end']>[2]): void {
    this.#standings.get(partition)?.moved(next)
    this.#sink.end(partition, next, offsets)
  }

  lost(partition: number, from: number, to: number, reason: Parameters<TailSink['lost']>[3]): void {
    const standing = this.#standings.get(partition)
    if (reason === 'rewritten') standing?.rewritten(from)
    else standing?.moved(to + 1)
    this.#sink.lost(partition, from, to, reason)
  }

  state(state: Parameters<TailSink['state']>[0], detail: string): void {
    this.#sink.state(state, detail)
  }

  recreated(info: StreamInfo): void {
    this.#learned(info)
    for (const partition of [...this.#standings.keys()]) {
      this.#leave(partition)
      if (partition < info.partitions) this.#stand(partition)
    }
    this.#sink.recreated(info)
    this.#broker.learned()
  }

  grown(info: StreamInfo): void {
    this.#learned(info)
    this.#sink.grown(info)
    this.#broker.learned()
  }

  #learned({ partitions, incarnation }: StreamInfo): void {
    this.partitions = partitions
    this.incarnation = incarnation
  }

  #stand(partition: number, from = this.#broker.firstOffset): void {
    const { current } = this.#broker
    const log = current.id === this.incarnation ? current.logs[partition] : undefined
    if (log !== undefined) this.#standings.set(partition, new Standing(log, from))
  }

  #leave(partition: number): void {
    this.#standings.get(partition)?.leave()
    this.#standings.delete(partition)
  }
}

export const watchedTail = (
  broker: SimBroker,
  start: TailStart,
  sink: TailSink,
  open: (sink: TailSink) => Tail,
): Tail => new Watched(broker, start, sink, open)
