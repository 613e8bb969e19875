import assert from 'node:assert/strict'
import test from 'node:test'
import { crc32 } from 'node:zlib'
import { murmur2 } from '../../src/base/hash.ts'
import { misroutedBecause } from '../../src/routing/diagnosis.ts'

const count = 12
const javas = (key: Buffer) => murmur2(key, 0, key.length)

/** A key that one rule puts into a partition where no earlier diagnosis finds it. */
function keyWhere(chosen: (key: Buffer) => number, ...others: ((key: Buffer) => number)[]): Buffer {
  for (let i = 0; ; i++) {
    const key = Buffer.from(`alarm.zone${i}.door`)
    if (others.every((other) => other(key) !== chosen(key))) return key
  }
}

const right = (key: Buffer) => (javas(key) & 0x7fffffff) % count
const byCrc = (key: Buffer) => crc32(key) % count
const unsigned = (key: Buffer) => javas(key) % count
const withEight = (key: Buffer) => (javas(key) & 0x7fffffff) % 8

test("librdkafka's default partitioner is recognised, and its setting named", () => {
  const key = keyWhere(byCrc, right)
  assert.match(misroutedBecause(key, byCrc(key), count), /CRC32.*partitioner=murmur2_random/)
})

test('murmur2 with its sign bit is recognised', () => {
  const key = keyWhere(unsigned, right, byCrc)
  assert.match(misroutedBecause(key, unsigned(key), count), /sign bit/)
})

test('a changed partition count is recognised, with a count that would explain it', () => {
  const key = keyWhere(withEight, right, byCrc, unsigned)
  const said = misroutedBecause(key, withEight(key), count)
  const named = Number(/with (\d+) partitions/.exec(said)![1])
  assert.equal((javas(key) & 0x7fffffff) % named, withEight(key))
})

test('a record in the partition of its key has a key that is not its subject', () => {
  const key = Buffer.from('alarm.zone7.door')
  assert.match(misroutedBecause(key, right(key), count), /the key's own partition is right.*carillon routes/)
})

test('a record without a key is told as such', () => {
  assert.match(misroutedBecause(undefined, 3, count), /no key/)
  assert.match(misroutedBecause(Buffer.alloc(0), 3, count), /no key/)
})
