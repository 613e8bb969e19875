import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RangeCollector } from './collector.ts'
import { bytes, type ConformanceRun, letters, numbers, record, traceparent } from './conformance-run.ts'

/** The contract of every adapter for `range`. */
export function rangeFacts(run: ConformanceRun): void {
  const { at, ats, created, recreated, published, retained, ranged, rejected } = run

  test('a range is read in chunks and shows exactly [from, to)', async () => {
    const stream = await created()
    for (let i = 0; i < 10; i++) {
      await published(stream, [record(`${i}a`.padEnd(500, '.')), record(`${i}b`.padEnd(500, '.'))])
    }
    const { collector, chunks, next } = await ranged(stream, { partition: 0, from: at(3), to: at(17), maxBytes: 2500 })
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
    const { collector } = await ranged(stream, { partition: 0, from: at(0), to: at(3), maxBytes: 100 })
    assert.deepEqual(collector.offsets(), ats(0, 3))
  })

  test('a range past the head ends at the head', async () => {
    const stream = await created()
    await published(stream, letters(3))
    const { collector, next } = await ranged(stream, { partition: 0, from: at(1), to: at(100), maxBytes: 1 << 20 })
    assert.deepEqual(collector.offsets(), ats(1, 3))
    assert.equal(next, at(3))
  })

  test('a range below the first retained offset reports where the log starts now', async () => {
    const stream = await created()
    await published(stream, letters(10))
    await retained(stream, 0, at(7))
    const collector = new RangeCollector()
    const end = await run.source.range(stream, { partition: 0, from: at(2), to: at(9), maxBytes: 1 << 20 }, collector)
    assert.equal(end.offsets.first, at(7))
    assert.ok(end.next >= at(7), `next is ${end.next}`)
    const rest =
      end.next >= at(9)
        ? []
        : (await ranged(stream, { partition: 0, from: end.next, to: at(9), maxBytes: 1 << 20 })).collector.offsets()
    assert.deepEqual([...collector.offsets(), ...rest], ats(7, 9))
  })

  test('a range of an incarnation that is gone is refused', async () => {
    const old = await created()
    await published(old, letters(3))
    const anew = await recreated(old)
    await published(anew, letters(3))
    const collector = new RangeCollector()
    await rejected(
      run.source.range(old, { partition: 0, from: at(0), to: at(3), maxBytes: 1 << 20 }, collector),
      'stream_missing',
    )
    assert.deepEqual(collector.records, [])
  })

  test('a range shows the same keys, values and headers', async () => {
    const stream = await created()
    const headers = { a: '1', traceparent }
    await published(stream, [
      { partition: 0, key: bytes('k'), value: bytes('v'), headers },
      { partition: 0, key: null, value: null },
    ])
    const { collector } = await ranged(stream, { partition: 0, from: at(0), to: at(2), maxBytes: 1 << 20 })
    const [full, bare] = collector.records
    assert.deepEqual([full!.key, full!.value, full!.trace, full!.headers.size], ['k', 'v', traceparent, 2])
    assert.deepEqual([bare!.key, bare!.value, bare!.trace, bare!.headers.size], [null, null, null, 0])
  })
}
