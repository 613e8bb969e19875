import assert from 'node:assert/strict'
import test from 'node:test'
import * as zlib from 'node:zlib'
import fc from 'fast-check'
import { crc32, fnv1a, halfSipHash, murmur2, seededHash } from '../../src/base/hash.ts'

type Hash = (bytes: Uint8Array, start: number, end: number) => number

const of = (hash: Hash, text: string) => hash(Buffer.from(text), 0, Buffer.byteLength(text))

test("murmur2 returns the values of Kafka's test", () => {
  const published: [string, number][] = [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ]
  for (const [text, value] of published) assert.equal(of(murmur2, text) | 0, value)
})

test("crc32 returns the check value of the CRC catalogue, and zlib's values", () => {
  assert.equal(of(crc32, '123456789'), 0xcbf43926)
  fc.assert(
    fc.property(fc.uint8Array(), fc.nat(9), (bytes, from) => {
      const start = Math.min(from, bytes.length)
      assert.equal(crc32(bytes, start, bytes.length), zlib.crc32(bytes.subarray(start)))
    }),
  )
})

test("fnv1a returns the published values, and NATS's partitions", () => {
  assert.equal(of(fnv1a, ''), 0x811c9dc5)
  assert.equal(of(fnv1a, 'a'), 0xe40c292c)
  assert.equal(of(fnv1a, 'foobar'), 0xbf9cf968)
  // From nats-server's tests of {{partition(10,1)}}.
  assert.deepEqual(
    ['foo', 'baz', 'qux'].map((token) => of(fnv1a, token) % 10),
    [3, 0, 9],
  )
})

test('fnv1a continues from an earlier result', () => {
  const bytes = Buffer.from('alarm.zone7')
  assert.equal(fnv1a(bytes, 5, 11, fnv1a(bytes, 0, 5)), of(fnv1a, 'alarm.zone7'))
})

test("halfSipHash returns the values of the Linux kernel's test", () => {
  const published: [number, number][] = [
    [0, 0x5814c896],
    [1, 0xe7e864ca],
    [2, 0xbc4b0e30],
    [3, 0x01539939],
    [4, 0x7e059ea6],
    [5, 0x88e3d89b],
    [7, 0x9d38d9d6],
    [8, 0x577999b1],
    [63, 0x87178304],
  ]
  const bytes = Uint8Array.from({ length: 63 }, (_, i) => i)
  const key = Int32Array.of(0x03020100, 0x07060504)
  for (const [length, value] of published) assert.equal(halfSipHash(bytes, 0, length, key), value)
})

test('subjects that collide under murmur3 for every seed have different hashes', () => {
  for (const seed of [0, 1, 12345, 0xdeadbeef]) {
    const seeded: Hash = (bytes, start, end) => seededHash(bytes, start, end, seed)
    assert.notEqual(of(seeded, '!"B!!!!E'), of(seeded, 'ɀ!,!!Ҁ'))
  }
})

test('another seed changes the hash', () => {
  const hashes = new Set(
    Array.from({ length: 1000 }, (_, seed) => seededHash(Buffer.from('alarm.zone7.door'), 0, 16, seed)),
  )
  assert.ok(hashes.size > 990)
})

test('each hash is a u32 of exactly the bytes in its bounds', () => {
  const hashes: Hash[] = [murmur2, fnv1a, (bytes, start, end) => seededHash(bytes, start, end, 7)]
  const bytes = fc.uint8Array({ maxLength: 20 })
  fc.assert(
    fc.property(fc.constantFrom(...hashes), bytes, bytes, bytes, (hash, before, inside, after) => {
      const value = hash(inside, 0, inside.length)
      assert.ok(Number.isInteger(value) && value >= 0 && value <= 0xffffffff)
      const framed = Buffer.concat([before, inside, after])
      assert.equal(hash(framed, before.length, before.length + inside.length), value)
    }),
  )
})
