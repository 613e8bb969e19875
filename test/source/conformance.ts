import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Tail } from '../../src/source/source.ts'
import { type SeenRecord, TailCollector } from './collector.ts'
import { partitionFacts } from './conformance-partitions.ts'
import { rangeFacts } from './conformance-ranges.ts'
import {
  bytes,
  type ConformanceOptions,
  ConformanceRun,
  type Harness,
  letters,
  record,
  text,
  traceparent,
} from './conformance-run.ts'

/**
 * The contract that every adapter of Source fulfils. One broker and one source serve the whole
 * suite.
 */
export function conformance(name: string, harness: Harness, options: ConformanceOptions = {}): void {
  const run = new ConformanceRun(harness, options)
  const { largeValueBytes, tooLargeValueBytes, firstOffset } = run.options
  const { at, ats, eventually, freshName, created, recreated, published, retained, tailed, count, rejected } = run

  describe(`the ${name} source`, harness.skip === undefined ? {} : { skip: harness.skip }, () => {
    before(() => run.start())
    after(() => run.stop())

    test('describes a stream by its partitions and an incarnation that survives a reopen', async () => {
      const stream = await created(3)
      assert.equal(stream.partitions, 3)
      assert.notEqual(stream.incarnation, '')
      await run.reopen()
      assert.deepEqual(await run.source.describe(stream.name), stream)
    })

    test('describes a stream that there is not as undefined', async () => {
      assert.equal(await run.source.describe(freshName()), undefined)
    })

    test('creating a stream that is there already changes nothing', async () => {
      const stream = await created(2)
      await run.source.create(stream.name, 5)
      assert.deepEqual(await run.source.describe(stream.name), stream)
    })

    test('names the stream and its partitions in the command that creates it', async () => {
      const command = run.source.createCommand('alarms', 12)
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
        assert.deepEqual(await run.source.offsets(stream, 0), { first: at(0), head: at(0) })
        return true
      })
      await published(stream, [record('a'), record('b')])
      assert.deepEqual(await run.source.offsets(stream, 0), { first: at(0), head: at(2) })
    })

    test('publishing nothing acknowledges nothing', async () => {
      assert.deepEqual(await run.source.publish(await created(), []), [])
    })

    test('keeps the order of concurrent publishes within each of them, and loses none', async () => {
      const stream = await created()
      await published(stream, [record('first')])
      const batches = Array.from({ length: 10 }, (_, i) => [record(`${i}.0`), record(`${i}.1`), record(`${i}.2`)])
      const acks = await Promise.all(batches.map((batch) => run.source.publish(stream, batch)))
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
      await retained(stream, 0, at(6))
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
      await retained(stream, 0, at(4))
      await run.reopen()
      assert.deepEqual(await published(stream, [record('next')]), [{ partition: 0, offset: at(4) }])
      assert.deepEqual(await run.source.offsets(stream, 0), { first: at(4), head: at(5) })
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

    test('a deleted stream is a state of its tail until there is one again', async () => {
      const old = await created()
      await published(old, letters(2))
      const collector = tailed(old, [at(0)])
      await count(collector, 2)
      await harness.delete(run.source, old.name)
      await eventually('the stream is missing', () => collector.states.at(-1) === 'missing')
      const anew = await created(1, old.name)
      await published(anew, [record('back')])
      await eventually('the new stream is read', () => collector.values().includes('back'))
      assert.equal(collector.states.at(-1), 'up')
      assert.deepEqual(collector.streams, [anew])
    })

    test('publishing to a missing stream is refused', async () => {
      const stream = await created()
      await harness.delete(run.source, stream.name)
      await eventually('the stream is gone', async () => (await run.source.describe(stream.name)) === undefined)
      await rejected(run.source.publish(stream, [record('lost')]), 'stream_missing')
    })

    test('shows keys, values and headers as they were published', async () => {
      const stream = await created()
      const binary = Uint8Array.from([0, 1, 128, 255])
      await published(stream, [
        { partition: 0, key: bytes('k'), value: bytes('v'), headers: { traceparent, tenant: 'zone7', raw: binary } },
        { partition: 0, key: bytes('k'), value: bytes('v'), headers: { zone: '7', Traceparent: traceparent } },
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
      await rejected(run.source.publish(stream, [{ partition: 0, key: null, value }]), 'event_too_large')
      assert.deepEqual(await published(stream, [record('after')]), [{ partition: 0, offset: at(1) }])
    })

    test('finds the first offset at or after a time', async () => {
      const stream = await created()
      const collector = tailed(stream, [at(0)])
      await eventually('records have at least three different times', async () => {
        await run.source.publish(stream, [record('tick')])
        return new Set(collector.records.map((r) => r.timeMs)).size >= 3
      })
      for (const { timeMs } of collector.records) {
        const expected = collector.records.find((r) => r.timeMs >= timeMs)!.offset
        assert.equal(await run.source.offsetAt(stream, 0, timeMs), expected)
      }
      assert.equal(await run.source.offsetAt(stream, 0, 0), at(0))
      const { head } = await run.source.offsets(stream, 0)
      assert.equal(await run.source.offsetAt(stream, 0, Date.now() + 3_600_000), head)
    })

    test('a closed tail is not called again, and others go on', async () => {
      const stream = await created()
      const closed = new TailCollector()
      const tail = run.source.tail(stream, [at(0)], closed)
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
      tail = run.source.tail(stream, [at(0)], collector)
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
      await run.source.tail(stream, [at(0)], collector).close()
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

    rangeFacts(run)
    partitionFacts(run)

    const { outage } = harness
    // A broker in this process cannot fail alone.
    if (outage !== undefined) {
      test('a broker that goes away and comes back loses nothing and repeats nothing', async () => {
        const stream = await created(2)
        await published(stream, [record('a', 0), record('b', 1)])
        const collector = tailed(stream, [at(0), at(0)])
        await count(collector, 2)
        await outage.begin()
        await eventually('the tail says that the broker is away', () => collector.states.at(-1) === 'away')
        await rejected(run.source.publish(stream, [record('refused', 0)]), 'broker_unavailable')
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
