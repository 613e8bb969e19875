import type { Offsets } from '../../src/source/source.ts'
import type { Event } from '../../src/wire/frames.ts'

/** Headers of a record, in order. */
export type Headers = readonly (readonly [name: string, value: string])[]

/** One record that was ever written, and its fate: the truth against which clients are checked. */
export interface LogRecord {
  readonly incarnation: number
  readonly partition: number
  readonly offset: number
  /** Epoch of the leader that wrote it. */
  readonly epoch: number
  readonly timeMs: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers?: Headers
  /** The event for clients; undefined = no gateway can use the record. */
  readonly event: Event | undefined
  /** true = the stored bytes differ from the written ones. */
  readonly damaged: boolean
  /**
   * Time from which the bytes are unreadable, virtual ms; Infinity = never. A gateway that read
   * them before may deliver the record.
   */
  spoiledMs: number
  readonly transaction: number | undefined
  /** Written in a transaction that has not ended, or that was aborted. */
  hidden: boolean
  readonly writtenMs: number
  /** When the record became visible to readers, virtual ms; Infinity = not yet. */
  seenMs: number
  /** Why the record is no longer in the log; undefined = it is. */
  gone: 'retention' | 'rewritten' | undefined
  goneMs: number
}

/**
 * A rewrite: the log's end moved back to `from`, and later records have `epoch` or a later one.
 */
export interface Rewrite {
  readonly epoch: number
  readonly from: number
  /** Head of the history before the rewrite. */
  readonly head: number
  readonly atMs: number
}

/** Where a transaction ended. */
export interface Marker {
  readonly transaction: number
  /** Offset of the transaction's first record in this partition. */
  readonly first: number
  readonly offset: number
  readonly committed: boolean
}

/** Where a leader's records begin. */
export interface EpochStart {
  readonly epoch: number
  readonly offset: number
}

/** A reader that needs a part of the log to detect a rewrite. Retention spares that part. */
export interface Pin {
  /** Highest offset at which the log may begin. */
  readonly mostFirst: number
}

export type NewRecord = Pick<LogRecord, 'key' | 'value' | 'headers' | 'event' | 'timeMs' | 'damaged' | 'transaction'>

/** One partition of one incarnation, with its whole past. */
export class PartitionLog {
  readonly incarnation: number
  readonly partition: number
  /** Current records, in order. */
  entries: LogRecord[] = []
  /** All records ever written, in order of writing. */
  readonly past: LogRecord[] = []
  readonly rewrites: Rewrite[] = []
  /** Starts of the log after retention, with their times. */
  readonly beginnings: { readonly first: number; readonly atMs: number }[] = []
  /** Transactions that have ended, in the order of their markers. */
  ended: Marker[] = []
  /** Aborted transactions whose markers a rewrite took and whose first records it left. */
  readonly unmarked: Marker[] = []
  /** Like Kafka's leader epoch cache: only the newest may be empty. */
  readonly epochs: EpochStart[] = []
  /** Index in `past` at which each history begins. Within a history, offsets ascend. */
  readonly #histories = [0]
  first: number
  /** The next offset to write. */
  end: number
  epoch = 0
  /** Where each open transaction begins. */
  readonly #open = new Map<number, number>()
  readonly pins = new Set<Pin>()
  /** Fetches that wait for a change. */
  readonly #waiters: (() => void)[] = []

  constructor(incarnation: number, partition: number, firstOffset: number) {
    this.first = firstOffset
    this.end = firstOffset
    this.epochs.push({ epoch: 0, offset: firstOffset })
    this.incarnation = incarnation
    this.partition = partition
  }

