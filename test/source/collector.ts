import assert from 'node:assert/strict'
import type { LostReason, SourceRecord, UnreadableReason } from '../../src/log/record.ts'
import type { Offsets, RangeSink, StreamInfo, Tail, TailSink, TailState } from '../../src/source/source.ts'

/** A copy of a record: records of a source are valid during the call only. */
export interface SeenRecord {
  readonly partition: number
  readonly offset: number
  readonly timeMs: number
  readonly key: string | null
  readonly value: string | null
  readonly valueBytes: number
  readonly trace: string | null
  readonly headers: ReadonlyMap<string, string | null>
}

export interface Lost {
  readonly partition: number
  readonly from: number
  readonly to: number
  readonly reason: string
}

/**
 * Values longer than this are cut to their first bytes, so that a megabyte does not fill an
 * assertion's message.
 */
const keptValueBytes = 4096

export function seen(record: SourceRecord): SeenRecord {
  const text = (start: number, end: number) => (start < 0 ? null : record.buffer.toString('latin1', start, end))
  const headers = new Map<string, string | null>()
  for (const [name, value] of record.headers()) headers.set(name, value === null ? null : value.toString('latin1'))
  assert.deepEqual(
    boundedHeaders(record, headers.get('traceparent')),
    headers,
    'headers by bounds are those of the map',
  )
  const valueBytes = record.valueStart < 0 ? 0 : record.valueEnd - record.valueStart
  return {
    partition: record.partition,
    offset: record.offset,
    timeMs: record.timeMs,
    key: text(record.keyStart, record.keyEnd),
    value: text(record.valueStart, record.valueStart + Math.min(valueBytes, keptValueBytes)),
    valueBytes,
    trace: text(record.traceStart, record.traceEnd),
    headers,
  }
}

/** Returns the headers of `eachHeader`, which may omit the `traceparent`. */
function boundedHeaders(record: SourceRecord, traceparent: string | null | undefined): Map<string, string | null> {
  const headers = new Map<string, string | null>()
  if (traceparent !== undefined) headers.set('traceparent', traceparent)
  record.eachHeader({
    header(name, { bytes, start, end }) {
      headers.set(name.toString(), start < 0 ? null : bytes.toString('latin1', start, end))
    },
  })
  return headers
}

/**
 * Records everything that a tail reports, and checks the sink's contract meanwhile: `violations`
 * lists what breaks it. Partitions are added and dropped through it, so that it knows which of
 * them may be reported.
 */
export class TailCollector implements TailSink, Tail {
  /** The tail that uses this sink. */
  tail: Tail | undefined
  readonly records: SeenRecord[] = []
  readonly losses: Lost[] = []
  readonly streams: StreamInfo[] = []
  readonly growths: StreamInfo[] = []
  readonly states: TailState[] = []
  /** Detail of the last state. */
  detail = ''
  #told = ''
  readonly violations: string[] = []
  /** All calls, of any kind. */
  calls = 0
  /** Per partition: the arguments of the last `end`. */
  readonly ends = new Map<number, { next: number; offsets: Offsets }>()
  /** Per partition: the last record since the last `end`. */
  readonly #open = new Map<number, number>()
  /** Per partition: the lowest offset allowed next. */
  readonly #floor = new Map<number, number>()
  readonly #dropped = new Set<number>()

  add(partition: number, from?: number): void {
    this.tail!.add(partition, from)
    this.#dropped.delete(partition)
    this.#floor.set(partition, from ?? 0)
  }

  drop(partition: number): void {
    this.tail!.drop(partition)
    this.#dropped.add(partition)
    this.#open.delete(partition)
    this.ends.delete(partition)
  }

  async close(): Promise<void> {
    await this.tail?.close()
  }

  record(record: SourceRecord): void {
    this.#called(record.partition)
    const floor = this.#floor.get(record.partition) ?? 0
    if (record.offset < floor) this.violations.push(`offset ${record.offset} was shown after ${floor - 1}`)
    this.#floor.set(record.partition, record.offset + 1)
    this.#open.set(record.partition, record.offset)
    this.records.push(seen(record))
  }

  end(partition: number, next: number, offsets: Offsets): void {
    this.#called(partition)
    const floor = this.#floor.get(partition) ?? 0
    if (next < floor) this.violations.push(`end says next ${next} after offset ${floor - 1}`)
    if (offsets.first > offsets.head) this.violations.push(`end says first ${offsets.first}, head ${offsets.head}`)
    this.#open.delete(partition)
    this.#floor.set(partition, next)
    this.ends.set(partition, { next, offsets: { ...offsets } })
  }

  lost(partition: number, from: number, to: number, reason: LostReason): void {
    this.#called(partition)
    if (to < from) this.violations.push(`lost says [${from}, ${to}]`)
    this.#floor.set(partition, reason === 'rewritten' ? from : to + 1)
    this.losses.push({ partition, from, to, reason })
  }

  recreated(stream: StreamInfo): void {
    this.calls++
    this.#floor.clear()
    this.#open.clear()
    this.ends.clear()
    this.streams.push(stream)
  }

  grown(stream: StreamInfo): void {
    this.calls++
    this.growths.push(stream)
  }

  state(state: TailState, detail: string): void {
    this.calls++
    const told = `${state}: ${detail}`
    if (this.#told === told) this.violations.push(`state ${told} was told twice in a row`)
    this.#told = told
    this.states.push(state)
    this.detail = detail
  }

  #called(partition: number): void {
    this.calls++
    if (this.#dropped.has(partition)) this.violations.push(`partition ${partition} was told of after it was dropped`)
  }

  /** Returns the offsets of one partition's records, in order of arrival. */
  offsets(partition = 0): number[] {
    return this.records.filter((record) => record.partition === partition).map((record) => record.offset)
  }

  values(partition = 0): (string | null)[] {
    return this.records.filter((record) => record.partition === partition).map((record) => record.value)
  }

  /**
   * Asserts that every record is followed by its batch's end, that offsets ascend, and that the
   * rest of the sink's contract holds.
   */
  assertWellFormed(): void {
    assert.deepEqual(this.violations, [])
    assert.deepEqual([...this.#open.keys()], [], 'records without an end')
  }
}

export class RangeCollector implements RangeSink {
  readonly records: SeenRecord[] = []
  readonly losses: { from: number; to: number; reason: string }[] = []

  record(record: SourceRecord): void {
    this.records.push(seen(record))
  }

  lost(from: number, to: number, reason: UnreadableReason): void {
    this.losses.push({ from, to, reason })
  }

  offsets(): number[] {
    return this.records.map((record) => record.offset)
  }
}
