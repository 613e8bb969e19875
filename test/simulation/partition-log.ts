import type { Offsets } from '../../src/source/source.ts'
import type { Event } from '../../src/wire/frames.ts'

/** Of a record, in order. */
export type Headers = readonly (readonly [name: string, value: string])[]

/** One record that was ever written, and what became of it: the truth that clients are held against. */
export interface LogRecord {
  readonly incarnation: number
  readonly partition: number
  readonly offset: number
  /** Of the leader that wrote it. */
  readonly epoch: number
  readonly timeMs: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers?: Headers
  /** What a client is to be given; undefined where no gateway can use it. */
  readonly event: Event | undefined
  /** Its bytes are not those that were written. */
  readonly damaged: boolean
  /** Since when its bytes can't be read any more, though they could once, virtual ms: who read it before may give it. Infinity = never. */
  spoiledMs: number
  readonly transaction: number | undefined
  /** Written in a transaction that has not ended, or that was aborted. */
  hidden: boolean
  readonly writtenMs: number
  /** When a reader could first have it, virtual ms; Infinity = never yet. */
  seenMs: number
  /** Why it is not in the log any more. */
  gone: 'retention' | 'rewritten' | undefined
  goneMs: number
}

/** The log's end moved back to `from`, and what follows is of `epoch` and later ones. */
export interface Rewrite {
  readonly epoch: number
  readonly from: number
  /** Of the history before it. */
  readonly head: number
  readonly atMs: number
}

/** Where a transaction ended. */
export interface Marker {
  readonly transaction: number
  /** Of its first record here. */
  readonly first: number
  readonly offset: number
  readonly committed: boolean
}

/** Where the records of a leader begin. */
export interface EpochStart {
  readonly epoch: number
  readonly offset: number
}

/** Somebody who needs a part of the log to find out that it was rewritten: retention spares that. */
export interface Pin {
  /** What the log may begin with, at most. */
  readonly mostFirst: number
}

export type NewRecord = Pick<LogRecord, 'key' | 'value' | 'headers' | 'event' | 'timeMs' | 'damaged' | 'transaction'>

/** One partition of one incarnation, with all of its past. */
export class PartitionLog {
  readonly incarnation: number
  readonly partition: number
  /** What it holds, in order. */
  entries: LogRecord[] = []
  /** All that it ever held, in the order of writing. */
  readonly past: LogRecord[] = []
  readonly rewrites: Rewrite[] = []
  /** Where retention has let it begin, and when. */
  readonly beginnings: { readonly first: number; readonly atMs: number }[] = []
  /** Transactions that have ended, in the order of their markers. */
  ended: Marker[] = []
  /** Aborted transactions whose markers a rewrite took and whose first records it left. */
  readonly unmarked: Marker[] = []
  /** As Kafka's leader epoch cache: none is empty but the newest. */
  readonly epochs: EpochStart[] = []
  /** Where in the past each history begins: in each, offsets ascend. */
  readonly #histories = [0]
  first: number
  /** The next offset to be written. */
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

  /** The last stable offset: what a read-committed reader waits for. */
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

  /** Offsets without records. */
  skip(count: number, nowMs: number): void {
    this.end += count
    this.#changed(nowMs)
  }

  /** The transaction's marker takes an offset of its own. */
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

  /** What is written in [from, to) can't be read any more. */
  spoil(from: number, to: number, nowMs: number): void {
    for (const entry of this.entries) if (entry.offset >= from && entry.offset < to) entry.spoiledMs = nowMs
  }

  /** Another leader, which has all that this log has. */
  elect(): void {
    this.epoch++
    this.#begin(this.end)
  }

  /** Another leader's history from `from` on. */
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

  /** Where a reader that knows the first `known` rewrites must go back to; Infinity = nowhere. */
  agreed(known: number): number {
    let from = Number.POSITIVE_INFINITY
    for (let i = known; i < this.rewrites.length; i++) from = Math.min(from, this.rewrites[i]!.from)
    return from
  }

  /** Whether a log whose newest record is of `generation` still had the record; -1 = whatever it was, Infinity = the log as it is. */
  inLineage(record: LogRecord, generation: number): boolean {
    if (generation < 0) return !this.rewrites.some(({ from }) => from <= record.offset)
    const upTo = Math.min(this.epoch, generation)
    if (record.epoch > upTo) return false
    return !this.rewrites.some(({ epoch, from }) => epoch > record.epoch && epoch <= upTo && from <= record.offset)
  }

  /** The first record of the past in [from, to) of which `is` holds, oldest history first. */
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

/** Nobody can read it from the broker, though who read it before may have it. */
export const isUnreadable = ({ damaged, spoiledMs }: LogRecord): boolean =>
  damaged || spoiledMs < Number.POSITIVE_INFINITY

export const boundsOf = (log: PartitionLog): Offsets => ({ first: log.first, head: log.head })

/** The records in [from, to) that a read-committed reader is shown. */
export function visible(log: PartitionLog, from: number, to: number): LogRecord[] {
  const { entries } = log
  const found: LogRecord[] = []
  for (let i = indexOf(entries, from); i < entries.length && entries[i]!.offset < to; i++)
    if (!entries[i]!.hidden) found.push(entries[i]!)
  return found
}

/** Of the first record at `offset` or behind it, where offsets ascend from `low` to `high`. */
function indexOf(records: readonly LogRecord[], offset: number, low = 0, high = records.length): number {
  while (low < high) {
    const middle = (low + high) >> 1
    if (records[middle]!.offset < offset) low = middle + 1
    else high = middle
  }
  return low
}
