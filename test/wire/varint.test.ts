import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import protobuf from 'protobufjs/minimal.js'
import { cursorValue, readVarint, varintLength, writeVarint } from '../../src/wire/varint.ts'
import { uint53 } from './arbitraries.ts'

test('numbers up to 2^53 are written as by protobuf, and read back', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        uint53,
        fc.nat(53).map((bits) => Math.min(2 ** bits, 2 ** 53 - 1)),
      ),
      (value) => {
        const bytes = new Uint8Array(10)
        const length = writeVarint(bytes, 0, value)
        assert.equal(length, varintLength(value))
        const reference = protobuf.Writer.create().uint64(value).finish()
        assert.deepEqual([...bytes.subarray(0, length)], [...reference])
        const cursor = { at: 0, low: 0, high: 0 }
        assert.equal(readVarint(bytes, length, cursor), true)
        assert.deepEqual([cursorValue(cursor), cursor.at], [value, length])
      },
    ),
    { numRuns: 1000 },
  )
})

test('all 64 bits are read', () => {
  const cursor = { at: 0, low: 0, high: 0 }
  assert.equal(readVarint(Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 255, 255, 1), 10, cursor), true)
  assert.deepEqual([cursor.low, cursor.high], [0xffffffff, 0xffffffff])
  cursor.at = 0
  readVarint(Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x70), 5, cursor)
  assert.deepEqual([cursor.low, cursor.high], [0, 7])
})

test('a varint that is cut or has more than ten bytes is refused', () => {
  const cursor = { at: 0, low: 0, high: 0 }
  assert.equal(readVarint(Uint8Array.of(0x80, 1), 1, cursor), false)
  assert.equal(readVarint(new Uint8Array(0), 0, cursor), false)
  cursor.at = 0
  assert.equal(readVarint(new Uint8Array(11).fill(0x80), 11, cursor), false)
})
