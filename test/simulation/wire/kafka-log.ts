import type { Random } from '../../../src/base/random.ts'
import type { EpochStart, LogRecord, Marker, PartitionLog } from '../partition-log.ts'
import { type BatchSpec, batch } from './kafka-batch.ts'
import { Producers } from './kafka-producers.ts'

/** A record batch as stored in the log. */
interface StoredBatch {
  readonly spec: BatchSpec
  readonly base: number
  readonly last: number
  readonly bytes: Buffer
  readonly damaged: boolean
  /** The broker itself detects the damage when it reads the batch. */
  readonly unreadable: boolean
}

export interface Aborted {
  readonly producerId: number
  readonly firstOffset: number
  readonly lastOffset: number
}

/** The content of one replica of a partition at one moment. */
export interface LogImage {
  readonly batches: readonly StoredBatch[]
  readonly aborted: readonly Aborted[]
  readonly epochs: readonly EpochStart[]
  readonly first: number
  /** The log end offset. */
  readonly end: number
  /** The high watermark, and the last stable offset below it. */
  readonly high: number
  readonly stable: number
  /** For ListOffsets by time. */
  readonly entries: readonly LogRecord[]
}

const maxGroup = 6
// Byte offsets in a batch.
const crcAt = 17
const lastOffsetDeltaAt = 23
const codecs = ['gzip', 'snappy', 'snappy-raw', 'lz4', 'zstd'] as const
const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random.next() * list.length)]!

/**
 * The log of one partition in Kafka's format. Written batches never change, except for what a
 * rewrite removes.
 */
export class KafkaLog {
  readonly log: PartitionLog
  readonly producers = new Producers()
  readonly #random: Random
  #batches: StoredBatch[] = []
  #aborted: Aborted[] = []
  /** By transaction: its producer in this partition, and its first offset here. */
  readonly #producers = new Map<number, { readonly producer: number; readonly first: number }>()
  /** Producers of transactions without a marker in the log. They must not be reused. */
  readonly #busy = new Set<number>()
  readonly #waiting = new Set<() => void>()
  #isListening = false
  #rewrites = 0
  #next: number
  #image: LogImage

  constructor(log: PartitionLog, random: Random) {
    this.log = log
    this.#random = random
    this.#next = log.first
    this.#image = this.#snapshot()
  }

  /** The image of the last look. */
  get last(): LogImage {
    return this.#image
  }

