import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { ErrorCode } from '../../src/base/errors.ts'
import type { Ack, OutRecord, Source, StreamInfo, Tail } from '../../src/source/source.ts'
import { until } from '../support/until.ts'
import { RangeCollector, type SeenRecord, TailCollector } from './collector.ts'

/** What the suite needs of a broker beyond the Source contract. */
export interface Harness {
  /** Why the whole suite can't run here. */
  readonly skip?: string
  /** Before the first and after the last test. */
  start?(): Promise<void>
  stop?(): Promise<void>
  /** A source on a running broker; an embedded log gets a directory of its own each time. */
  open(): Promise<Source>
  /** Closes the source and opens it again on the same broker or directory. */
  reopen(source: Source): Promise<Source>
  /** Deletes a stream; may resolve before readers notice. */
  delete(source: Source, stream: string): Promise<void>
  /** Drops what is below `from`; may resolve before readers notice. */
  retain(source: Source, stream: StreamInfo, partition: number, from: number): Promise<void>
  /** Raises the number of partitions, where the broker can. */
  grow?(source: Source, stream: string, partitions: number): Promise<void>
  /** Where the broker is a process of its own: takes it away and brings it back, while sources stay open. */
  readonly outage?: { begin(): Promise<void>; end(): Promise<void> }
}

