import assert from 'node:assert/strict'
import type { ErrorCode } from '../../src/base/errors.ts'
import type { Ack, Chunk, OutRecord, Source, StreamInfo } from '../../src/source/source.ts'
import { until } from '../support/until.ts'
import { RangeCollector, TailCollector } from './collector.ts'

/** Requirements of the suite beyond the Source contract. */
export interface Harness {
  /** Reason why the suite cannot run here. */
  readonly skip?: string
  /** Runs before the first and after the last test. */
  start?(): Promise<void>
  stop?(): Promise<void>
  /** Opens a source on a running broker; an embedded log gets a new directory each time. */
  open(): Promise<Source>
  /** Closes the source and opens it again on the same broker or directory. */
  reopen(source: Source): Promise<Source>
  /** Deletes a stream; may resolve before readers notice. */
  delete(source: Source, stream: string): Promise<void>
  /** Drops records below `from`; may resolve before readers notice. */
  retain(source: Source, stream: StreamInfo, partition: number, from: number): Promise<void>
  /** Raises the number of partitions, if the broker supports it. */
  grow?(source: Source, stream: string, partitions: number): Promise<void>
  /** If the broker is a separate process: stops and restarts it, while sources stay open. */
  readonly outage?: { begin(): Promise<void>; end(): Promise<void> }
}

export interface ConformanceOptions {
  /** Maximum time for a fact to become true, ms. */
  readonly patienceMs?: number
  /** The largest value that the broker under test must accept, bytes. */
  readonly largeValueBytes?: number
  /** A value that it must refuse, bytes. */
  readonly tooLargeValueBytes?: number
  /** The offset of a log's first record: 0 or 1. */
  readonly firstOffset?: number
}

const defaults: Required<ConformanceOptions> = {
  patienceMs: 20_000,
  largeValueBytes: 1 << 20,
  tooLargeValueBytes: 12 << 20,
  firstOffset: 0,
}

export const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

/** One run of the suite: its source, and helpers to create facts. */
export class ConformanceRun {
  readonly harness: Harness
  readonly options: Required<ConformanceOptions>
  readonly #id = Date.now().toString(36)
  #streams = 0
  #source: Source | undefined
  readonly #tails: TailCollector[] = []

  constructor(harness: Harness, options: ConformanceOptions) {
    this.harness = harness
    this.options = { ...defaults, ...options }
  }

  get source(): Source {
    return this.#source!
  }

  async start(): Promise<void> {
    await this.harness.start?.()
    this.#source = await this.harness.open()
  }

  async reopen(): Promise<void> {
    this.#source = await this.harness.reopen(this.source)
  }

  async stop(): Promise<void> {
    await Promise.all(this.#tails.map((tail) => tail.close()))
    await this.#source?.close()
    await this.harness.stop?.()
  }

  /** Returns the offset of a log's nth record, from 0. */
  readonly at = (n: number): number => this.options.firstOffset + n

  /** Returns the offsets of its records [from, to). */
  readonly ats = (from: number, to: number): number[] => numbers(this.at(from), this.at(to))

  readonly eventually = <T>(what: string, fact: () => T | Promise<T>) => until(what, this.options.patienceMs, fact)

  readonly freshName = (): string => `conformance-${this.#id}-${this.#streams++}`

  readonly created = async (partitions = 1, stream = this.freshName()): Promise<StreamInfo> => {
    await this.source.create(stream, partitions)
    return this.eventually(`${stream} exists`, () => this.source.describe(stream))
  }

  /** Deletes a stream and creates it again under its name, however long the broker takes. */
  readonly recreated = async (old: StreamInfo): Promise<StreamInfo> => {
    await this.harness.delete(this.source, old.name)
    return this.eventually(`${old.name} exists anew`, async () => {
      await this.source.create(old.name, old.partitions)
      const now = await this.source.describe(old.name)
      return now !== undefined && now.incarnation !== old.incarnation && now
    })
  }

  /** Publishes until the broker accepts: a new stream may not have its leader yet. */
  readonly published = (stream: StreamInfo, records: readonly OutRecord[]): Promise<Ack[]> =>
    this.eventually(`${stream.name} takes records`, () => this.source.publish(stream, records))

  readonly tailed = (stream: StreamInfo, from: readonly (number | undefined)[]): TailCollector => {
    const collector = new TailCollector()
    collector.tail = this.source.tail(stream, from, collector)
    this.#tails.push(collector)
    return collector
  }

  readonly count = (collector: TailCollector, n: number) =>
    this.eventually(`${n} records are shown`, () => collector.records.length >= n)

  /** Makes the log begin at `first`. */
  readonly retained = async (stream: StreamInfo, partition: number, first: number): Promise<void> => {
    await this.harness.retain(this.source, stream, partition, first)
    const moved = async () => (await this.source.offsets(stream, partition)).first === first
    await this.eventually('the first offset moves', moved)
  }

  /** Reads all of [from, to), chunk by chunk. */
  readonly ranged = async (stream: StreamInfo, { partition, from, to, maxBytes }: Chunk) => {
    const collector = new RangeCollector()
    let chunks = 0
    let next = from
    let end = from
    do {
      const before = collector.records.length
      const chunk = await this.source.range(stream, { partition, from: next, to, maxBytes }, collector)
      chunks++
      end = Math.min(to, chunk.offsets.head)
      assert.ok(chunk.next > next || chunk.next >= end, `a chunk that goes on at ${chunk.next} after ${next}`)
      assert.ok(collector.records.length > before || chunk.next >= end, 'a chunk without a record')
      next = chunk.next
    } while (next < end)
    return { collector, chunks, next }
  }

  readonly rejected = (promise: Promise<unknown>, code: ErrorCode): Promise<void> =>
    assert.rejects(promise, (error: { code?: unknown; message: string }) => {
      assert.equal(error.code, code, error.message)
      return true
    })
}

export const bytes = (text: string) => Buffer.from(text)
export const text = (value: Uint8Array | null) => (value === null ? null : Buffer.from(value).toString('latin1'))
export const record = (value: string, partition = 0): OutRecord => ({
  partition,
  key: bytes('key'),
  value: bytes(value),
})
export const letters = (n: number, partition = 0) =>
  numbers(0, n).map((i) => record(String.fromCharCode(97 + i), partition))

/** Returns every whole number in [from, to). */
export const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)