  /** The current image. */
  get image(): LogImage {
    const { log } = this
    for (; this.#rewrites < log.rewrites.length; this.#rewrites++) this.#cut(log.rewrites[this.#rewrites]!.from)
    if (this.#next < log.end) this.#write()
    this.#image = this.#snapshot()
    return this.#image
  }

  /**
   * Calls `changed` at each change until the returned function is called. `soon` runs a task once
   * the change is complete.
   */
  watch(changed: () => void, soon: (task: () => void) => void): () => void {
    this.#waiting.add(changed)
    if (!this.#isListening) {
      this.#isListening = true
      this.log.wait(() => {
        this.#isListening = false
        soon(() => {
          for (const each of [...this.#waiting]) each()
        })
      })
    }
    return () => this.#waiting.delete(changed)
  }

  #snapshot(): LogImage {
    const { first, end, head, epochs, entries } = this.log
    const floor = epochs.findLastIndex(({ offset }) => offset <= first)
    const known = epochs.slice(Math.max(0, floor))
    if (known[0] !== undefined && known[0].offset < first) known[0] = { epoch: known[0].epoch, offset: first }
    const from = this.#batches.findIndex(({ last }) => last >= first)
    const batches = from < 0 ? [] : this.#batches.slice(from)
    return { batches, aborted: this.#aborted.slice(), epochs: known, first, end, high: end, stable: head, entries }
  }

  /**
   * Cuts the log at `from`. A batch across `from` is written again without the records that are
   * gone.
   */
  #cut(from: number): void {
    this.#next = Math.min(this.#next, from)
    this.producers.cut(from)
    this.#unmark(from)
    this.#aborted = this.#aborted
      .filter(({ firstOffset }) => firstOffset < from)
      .map((each) => (each.lastOffset < from ? each : { ...each, lastOffset: Number.POSITIVE_INFINITY }))
    this.#abortUnmarked()
    const across = this.#batches.find(({ base, last }) => base < from && last >= from)
    this.#batches = this.#batches.filter(({ last }) => last < from)
    if (across === undefined || across.spec.marker !== undefined) return
    const { base, records } = across.spec
    const kept = records.filter(({ offsetDelta }) => base + offsetDelta < from)
    this.#store({ ...across.spec, records: kept, lastDelta: from - 1 - base })
  }

  /**
   * Reopens transactions whose markers were removed. Later transactions of the same producer
   * continue with other producers, if at all.
   */
  #unmark(from: number): void {
    const unmarked = new Set<number>()
    for (const { spec, last } of this.#batches) {
      if (spec.marker !== undefined && last >= from) unmarked.add(spec.producerId!)
    }
    for (const producer of unmarked) this.#busy.add(producer)
    for (const [transaction, { producer, first }] of this.#producers) {
      if (first >= from && unmarked.has(producer)) this.#producers.delete(transaction)
    }
  }

  /**
   * Keeps transactions aborted whose markers were removed, even if no reader has seen the
   * markers.
   */
  #abortUnmarked(): void {
    for (const { transaction, first } of this.log.unmarked.splice(0)) {
      const producerId = this.#producerOf(transaction, first)
      const isKnown = this.#aborted.some((each) => each.producerId === producerId && each.firstOffset === first)
      if (!isKnown) this.#aborted.push({ producerId, firstOffset: first, lastOffset: Number.POSITIVE_INFINITY })
    }
  }

  /** Writes the records appended since the last look as batches. */
  #write(): void {
    const { entries, ended, end } = this.log
    const markers = new Map(ended.filter(({ offset }) => offset >= this.#next).map((each) => [each.offset, each]))
    let at = entries.findIndex(({ offset }) => offset >= this.#next)
    if (at < 0) at = entries.length
    while (this.#next < end) {
      const entry = entries[at]
      const marker = markers.get(this.#next)
      if (marker !== undefined) this.#end(marker)
      else if (entry?.offset === this.#next) at += this.#group(at)
      else this.#hole(Math.min(entry?.offset ?? end, end, ...[...markers.keys()].filter((each) => each > this.#next)))
    }
  }

  /**
   * Writes what compaction leaves of removed records: nothing, an empty batch, or a batch that
   * ends after its last record.
   */
  #hole(to: number): void {
    const before = this.#batches.at(-1)
    const way = this.#random.next()
    const epoch = this.#epochAt(this.#next)
    // Compaction never removes the end of a log.
    if (way < 0.25 || to === this.log.end) {
      this.#store({ base: this.#next, records: [], lastDelta: to - 1 - this.#next, epoch })
    } else if (way < 0.5 && before !== undefined && this.#mayGrow(before, epoch)) {
      this.#batches.pop()
      this.#store({ ...before.spec, lastDelta: to - 1 - before.base })
    }
    this.#next = to
  }

  /**
   * Whether a batch may grow over the hole: no reader has received it yet, and the records of the
   * hole may have been its own.
   */
  #mayGrow({ spec, base, last, damaged }: StoredBatch, epoch: number): boolean {
    if (damaged || spec.marker !== undefined || spec.epoch !== epoch) return false
    return last === this.#next - 1 && base >= this.#image.end
  }

  #epochAt(offset: number): number {
    return this.log.epochs.findLast((start) => start.offset <= offset)?.epoch ?? 0
  }

  /** Writes one batch and returns the number of its records. */
  #group(at: number): number {
    const { entries } = this.log
    const head = entries[at]!
    const most = head.damaged ? 1 : 1 + Math.floor(this.#random.next() * maxGroup)
    const group = [head]
    for (let i = at + 1; i < entries.length && group.length < most; i++) {
      const entry = entries[i]!
      const fits = entry.offset === head.offset + group.length && !entry.damaged && entry.epoch === head.epoch
      if (!fits || entry.transaction !== head.transaction) break
      group.push(entry)
    }
    this.#next = head.offset + group.length
    const spec = this.#spec(group)
    if (head.damaged) this.#damage(spec)
    else this.#store(spec)
    return group.length
  }

  #spec(group: readonly LogRecord[]): BatchSpec {
    const [{ offset, epoch, timeMs, transaction }] = group as [LogRecord]
    const baseTimeMs = Math.floor(timeMs)
    const records = group.map((entry) => ({
      offsetDelta: entry.offset - offset,
      timeDelta: Math.floor(entry.timeMs) - baseTimeMs,
      key: entry.key,
      value: entry.value,
    }))
    const isOneTime = records.every(({ timeDelta }) => timeDelta === 0)
    const logAppendTime = isOneTime && this.#random.next() < 0.5
    const codec = this.#random.next() < 0.15 ? pick(this.#random, codecs) : 'none'
    const plain = { base: offset, records, epoch, baseTimeMs, maxTimeMs: baseTimeMs, logAppendTime, codec } as const
    if (transaction === undefined) return plain
    return { ...plain, transactional: true, producerId: this.#producerOf(transaction, offset) }
  }

  /**
   * Returns the first producer without another open transaction. Producers continue with their
   * next transaction.
   */
  #producerOf(transaction: number, first: number): number {
    const known = this.#producers.get(transaction)
    if (known !== undefined) return known.producer
    let producer = 1
    while (this.#busy.has(producer)) producer++
    this.#busy.add(producer)
    this.#producers.set(transaction, { producer, first })
    return producer
  }

  #end({ transaction, first, offset, committed }: Marker): void {
    const producerId = this.#producerOf(transaction, first)
    this.#busy.delete(producerId)
    this.#next = offset + 1
    if (!committed) this.#aborted.push({ producerId, firstOffset: first, lastOffset: offset })
    this.#store({ base: offset, records: [], epoch: this.#epochAt(offset), marker: committed ? 1 : 0, producerId })
  }

  #store(spec: BatchSpec): void {
    const last = spec.base + (spec.lastDelta ?? spec.records.at(-1)?.offsetDelta ?? 0)
    this.#batches.push({ spec, base: spec.base, last, bytes: batch(spec), damaged: false, unreadable: false })
  }

  /**
   * Stores a batch with a flipped bit, in the records or in the header. In some cases the broker
   * detects it.
   */
  #damage(spec: BatchSpec): void {
    const way = this.#random.next()
    const bytes = batch(spec)
    if (way < 0.5) bytes[bytes.length - 1]! ^= 0x10
    else if (way < 0.75) bytes[lastOffsetDeltaAt + 2]! ^= 1 << Math.floor(this.#random.next() * 6)
    else bytes[crcAt]! ^= 0xff
    this.#batches.push({ spec, base: spec.base, last: spec.base, bytes, damaged: true, unreadable: way < 0.25 })
  }
}
