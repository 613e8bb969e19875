import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { BatchDecoder } from '../../src/source/kafka/batch-decoder.ts'
import { encodeBatch } from '../../src/source/kafka/batch-encoder.ts'
import { configsRequest } from '../../src/source/kafka/configs-request.ts'
import { createRequest } from '../../src/source/kafka/create-request.ts'
import { ByteReader, ByteWriter } from '../../src/source/kafka/encoding.ts'
import { fetchRequest } from '../../src/source/kafka/fetch-request.ts'
import { metadataRequest } from '../../src/source/kafka/metadata-request.ts'
import { offsetRequest } from '../../src/source/kafka/offsets-request.ts'
import { produceRequest } from '../../src/source/kafka/produce-request.ts'
import { producerIdRequest } from '../../src/source/kafka/producer-id-request.ts'
import { KafkaAnswerError } from '../../src/source/kafka/protocol-errors.ts'
import type { KafkaRequest } from '../../src/source/kafka/request.ts'
import type { OutRecord } from '../../src/source/source.ts'
import {
  writeFetch,
  writeMetadata,
  writeOffset,
  writeProduced,
  writeProducerId,
} from '../simulation/wire/kafka-answers.ts'

const identity = { producerId: 4_000_000_001, producerEpoch: 3, firstSequence: 2 ** 31 - 2 }

interface Read {
  readonly offset: number
  readonly timeMs: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (readonly [string, string])[]
}

function decoded(batch: Buffer): Read[] {
  const decoder = new BatchDecoder(batch.length)
  const records: Read[] = []
  const text = (bytes: Buffer, start: number, end: number) => (start < 0 ? null : bytes.toString('hex', start, end))
  decoder.begin({ partition: 0, records: batch, aborted: [], lastStableOffset: Number.MAX_SAFE_INTEGER }, 0)
  let outcome = decoder.step({ record: take })
  while (outcome === 'part') outcome = decoder.step({ record: take })
  assert.equal(outcome, 'read', decoder.problem)
  return records

  function take(record: Parameters<Parameters<BatchDecoder['step']>[0]['record']>[0]): void {
    const { offset, timeMs, buffer, keyStart, keyEnd, valueStart, valueEnd } = record
    const headers = [...record.headers()].map(([name, value]) => [name, value!.toString('hex')] as const)
    records.push({
      offset,
      timeMs,
      key: text(buffer, keyStart, keyEnd),
      value: text(buffer, valueStart, valueEnd),
      headers,
    })
  }
}

/** Lengths around which a varint grows by one byte. */
const length = fc.constantFrom(0, 1, 63, 64, 300, 8191, 8192, 20_000, 1_048_575, 1_048_576)
const bytes = fc.oneof(
  { weight: 20, arbitrary: fc.uint8Array({ maxLength: 70 }) },
  { weight: 1, arbitrary: length.map((size) => new Uint8Array(size).fill(7)) },
)
const record = fc.record({
  partition: fc.constant(0),
  key: fc.option(bytes),
  value: fc.option(bytes),
  headers: fc.dictionary(fc.string({ minLength: 1, maxLength: 12 }), fc.oneof(fc.string(), bytes), { maxKeys: 3 }),
})

test('encoded records are decoded unchanged', () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 200 }), (records: OutRecord[]) => {
      const hex = (value: Uint8Array | string) => Buffer.from(value as Uint8Array).toString('hex')
      assert.deepEqual(
        decoded(encodeBatch(records, 1_700_000_000_123, identity)),
        records.map(({ key, value, headers }, offset) => ({
          offset,
          timeMs: 1_700_000_000_123,
          key: key === null ? null : hex(key),
          value: value === null ? null : hex(value),
          headers: Object.entries(headers ?? {}).map(([name, header]) => [name, hex(header)]),
        })),
      )
    }),
    { numRuns: 50 },
  )
})

test('a batch contains its producer, so that the broker recognizes a repetition', () => {
  const batch = encodeBatch([{ partition: 0, key: null, value: Buffer.from('x') }], 1, identity)
  assert.equal(batch.readBigInt64BE(43), 4_000_000_001n)
  assert.equal(batch.readInt16BE(51), 3)
  assert.equal(batch.readInt32BE(53), 2 ** 31 - 2)
  const nobody = encodeBatch([], 1, { producerId: -1, producerEpoch: -1, firstSequence: -1 })
  assert.equal(nobody.readBigInt64BE(43), -1n)
})

