import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BlockBuilder, blockHeaderBytes, readHeader } from '../../src/source/embedded/block.ts'
import { maxRecordOverheadBytes, prepare, StoredRecord } from '../../src/source/embedded/record.ts'
import { VarintReader, writeVarint } from '../../src/source/embedded/varint.ts'
import type { OutRecord } from '../../src/source/source.ts'
import { seen } from './collector.ts'

const maxEventBytes = 4096
const bytes = fc.uint8Array({ maxLength: 300 })
const header = fc.tuple(fc.string({ minLength: 1, maxLength: 20 }), fc.oneof(fc.string({ maxLength: 200 }), bytes))
const outRecord: fc.Arbitrary<OutRecord> = fc.record({
  partition: fc.constant(3),
  key: fc.option(bytes),
  value: fc.option(bytes),
  headers: fc.array(header, { maxLength: 5 }).map((entries) => Object.fromEntries(entries)),
})

const text = (value: Uint8Array | string | null) => (value === null ? null : Buffer.from(value).toString('latin1'))

function built(records: readonly OutRecord[], base: number, firstMs: number): Buffer {
  const builder = new BlockBuilder(1 << 20, maxEventBytes)
  for (const [i, record] of records.entries()) builder.add(prepare(record, maxEventBytes), firstMs + i)
  return builder.take(base)
}

test('a number is read as it was written, up to 32 bits', () => {
  const buffer = Buffer.alloc(10)
  const reader = new VarintReader()
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), fc.nat(4), (value, at) => {
      const end = writeVarint(buffer, at, value)
      reader.at = at
      assert.equal(reader.next(buffer), value)
      assert.equal(reader.at, end)
    }),
  )
})

test('every record of a block is read as it was written', () => {
  fc.assert(
    fc.property(fc.array(outRecord, { minLength: 1, maxLength: 20 }), fc.nat(2 ** 40), (records, base) => {
      const block = built(records, base, 1_700_000_000_000)
      const head = readHeader(block, base)!
      assert.equal(head.count, records.length)
      assert.equal(head.lastMs - head.firstMs, records.length - 1)
      const shown = new StoredRecord()
      let at = blockHeaderBytes
      for (const [i, record] of records.entries()) {
        at = shown.read(block, at, head.firstMs)
        const { key, value, headers, trace, timeMs } = seen(shown)
        assert.deepEqual([key, value], [text(record.key), text(record.value)])
        assert.equal(timeMs, 1_700_000_000_000 + i)
        const expected = Object.entries(record.headers!).map(([name, bytes]) => [name, text(bytes)] as const)
        assert.deepEqual(headers, new Map(expected))
        assert.equal(trace, text(record.headers!.traceparent ?? null))
      }
      assert.equal(at, block.length)
    }),
  )
})

test('a traceparent is found between other headers without decoding them', () => {
  const value = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  const headers = { a: '1', traceparent: value, b: '2' }
  const record = { partition: 0, key: null, value: null, headers }
  assert.equal(prepare(record, maxEventBytes).headers.length, 2 * 2, 'names and values of the others')
  const block = built([record], 0, 0)
  const shown = new StoredRecord()
  shown.read(block, blockHeaderBytes, 0)
  assert.equal(block.toString('latin1', shown.traceStart, shown.traceEnd), value)
  assert.deepEqual([...shown.headers().keys()].sort(), ['a', 'b', 'traceparent'])
})

test('a block with any bit flipped, cut short or under a wrong offset is detected', () => {
  const block = built([{ partition: 0, key: Buffer.from('key'), value: Buffer.from('value') }], 7, 1_700_000_000_000)
  assert.ok(readHeader(block, 7))
  assert.equal(readHeader(block, 8), undefined)
  for (let bit = 0; bit < block.length * 8; bit++) {
    const damaged = Buffer.from(block)
    damaged[bit >> 3]! ^= 1 << (bit & 7)
    assert.equal(readHeader(damaged, 7), undefined, `bit ${bit}`)
  }
  for (let length = 0; length < block.length; length++) {
    assert.equal(readHeader(block.subarray(0, length), 7), undefined, `length ${length}`)
  }
})

test('a record is refused when its value or its key and headers exceed their limits, and accepted at them', () => {
  const value = new Uint8Array(maxEventBytes)
  assert.ok(prepare({ partition: 0, key: null, value }, maxEventBytes))
  const over = { partition: 0, key: null, value: new Uint8Array(maxEventBytes + 1) }
  assert.throws(() => prepare(over, maxEventBytes), { code: 'event_too_large', message: /4096 bytes, got 4097/ })
  const key = new Uint8Array(maxRecordOverheadBytes)
  assert.throws(() => prepare({ partition: 0, key, value: null }, maxEventBytes), { code: 'event_too_large' })
})

test('a record never takes more bytes than it announces', () => {
  fc.assert(
    fc.property(outRecord, (record) => {
      const block = built([record], 0, 0)
      assert.ok(block.length - blockHeaderBytes <= prepare(record, maxEventBytes).bytes)
    }),
  )
})

test('a builder closes a block before it grows over its size, and takes a larger record alone', () => {
  const builder = new BlockBuilder(1000, maxEventBytes)
  const small = prepare({ partition: 0, key: null, value: new Uint8Array(300) }, maxEventBytes)
  const large = prepare({ partition: 0, key: null, value: new Uint8Array(3000) }, maxEventBytes)
  builder.add(small, 0)
  builder.add(small, 0)
  assert.ok(builder.fits(small, 0))
  builder.add(small, 0)
  assert.ok(!builder.fits(small, 0))
  assert.ok(builder.take(0).length <= 1000)
  assert.ok(builder.fits(large, 0))
  builder.add(large, 0)
  assert.ok(!builder.fits(small, 0))
  assert.ok(readHeader(builder.take(3), 3))
})