  /** The last stable offset, up to which a read-committed reader reads. */
  get head(): number {
    let head = this.end
    for (const from of this.#open.values()) head = Math.min(head, from)
    return head
  }

  append(record: NewRecord, nowMs: number): LogRecord {
    const { transaction } = record
    const offset = this.end++
    if (transaction !== undefined && !this.#open.has(transaction)) this.#open.set(transaction, offset)
    const written: LogRecord = {
      ...record,
      incarnation: this.incarnation,
      partition: this.partition,
      offset,
      epoch: this.epoch,
      hidden: transaction !== undefined,
      writtenMs: nowMs,
      seenMs: Number.POSITIVE_INFINITY,
      spoiledMs: Number.POSITIVE_INFINITY,
      gone: undefined,
      goneMs: Number.POSITIVE_INFINITY,
    }
    this.entries.push(written)
    this.past.push(written)
    this.#changed(nowMs)
    return written
  }

  /** Skips offsets, which have no records. */
  skip(count: number, nowMs: number): void {
    this.end += count
    this.#changed(nowMs)
  }

  /** Ends a transaction. Its marker takes one offset. */
  finish(transaction: number, committed: boolean, nowMs: number): void {
    const first = this.#open.get(transaction)
    if (first === undefined) return
    this.#open.delete(transaction)
    this.ended.push({ transaction, first, offset: this.end, committed })
    if (committed) for (const entry of this.entries) if (entry.transaction === transaction) entry.hidden = false
    this.skip(1, nowMs)
  }

  retain(first: number, nowMs: number): void {
    const spared = Math.min(first, this.head, ...[...this.pins].map(({ mostFirst }) => mostFirst))
    if (spared <= this.first) return
    this.first = spared
    this.beginnings.push({ first: spared, atMs: nowMs })
    this.#drop(({ offset }) => offset < this.first, 'retention', nowMs)
    this.#changed(nowMs)
  }

  /** Makes the records in [from, to) unreadable. */
  spoil(from: number, to: number, nowMs: number): void {
    for (const entry of this.entries) if (entry.offset >= from && entry.offset < to) entry.spoiledMs = nowMs
  }

  /** Elects another leader that has all records of this log. */
  elect(): void {
    this.epoch++
    this.#begin(this.end)
  }

  /** Replaces the log from `from` on by another leader's history. */
  rewrite(from: number, nowMs: number): void {
    const at = Math.max(this.first, from)
    const { head } = this
    this.#drop(({ offset }) => offset >= at, 'rewritten', nowMs)
    for (const [transaction, begin] of this.#open) if (begin >= at) this.#open.delete(transaction)
    this.unmarked.push(...this.ended.filter(({ first, offset, committed }) => !committed && first < at && offset >= at))
    this.ended = this.ended.filter(({ offset }) => offset < at)
    this.end = at
    this.epoch++
    this.#begin(at)
    this.#histories.push(this.past.length)
    this.rewrites.push({ epoch: this.epoch, from: at, head, atMs: nowMs })
    this.#changed(nowMs)
  }

  /**
   * Returns the offset to which a reader that knows the first `known` rewrites must go back;
   * Infinity = none.
   */
  agreed(known: number): number {
    let from = Number.POSITIVE_INFINITY
    for (let i = known; i < this.rewrites.length; i++) from = Math.min(from, this.rewrites[i]!.from)
    return from
  }

  /**
   * Returns whether a log whose newest record has `generation` still had the record; -1 = any
   * history, Infinity = the current log.
   */
  inLineage(record: LogRecord, generation: number): boolean {
    if (generation < 0) return !this.rewrites.some(({ from }) => from <= record.offset)
    const upTo = Math.min(this.epoch, generation)
    if (record.epoch > upTo) return false
    return !this.rewrites.some(({ epoch, from }) => epoch > record.epoch && epoch <= upTo && from <= record.offset)
  }

  /** Returns the first past record in [from, to) that satisfies `is`, oldest history first. */
  find(from: number, to: number, is: (record: LogRecord) => boolean): LogRecord | undefined {
    const { past } = this
    for (const [history, begin] of this.#histories.entries()) {
      const end = this.#histories[history + 1] ?? past.length
      for (let i = indexOf(past, from, begin, end); i < end && past[i]!.offset < to; i++)
        if (is(past[i]!)) return past[i]
    }
    return undefined
  }

  /** Calls `changed` once, at the next change. */
  wait(changed: () => void): void {
    this.#waiters.push(changed)
  }

  #begin(offset: number): void {
    while (this.epochs.length > 0 && this.epochs.at(-1)!.offset >= offset) this.epochs.pop()
    this.epochs.push({ epoch: this.epoch, offset })
  }

  #drop(which: (entry: LogRecord) => boolean, gone: 'retention' | 'rewritten', nowMs: number): void {
    for (const entry of this.entries) {
      if (!which(entry)) continue
      entry.gone = gone
      entry.goneMs = nowMs
    }
    this.entries = this.entries.filter((entry) => !which(entry))
  }

  #changed(nowMs: number): void {
    const { head } = this
    for (let i = this.entries.length - 1; i >= 0; i--) {
      const entry = this.entries[i]!
      if (entry.offset >= head) continue
      if (entry.seenMs <= nowMs && !entry.hidden && entry.transaction === undefined) break
      if (entry.seenMs > nowMs) entry.seenMs = nowMs
    }
    for (const changed of this.#waiters.splice(0)) changed()
  }
}

/**
 * Whether the broker can no longer serve the record. A gateway that read it earlier may still
 * have it.
 */
export const isUnreadable = ({ damaged, spoiledMs }: LogRecord): boolean =>
  damaged || spoiledMs < Number.POSITIVE_INFINITY

export const boundsOf = (log: PartitionLog): Offsets => ({ first: log.first, head: log.head })

/** Returns the records in [from, to) that a read-committed reader sees. */
export function visible(log: PartitionLog, from: number, to: number): LogRecord[] {
  const { entries } = log
  const found: LogRecord[] = []
  for (let i = indexOf(entries, from); i < entries.length && entries[i]!.offset < to; i++)
    if (!entries[i]!.hidden) found.push(entries[i]!)
  return found
}

/**
 * Returns the index of the first record at or after `offset`; offsets ascend from `low` to
 * `high`.
 */
function indexOf(records: readonly LogRecord[], offset: number, low = 0, high = records.length): number {
  while (low < high) {
    const middle = (low + high) >> 1
    if (records[middle]!.offset < offset) low = middle + 1
    else high = middle
  }
  return low
}