test('a produce request resolves with the offset of its first record, or rejects with an error', () => {
  const request = produceRequest('t', 5, Buffer.from('batch'), 4000)
  assert.ok(request.body.includes(Buffer.from('\0\0\0\x05batch')))
  const answer = (error: number) => {
    const bytes = Buffer.alloc(4 + 3 + 4 + 4 + 2 + 24 + 6 + 4)
    bytes.writeInt32BE(1, 0)
    bytes.writeInt16BE(1, 4)
    bytes.write('t', 6)
    bytes.writeInt32BE(1, 7)
    bytes.writeInt32BE(5, 11)
    bytes.writeInt16BE(error, 15)
    bytes.writeBigInt64BE(8_589_934_600n, 17)
    bytes.writeInt16BE(-1, 45)
    bytes.writeInt32BE(700, 47)
    return new ByteReader(bytes)
  }
  const pauses: number[] = []
  const throttled = (ms: number) => void pauses.push(ms)
  assert.equal(request.decode(answer(0), throttled), 8_589_934_600)
  assert.throws(() => request.decode(answer(6), throttled), KafkaAnswerError)
  assert.deepEqual(pauses, [700, 700])
})

test('the pause in an answer is reported, for every request, even with an error', () => {
  const asked = { topic: 't', partition: 0, leaderEpoch: 0, timeMs: 0 }
  const metadata = { nodes: [], topic: 't', error: 3, topicId: '0'.repeat(32), partitions: [] }
  const produced = { topic: 't', partition: 0, timeoutMs: 0, batch: Buffer.alloc(0) }
  const config = { name: 'a', value: 'b' }
  const limits = { waitMs: 0, bytes: 1, partitionBytes: 1 }
  const answers: readonly (readonly [KafkaRequest<unknown>, Buffer])[] = [
    [metadataRequest('t'), writeMetadata(metadata, 700)],
    [offsetRequest(asked, 0), writeOffset(asked, { error: 0, offset: 5 }, 700)],
    [offsetRequest(asked, 0), writeOffset(asked, { error: 6, offset: -1 }, 700)],
    [producerIdRequest(), writeProducerId(5, 700)],
    [configsRequest('t'), new ByteWriter().int32(700).int32(0).written()],
    [createRequest('t', 1, config, 0), created(36, null)],
    [produceRequest('t', 0, Buffer.alloc(0), 0), writeProduced(produced, 0, 5, 700)],
    [produceRequest('t', 0, Buffer.alloc(0), 0), writeProduced(produced, 6, -1, 700)],
    [fetchRequest(new ByteWriter(), '0'.repeat(32), [], limits), writeFetch('0'.repeat(32), [], 700)],
  ]
  for (const [{ apiName, decode }, bytes] of answers) {
    const pauses: number[] = []
    try {
      decode(new ByteReader(bytes), (ms) => void pauses.push(ms))
    } catch (error) {
      assert.ok(error instanceof KafkaAnswerError)
    }
    assert.deepEqual(pauses, [700], apiName)
  }
})

/** Encodes an answer to CreateTopics. */
function created(error: number, said: string | null): Buffer {
  const writer = new ByteWriter().int32(700).int32(1).string('t').int16(error)
  return (said === null ? writer.int16(-1) : writer.string(said)).written()
}

test("the broker's message is appended to the meaning of its error code, with control characters escaped", () => {
  const { decode } = createRequest('t', 1, { name: 'a', value: 'b' }, 0)
  const told = (said: string | null) => {
    try {
      return decode(new ByteReader(created(44, said)), () => {})
    } catch (error) {
      return (error as Error).message
    }
  }
  const meant = "topic t: the broker's policy forbids it (POLICY_VIOLATION)"
  assert.deepEqual([told(null), told('')], [meant, meant])
  assert.equal(told('not on Fridays\u001b[31m '), `${meant}; it said: not on Fridays\\u001b[31m`)
  assert.equal(told('x'.repeat(5000)), `${meant}; it said: ${'x'.repeat(300)}`)
  assert.equal(
    decode(new ByteReader(created(0, null)), () => {}),
    true,
  )
})