export interface ConformanceOptions {
  /** How long a fact may take to become one, ms. */
  readonly patienceMs?: number
  /** The largest value that the broker under test must take, bytes. */
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

const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

/** The facts that every adapter of the Source contract holds. One broker and one source serve the whole suite. */
export function conformance(name: string, harness: Harness, options: ConformanceOptions = {}): void {
  const { patienceMs, largeValueBytes, tooLargeValueBytes, firstOffset } = { ...defaults, ...options }
  /** The offset of a log's nth record, from 0. */
  const at = (n: number) => firstOffset + n
  /** Those of its records [from, to). */
  const ats = (from: number, to: number) => numbers(at(from), at(to))
  const run = Date.now().toString(36)
  let streams = 0
  let source: Source
  const tails: Tail[] = []

  const eventually = <T>(what: string, fact: () => T | Promise<T>) => until(what, patienceMs, fact)
  const freshName = () => `conformance-${run}-${streams++}`

  async function created(partitions = 1, stream = freshName()): Promise<StreamInfo> {
    await source.create(stream, partitions)
    return eventually(`${stream} exists`, () => source.describe(stream))
  }

  /** Deleted and created again under its name, however long the broker takes for either. */
  async function recreated(old: StreamInfo): Promise<StreamInfo> {
    await harness.delete(source, old.name)
    return eventually(`${old.name} exists anew`, async () => {
      await source.create(old.name, old.partitions)
      const now = await source.describe(old.name)
      return now !== undefined && now.incarnation !== old.incarnation && now
    })
  }

  /** Publishes until the broker takes it: a stream that was created just now may not have its leader yet. */
  function published(stream: StreamInfo, records: readonly OutRecord[]): Promise<Ack[]> {
    return eventually(`${stream.name} takes records`, () => source.publish(stream, records))
  }

  function tailed(stream: StreamInfo, from: readonly number[]): TailCollector {
    const collector = new TailCollector()
    tails.push(source.tail(stream, from, collector))
    return collector
  }

  const count = (collector: TailCollector, n: number) =>
    eventually(`${n} records are shown`, () => collector.records.length >= n)

  /** All of [from, to), chunk by chunk. */
  async function ranged(stream: StreamInfo, partition: number, from: number, to: number, maxBytes: number) {
    const collector = new RangeCollector()
    let chunks = 0
    let next = from
    let end = from
    do {
      const before = collector.records.length
      const chunk = await source.range(stream, { partition, from: next, to, maxBytes }, collector)
      chunks++
      end = Math.min(to, chunk.offsets.head)
      assert.ok(chunk.next > next || chunk.next >= end, `a chunk that goes on at ${chunk.next} after ${next}`)
      assert.ok(collector.records.length > before || chunk.next >= end, 'a chunk without a record')
      next = chunk.next
    } while (next < end)
    return { collector, chunks, next }
  }

  async function rejected(promise: Promise<unknown>, code: ErrorCode): Promise<void> {
    await assert.rejects(promise, (error: { code?: unknown; message: string }) => {
      assert.equal(error.code, code, error.message)
      return true
    })
  }

  describe(`the ${name} source`, harness.skip === undefined ? {} : { skip: harness.skip }, () => {
    before(async () => {
      await harness.start?.()
      source = await harness.open()
    })

    after(async () => {
      await Promise.all(tails.map((tail) => tail.close()))
      await source?.close()
      await harness.stop?.()
    })

    test('describes a stream by its partitions and an incarnation that survives a reopen', async () => {
      const stream = await created(3)
      assert.equal(stream.partitions, 3)
      assert.notEqual(stream.incarnation, '')
      source = await harness.reopen(source)
      assert.deepEqual(await source.describe(stream.name), stream)
    })

    test('describes a stream that there is not as undefined', async () => {
      assert.equal(await source.describe(freshName()), undefined)
    })

    test('creating a stream that is there already changes nothing', async () => {
      const stream = await created(2)
      await source.create(stream.name, 5)
      assert.deepEqual(await source.describe(stream.name), stream)
    })

    test('names the stream and its partitions in the command that creates it', async () => {
      const command = source.createCommand('alarms', 12)
      assert.match(command, /alarms/)
      assert.match(command, /\b12\b/)
    })

    test('acknowledges with the offsets under which the records are then read', async () => {
      const stream = await created(2)
      const records = ['a', 'b', 'c', 'd', 'e'].map((value, i) => record(value, i % 2))
      const acks = await published(stream, records)
      assert.deepEqual(
        acks.map((ack) => ack.partition),
        [0, 1, 0, 1, 0],
      )
      const collector = tailed(stream, [at(0), at(0)])
      await count(collector, 5)
      for (const [i, ack] of acks.entries()) {
        const shown = collector.records.find((r) => r.partition === ack.partition && r.offset === ack.offset)
        assert.equal(shown?.value, text(records[i]!.value))
      }
      collector.assertWellFormed()
    })

    test('tells first and head before and after records', async () => {
      const stream = await created()
      await eventually('the empty partition has its bounds', async () => {
        assert.deepEqual(await source.offsets(stream, 0), { first: at(0), head: at(0) })
        return true
      })
      await published(stream, [record('a'), record('b')])
      assert.deepEqual(await source.offsets(stream, 0), { first: at(0), head: at(2) })
    })

    test('publishing nothing acknowledges nothing', async () => {
      assert.deepEqual(await source.publish(await created(), []), [])
    })

    test('keeps the order of concurrent publishes within each of them, and loses none', async () => {
      const stream = await created()
      await published(stream, [record('first')])
      const batches = Array.from({ length: 10 }, (_, i) => [record(`${i}.0`), record(`${i}.1`), record(`${i}.2`)])
      const acks = await Promise.all(batches.map((batch) => source.publish(stream, batch)))
      const collector = tailed(stream, [at(0)])
      await count(collector, 31)
      assert.deepEqual(collector.offsets(), ats(0, 31))
      const values = collector.values()
      for (const [i, batch] of acks.entries()) {
        assert.deepEqual(
          batch.map((ack) => values[ack.offset - firstOffset]),
          [`${i}.0`, `${i}.1`, `${i}.2`],
        )
        assert.ok(batch[0]!.offset < batch[1]!.offset && batch[1]!.offset < batch[2]!.offset)
      }
    })

    test('tails from the beginning, the middle and the head at once, and each goes on live', async () => {
      const stream = await created()
      await published(stream, letters(10))
      const starts = [0, 4, 10]
      const collectors = starts.map((from) => tailed(stream, [at(from)]))
      await count(collectors[0]!, 10)
      await published(stream, [record('live')])
      for (const [i, collector] of collectors.entries()) {
        await eventually('the live record is shown', () => collector.values().includes('live'))
        assert.deepEqual(collector.offsets(), ats(starts[i]!, 11))
        assert.equal(collector.states.at(-1), 'up')
        collector.assertWellFormed()
      }
    })

    test('closes each batch with the offset that is read next and the bounds', async () => {
      const stream = await created(2)
      await published(stream, [record('a', 1), record('b', 1), record('c', 1)])
      const collector = tailed(stream, [at(0), at(1)])
      await eventually('the batch is through', () => collector.ends.get(1)?.next === at(3))
      assert.deepEqual(collector.ends.get(1)!.offsets, { first: at(0), head: at(3) })
      collector.assertWellFormed()
    })

    test('a tail beyond the end waits and starts exactly at its offset', async () => {
      const stream = await created()
      await published(stream, letters(2))
      const collector = tailed(stream, [at(5)])
      await eventually('the tail is up', () => collector.states.at(-1) === 'up')
      for (let i = 2; i < 8; i++) await published(stream, [record(`later ${i}`)])
      await count(collector, 3)
      assert.deepEqual(collector.offsets(), ats(5, 8))
      assert.deepEqual(collector.losses, [])
    })

    test('a tail below the first retained offset is told exactly what is lost, and goes on there', async () => {
      const stream = await created()
      await published(stream, letters(10))
      await harness.retain(source, stream, 0, at(6))
      await eventually('the first offset moves', async () => (await source.offsets(stream, 0)).first === at(6))
      const collector = tailed(stream, [at(2)])
      await count(collector, 4)
      assert.deepEqual(collector.losses, [{ partition: 0, from: at(2), to: at(5), reason: 'retention' }])
      assert.deepEqual(collector.offsets(), ats(6, 10))
      await eventually('the batch is through', () => collector.ends.get(0)?.next === at(10))
      assert.deepEqual(collector.ends.get(0)!.offsets, { first: at(6), head: at(10) })
      collector.assertWellFormed()
    })

    test('offsets go on where they were when everything was dropped', async () => {
      const stream = await created()
      await published(stream, letters(4))
      await harness.retain(source, stream, 0, at(4))
      await eventually('the first offset moves', async () => (await source.offsets(stream, 0)).first === at(4))
      source = await harness.reopen(source)
      assert.deepEqual(await published(stream, [record('next')]), [{ partition: 0, offset: at(4) }])
      assert.deepEqual(await source.offsets(stream, 0), { first: at(4), head: at(5) })
    })

    test('a range is read in chunks and shows exactly [from, to)', async () => {
      const stream = await created()
      for (let i = 0; i < 10; i++) {
        await published(stream, [record(`${i}a`.padEnd(500, '.')), record(`${i}b`.padEnd(500, '.'))])
      }
      const { collector, chunks, next } = await ranged(stream, 0, at(3), at(17), 2500)
      assert.deepEqual(collector.offsets(), ats(3, 17))
      assert.deepEqual(
        collector.records.map((r) => r.value?.slice(0, 2)),
        numbers(3, 17).map((i) => `${i >> 1}${i % 2 === 0 ? 'a' : 'b'}`),
      )
      assert.ok(chunks > 1, `${chunks} chunk of 2500 bytes for 7 kB`)
      assert.ok(next >= at(17))
    })

    test('a chunk has at least one record, even one that is larger than the chunk', async () => {
      const stream = await created()
      for (const letter of ['a', 'b', 'c']) await published(stream, [record(letter.repeat(3000))])
      const { collector } = await ranged(stream, 0, at(0), at(3), 100)
      assert.deepEqual(collector.offsets(), ats(0, 3))
    })

    test('a range past the head ends at the head', async () => {
      const stream = await created()
      await published(stream, letters(3))
      const { collector, next } = await ranged(stream, 0, at(1), at(100), 1 << 20)
      assert.deepEqual(collector.offsets(), ats(1, 3))
      assert.equal(next, at(3))
    })

    test('a range below the first retained offset tells where the log starts now', async () => {
      const stream = await created()
      await published(stream, letters(10))
      await harness.retain(source, stream, 0, at(7))
      await eventually('the first offset moves', async () => (await source.offsets(stream, 0)).first === at(7))
      const collector = new RangeCollector()
      const end = await source.range(stream, { partition: 0, from: at(2), to: at(9), maxBytes: 1 << 20 }, collector)
      assert.equal(end.offsets.first, at(7))
      assert.ok(end.next >= at(7), `next is ${end.next}`)
      const rest = end.next >= at(9) ? [] : (await ranged(stream, 0, end.next, at(9), 1 << 20)).collector.offsets()
      assert.deepEqual([...collector.offsets(), ...rest], ats(7, 9))
    })

    test('a stream that is re-created while tailed is told and read from its beginning', async () => {
      const old = await created()
      await published(old, letters(5))
      const collector = tailed(old, [at(0)])
      await count(collector, 5)
      const anew = await recreated(old)
      await eventually('the tail tells of the new stream', () => collector.streams.length > 0)
      assert.deepEqual(collector.streams, [anew])
      await published(anew, [record('anew')])
      await eventually('the new stream is read', () => collector.records.length === 6)
      assert.deepEqual(collector.records.at(-1)!.value, 'anew')
      assert.deepEqual(collector.records.at(-1)!.offset, at(0))
      collector.assertWellFormed()
    })

    test('a range of an incarnation that is gone is refused', async () => {
      const old = await created()
      await published(old, letters(3))
      const anew = await recreated(old)
      await published(anew, letters(3))
      const collector = new RangeCollector()
      await rejected(
        source.range(old, { partition: 0, from: at(0), to: at(3), maxBytes: 1 << 20 }, collector),
        'stream_missing',
      )
      assert.deepEqual(collector.records, [])
    })

    test('a deleted stream is a state of its tail until there is one again', async () => {
      const old = await created()
      await published(old, letters(2))
      const collector = tailed(old, [at(0)])
      await count(collector, 2)
      await harness.delete(source, old.name)
      await eventually('the stream is missing', () => collector.states.at(-1) === 'missing')
      const anew = await created(1, old.name)
      await published(anew, [record('back')])
      await eventually('the new stream is read', () => collector.values().includes('back'))
      assert.equal(collector.states.at(-1), 'up')
      assert.deepEqual(collector.streams, [anew])
    })

    test('publishing to a missing stream is refused', async () => {
      const stream = await created()
      await harness.delete(source, stream.name)
      await eventually('the stream is gone', async () => (await source.describe(stream.name)) === undefined)
      await rejected(source.publish(stream, [record('lost')]), 'stream_missing')
    })

    test('shows keys, values and headers as they were published', async () => {
      const stream = await created()
      const binary = Uint8Array.from([0, 1, 128, 255])
      await published(stream, [
        { partition: 0, key: bytes('k'), value: bytes('v'), headers: { traceparent, tenant: 'zone7', raw: binary } },
        { partition: 0, key: bytes('k'), value: bytes('v'), headers: { zone: '7', traceparent } },
        { partition: 0, key: null, value: bytes('keyless') },
        { partition: 0, key: bytes('k'), value: null, headers: { reason: '' } },
        { partition: 0, key: bytes('k'), value: new Uint8Array(0) },
      ])
      const collector = tailed(stream, [at(0)])
      await count(collector, 5)
      const [first, second, keyless, deletion, empty] = collector.records as SeenRecord[]
      assert.equal(first!.trace, traceparent)
      assert.deepEqual([...first!.headers].sort(), [
        ['raw', '\u0000\u0001\u0080\u00ff'],
        ['tenant', 'zone7'],
        ['traceparent', traceparent],
      ])
      assert.equal(second!.trace, traceparent)
      assert.deepEqual([keyless!.key, keyless!.value, keyless!.trace], [null, 'keyless', null])
      assert.equal(keyless!.headers.size, 0)
      assert.deepEqual([deletion!.key, deletion!.value, deletion!.headers.get('reason')], ['k', null, ''])
      assert.deepEqual([empty!.key, empty!.value], ['k', ''])
    })

    test('a range shows the same keys, values and headers', async () => {
      const stream = await created()
      const headers = { a: '1', traceparent }
      await published(stream, [
        { partition: 0, key: bytes('k'), value: bytes('v'), headers },
        { partition: 0, key: null, value: null },
      ])
      const { collector } = await ranged(stream, 0, at(0), at(2), 1 << 20)
      const [full, bare] = collector.records
      assert.deepEqual([full!.key, full!.value, full!.trace, full!.headers.size], ['k', 'v', traceparent, 2])
      assert.deepEqual([bare!.key, bare!.value, bare!.trace, bare!.headers.size], [null, null, null, 0])
    })

    test('carries a value at the size limit whole', async () => {
      const stream = await created()
      const value = new Uint8Array(largeValueBytes).fill(120)
      await published(stream, [{ partition: 0, key: bytes('large'), value }, record('after')])
      const collector = tailed(stream, [at(0)])
      await count(collector, 2)
      assert.equal(collector.records[0]!.valueBytes, largeValueBytes)
      assert.equal(collector.records[1]!.value, 'after')
    })

    test('refuses a value over the size limit by name, and goes on', async () => {
      const stream = await created()
      await published(stream, [record('before')])
      const value = new Uint8Array(tooLargeValueBytes)
      await rejected(source.publish(stream, [{ partition: 0, key: null, value }]), 'event_too_large')
      assert.deepEqual(await published(stream, [record('after')]), [{ partition: 0, offset: at(1) }])
    })

    test('finds the first offset at or after a time', async () => {
      const stream = await created()
      const collector = tailed(stream, [at(0)])
      await eventually('records have at least three different times', async () => {
        await source.publish(stream, [record('tick')])
        return new Set(collector.records.map((r) => r.timeMs)).size >= 3
      })
      for (const { timeMs } of collector.records) {
        const expected = collector.records.find((r) => r.timeMs >= timeMs)!.offset
        assert.equal(await source.offsetAt(stream, 0, timeMs), expected)
      }
      assert.equal(await source.offsetAt(stream, 0, 0), at(0))
      const { head } = await source.offsets(stream, 0)
      assert.equal(await source.offsetAt(stream, 0, Date.now() + 3_600_000), head)
    })

    test('a closed tail is not called again, and others go on', async () => {
      const stream = await created()
      const closed = new TailCollector()
      const tail = source.tail(stream, [at(0)], closed)
      const other = tailed(stream, [at(0)])
      await published(stream, [record('a')])
      await count(closed, 1)
      const closing = tail.close()
      const { calls } = closed
      await closing
      await published(stream, [record('b')])
      await count(other, 2)
      assert.equal(closed.calls, calls)
    })

    test('a tail that its own sink closes shows nothing more', async () => {
      const stream = await created()
      await published(stream, letters(10))
      const collector = new TailCollector()
      let tail: Tail | undefined
      let callsAtClose = 0
      const { record: keep } = TailCollector.prototype
      collector.record = (shown) => {
        keep.call(collector, shown)
        if (shown.offset !== at(3)) return
        void tail!.close()
        callsAtClose = collector.calls
      }
      tail = source.tail(stream, [at(0)], collector)
      await count(collector, 4)
      const other = tailed(stream, [at(0)])
      await count(other, 10)
      assert.deepEqual(collector.offsets(), ats(0, 4))
      assert.equal(collector.calls, callsAtClose)
    })

    test('a tail that is closed at once is never called', async () => {
      const stream = await created()
      await published(stream, letters(2))
      const collector = new TailCollector()
      await source.tail(stream, [at(0)], collector).close()
      await count(tailed(stream, [at(0)]), 2)
      assert.equal(collector.calls, 0)
    })

    test('closing the source ends its tails', async () => {
      const own = await harness.open()
      const stream = freshName()
      await own.create(stream, 1)
      const info = await eventually('the stream exists', () => own.describe(stream))
      const collector = new TailCollector()
      own.tail(info, [at(0)], collector)
      await eventually('the stream takes records', () => own.publish(info, [record('a')]))
      await eventually('the record is shown', () => collector.records.length === 1)
      const closing = own.close()
      const { calls } = collector
      await closing
      assert.equal(collector.calls, calls)
    })

    const { grow, outage } = harness
    if (grow !== undefined) {
      test('new partitions are told and read from their beginning', async () => {
        const stream = await created(1)
        const collector = tailed(stream, [at(0)])
        await published(stream, [record('old')])
        await grow(source, stream.name, 3)
        const grown = await eventually('the stream has grown', async () => {
          const now = await source.describe(stream.name)
          return now?.partitions === 3 && now
        })
        assert.equal(grown.incarnation, stream.incarnation)
        await published(grown, [record('new', 2)])
        await eventually('the new partition is read', () => collector.values(2).includes('new'))
        assert.deepEqual(collector.growths.at(-1), grown)
        collector.assertWellFormed()
      })
    }

    // A broker in this process can't go away on its own.
    if (outage !== undefined) {
      test('a broker that goes away and comes back loses nothing and repeats nothing', async () => {
        const stream = await created(2)
        await published(stream, [record('a', 0), record('b', 1)])
        const collector = tailed(stream, [at(0), at(0)])
        await count(collector, 2)
        await outage.begin()
        await eventually('the tail says that the broker is away', () => collector.states.at(-1) === 'away')
        await rejected(source.publish(stream, [record('refused', 0)]), 'broker_unavailable')
        await outage.end()
        await published(stream, [record('c', 0), record('d', 1)])
        await eventually('what came after is shown', () => collector.values(1).includes('d'))
        await eventually('what came after is shown', () => collector.values(0).includes('c'))
        assert.equal(collector.states.at(-1), 'up')
        assert.deepEqual(collector.offsets(0), ats(0, collector.offsets(0).length))
        assert.deepEqual(collector.offsets(1), ats(0, 2))
        assert.deepEqual(collector.losses, [])
        collector.assertWellFormed()
      })
    }
  })
}

const bytes = (text: string) => Buffer.from(text)
const text = (value: Uint8Array | null) => (value === null ? null : Buffer.from(value).toString('latin1'))
const record = (value: string, partition = 0): OutRecord => ({ partition, key: bytes('key'), value: bytes(value) })
const letters = (n: number) => numbers(0, n).map((i) => record(String.fromCharCode(97 + i)))

/** Every whole number of [from, to). */
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)
