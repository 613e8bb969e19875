import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { compressFrameSync } from 'lz4-napi'
import type { SourceRecord } from '../../src/log/record.ts'
import { BatchDecoder } from '../../src/source/kafka/batch-decoder.ts'
import type { AbortedTransaction } from '../../src/source/kafka/fetch-request.ts'
import {
  type BatchSpec,
  batch,
  compressedBy,
  type RecordSpec,
  sealed,
  varint,
  xerial,
} from '../simulation/wire/kafka-batch.ts'
import { type SeenRecord, seen } from './collector.ts'
import { oldEntry } from './kafka-old-entry.ts'

const maxBatchBytes = 1 << 20
const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
/** The log extends beyond the answer. */
const lastStableOffset = Number.MAX_SAFE_INTEGER
const codecs = ['none', 'gzip', 'snappy', 'snappy-raw', 'lz4', 'zstd'] as const

interface Reading {
  from?: number
  to?: number
  aborted?: readonly AbortedTransaction[]
  lastStableOffset?: number
}

/** Decodes all batches until the end or the first damaged one. */
function decode(
  bytes: Buffer,
  { from = 0, to, aborted = [], lastStableOffset: end = lastStableOffset }: Reading = {},
  decoder = new BatchDecoder(maxBatchBytes),
) {
  const records: SeenRecord[] = []
  const sink = { record: (record: SourceRecord) => void records.push(seen(record)) }
  decoder.begin({ partition: 3, records: bytes, aborted, lastStableOffset: end }, from, to)
  let outcome = decoder.step(sink)
  while (outcome === 'read' || outcome === 'part') outcome = decoder.step(sink)
  return { records, outcome, decoder, offsets: records.map((record) => record.offset) }
}

const letters = (text: string): RecordSpec[] => [...text].map((value, offsetDelta) => ({ offsetDelta, value }))

describe('the record batch decoder', () => {
  test('delivers offset, time, epoch, key, value and traceparent', () => {
    const headers = [['a', '1'] as const, ['traceparent', trace] as const, ['empty', ''] as const]
    const records = [{ offsetDelta: 2, timeDelta: 7, key: 'alarm.zone7', value: 'open', headers }]
    const bytes = batch({ base: 2 ** 40, epoch: 5, baseTimeMs: 1_790_000_000_000, records })
    let epoch = 0
    const decoder = new BatchDecoder(maxBatchBytes)
    decoder.begin({ partition: 3, records: bytes, aborted: [], lastStableOffset }, 0)
    decoder.step({
      record: (record) => {
        epoch = record.generation
      },
    })
    assert.equal(epoch, 5)
    assert.deepEqual(decode(bytes).records, [
      {
        partition: 3,
        offset: 2 ** 40 + 2,
        timeMs: 1_790_000_000_007,
        key: 'alarm.zone7',
        value: 'open',
        valueBytes: 4,
        trace,
        headers: new Map([
          ['a', '1'],
          ['traceparent', trace],
          ['empty', ''],
        ]),
      },
    ])
  })

  test('distinguishes null from empty in keys, values and headers, and the last of a repeated header wins', () => {
    const headers = [['h', 'x'] as const, ['h', null] as const, ['traceparent', null] as const]
    const [bare, empty] = decode(
      batch({
        base: 0,
        records: [
          { offsetDelta: 0, headers },
          { offsetDelta: 1, key: '', value: '' },
        ],
      }),
    ).records
    assert.deepEqual([bare!.key, bare!.value, bare!.trace, bare!.headers.get('h')], [null, null, null, null])
    assert.deepEqual([empty!.key, empty!.value, empty!.headers.size], ['', '', 0])
  })

  test('recognizes a traceparent in any letter case, and no header whose name only resembles it', () => {
    const traceOf = (...names: string[]) => {
      const headers = names.map((name) => [name, trace] as const)
      return decode(batch({ base: 0, records: [{ offsetDelta: 0, headers }] })).records[0]!.trace
    }
    assert.equal(traceOf('Traceparent'), trace)
    assert.equal(traceOf('a', 'TRACEPARENT', 'b'), trace)
    assert.equal(traceOf('traceparen', 'xraceparent', 'traceparent2'), null)
  })

  test('with log append time, each record has the time of the batch', () => {
    const records = [
      { offsetDelta: 0, timeDelta: -5000 },
      { offsetDelta: 1, timeDelta: 9 },
    ]
    const producer = { base: 0, baseTimeMs: 1000, maxTimeMs: 7777, records }
    assert.deepEqual(
      decode(batch(producer)).records.map((record) => record.timeMs),
      [-4000, 1009],
    )
    assert.deepEqual(
      decode(batch({ ...producer, logAppendTime: true })).records.map((record) => record.timeMs),
      [7777, 7777],
    )
  })

  for (const codec of codecs) {
    test(`reads batches compressed with ${codec}`, () => {
      const records = Array.from({ length: 500 }, (_, i) => ({ offsetDelta: i, value: `${i} `.repeat(40) }))
      const bytes = Buffer.concat([batch({ base: 10, codec, records }), batch({ base: 510, codec, records })])
      const { records: shown, decoder, outcome } = decode(bytes)
      assert.equal(outcome, 'end')
      assert.equal(shown.length, 1000)
      assert.ok(shown.every((record, i) => record.value === `${i % 500} `.repeat(40)))
      assert.equal(decoder.next, 1010)
    })

    test(`delivers nothing outside [from, to) of a ${codec} batch`, () => {
      const bytes = batch({ base: 100, codec, records: letters('abcdef') })
      const { offsets, decoder } = decode(bytes, { from: 102, to: 104 })
      assert.deepEqual(offsets, [102, 103])
      assert.equal(decoder.next, 104)
    })
  }

  test('passes holes: the next offset follows from the batch, not from its records', () => {
    const holes = batch({ base: 10, records: [{ offsetDelta: 1 }, { offsetDelta: 4 }], lastDelta: 9 })
    const empty = batch({ base: 20, records: [], lastDelta: 5 })
    const { offsets, decoder } = decode(Buffer.concat([holes, empty]))
    assert.deepEqual(offsets, [11, 14])
    assert.equal(decoder.next, 26)
  })

  test('a batch that the answer cuts off is left for the next answer', () => {
    const whole = batch({ base: 0, records: letters('abc') })
    const cut = batch({ base: 3, records: letters('def') })
    for (let length = 0; length < cut.length; length++) {
      const { offsets, outcome, decoder } = decode(Buffer.concat([whole, cut.subarray(0, length)]))
      assert.deepEqual([offsets, outcome, decoder.next], [[0, 1, 2], 'end', 3])
    }
  })

  test('leaves out aborted transactions and all markers, with other records in between', () => {
    const open = { transactional: true }
    const bytes = Buffer.concat([
      batch({ base: 0, ...open, producerId: 7, records: letters('ab') }),
      batch({ base: 2, ...open, producerId: 8, records: letters('AB') }),
      batch({ base: 4, records: letters('x') }),
      batch({ base: 5, ...open, producerId: 7, records: letters('c') }),
      batch({ base: 6, marker: 0, producerId: 7, records: [] }),
      batch({ base: 7, ...open, producerId: 7, records: letters('de') }),
      batch({ base: 9, marker: 1, producerId: 7, records: [] }),
      batch({ base: 10, marker: 1, producerId: 8, records: [] }),
    ])
    const { records, decoder } = decode(bytes, { aborted: [{ producerId: 7, firstOffset: 0 }] })
    assert.equal(records.map((record) => record.value).join(''), 'ABxde')
    assert.equal(decoder.next, 11)
  })

  test('a later aborted transaction does not hide an earlier one of the same producer', () => {
    const bytes = Buffer.concat([
      batch({ base: 0, transactional: true, producerId: 7, records: letters('a') }),
      batch({ base: 1, marker: 1, producerId: 7, records: [] }),
      batch({ base: 2, transactional: true, producerId: 7, records: letters('b') }),
      batch({ base: 3, marker: 0, producerId: 7, records: [] }),
    ])
    assert.deepEqual(decode(bytes, { aborted: [{ producerId: 7, firstOffset: 2 }] }).offsets, [0])
  })

  test('a marker emptied by compaction ends its transaction and is passed', () => {
    const open = { transactional: true, producerId: 7 }
    const bytes = Buffer.concat([
      batch({ base: 0, ...open, records: letters('a') }),
      batch({ base: 1, marker: 'emptied', producerId: 7, records: [] }),
      batch({ base: 2, ...open, records: letters('b') }),
      batch({ base: 3, marker: 1, producerId: 7, records: [] }),
    ])
    const { offsets, outcome, decoder } = decode(bytes, { aborted: [{ producerId: 7, firstOffset: 0 }] })
    assert.deepEqual([offsets, outcome, decoder.next], [[2], 'end', 4])
  })

  for (const codec of codecs) {
    test(`a ${codec} batch emptied by compaction is passed, regardless of the rest of its frame`, () => {
      const emptied = { base: 0, codec, records: [], lastDelta: 5 }
      for (const bytes of [batch(emptied), compressedBy(emptied, () => Buffer.alloc(0))]) {
        const { offsets, outcome, decoder } = decode(Buffer.concat([bytes, batch({ base: 6, records: letters('a') })]))
        assert.deepEqual([offsets, outcome, decoder.next], [[6], 'end', 7])
      }
    })
  }

  test('a negative record count is damage', () => {
    const bytes = batch({ base: 0, records: letters('a') })
    bytes.writeInt32BE(-2, 57)
    assert.equal(decode(sealed(bytes)).outcome, 'damaged')
  })

  test('a batch with a wrong checksum delivers nothing, and the batches before it are delivered', () => {
    const good = batch({ base: 0, records: letters('ab') })
    const bad = batch({ base: 2, records: letters('cd') })
    bad[bad.length - 3]! ^= 0x10
    const { offsets, outcome, decoder } = decode(Buffer.concat([good, bad, batch({ base: 4, records: letters('e') })]))
    assert.deepEqual([offsets, outcome], [[0, 1], 'damaged'])
    assert.deepEqual([decoder.first, decoder.last, decoder.next], [2, 3, 2])
    assert.match(decoder.problem, /checksum/)
  })

  test('a damaged batch ends before the following batch', () => {
    const bad = batch({ base: 2, records: letters('cd') })
    bad.writeInt32BE(1_000_000, 23)
    const { outcome, decoder } = decode(Buffer.concat([bad, batch({ base: 9, records: letters('e') })]), { from: 2 })
    assert.deepEqual([outcome, decoder.first, decoder.last], ['damaged', 2, 8])
  })

  test('at the end of an answer, the header of a damaged batch counts only if its record count agrees', () => {
    const bad = batch({ base: 2, records: letters('cd') })
    bad[bad.length - 3]! ^= 0x10
    assert.equal(decode(bad, { from: 2 }).decoder.last, 3)
    bad.writeInt32BE(1_000_000, 23)
    const { outcome, decoder } = decode(bad, { from: 2 })
    assert.deepEqual([outcome, decoder.first, decoder.last], ['damaged', 2, 2])
  })

  for (const magic of [0, 1] as const) {
    test(`messages of format v${magic} are one unsupported range up to the next batch`, () => {
      const old = [5, 6, 9].map((offset) => oldEntry(magic, offset, 'x'.repeat(offset % 3)))
      const bytes = Buffer.concat([batch({ base: 3, records: letters('ab') }), ...old])
      const { offsets, outcome, decoder } = decode(Buffer.concat([bytes, batch({ base: 10, records: letters('c') })]))
      assert.deepEqual([offsets, outcome, decoder.next, decoder.last], [[3, 4], 'unsupported', 5, 9])
      assert.equal(decoder.problem, `unsupported message format v${magic}`)
    })
  }

  test('the offsets of old messages are limited by what follows them and by the end of the log', () => {
    for (const flipped of [2 ** 40 + 6, 3]) {
      const old = [5, flipped].map((offset) => oldEntry(1, offset, 'x'))
      const followed = Buffer.concat([...old, batch({ base: 10, records: letters('c') })])
      assert.equal(decode(followed, { from: 5 }).decoder.last, 9)
    }
    const last = decode(oldEntry(1, 2 ** 40 + 7, 'x'), { from: 7, lastStableOffset: 12 })
    assert.deepEqual([last.outcome, last.decoder.last], ['unsupported', 11])
  })

  test('an unreadable batch ends before the following one, and within the log', () => {
    const unread = batch({ base: 2, records: letters('cd') })
    unread[22] = 5
    const flipped = sealed(unread)
    flipped[2]! ^= 1
    const followed = decode(Buffer.concat([flipped, batch({ base: 4, records: letters('e') })]), { from: 2 })
    assert.equal(followed.decoder.last, 3)
    const alone = decode(flipped, { from: 2, lastStableOffset: 4 })
    assert.equal(alone.decoder.last, 3)
  })

  test('a flipped bit in the first offset, which no checksum covers, moves no reader beyond the next batch or the log', () => {
    for (const bit of [1, 4, 20, 50]) {
      for (const isDamaged of [false, true]) {
        const bad = batch({ base: 0, records: letters('abc') })
        bad.writeBigInt64BE(BigInt(2 ** bit * 3), 0)
        if (isDamaged) bad[bad.length - 3]! ^= 0x10
        const followed = decode(Buffer.concat([bad, batch({ base: 3, records: letters('d') })]))
        assert.deepEqual([followed.outcome, followed.offsets, followed.decoder.last], ['damaged', [], 2])
        const alone = decode(bad, { lastStableOffset: 3 })
        assert.deepEqual([alone.outcome, alone.offsets], ['damaged', []])
        assert.equal(alone.decoder.last, isDamaged ? 0 : 2)
      }
    }
  })

  test('a first offset with a flipped bit, which no checksum covers, hides no records below the position', () => {
    const before = batch({ base: 16, records: letters('abc') })
    for (const bit of [1, 4]) {
      const low = batch({ base: 19, records: letters('def') })
      low.writeBigInt64BE(BigInt(19 ^ bit ^ (bit === 1 ? 0 : 16)), 0)
      const behind = batch({ base: 22, records: letters('g') })
      const followed = decode(Buffer.concat([before, low, behind]), { from: 16, lastStableOffset: 23 })
      const { outcome, offsets, decoder } = followed
      assert.deepEqual([outcome, offsets, decoder.next, decoder.last], ['damaged', [16, 17, 18], 19, 21])
    }
    const low = batch({ base: 3, records: letters('def') })
    const alone = decode(low, { from: 19, lastStableOffset: 22 })
    assert.deepEqual([alone.outcome, alone.offsets, alone.decoder.last], ['damaged', [], 21])
    const first = decode(Buffer.concat([low, batch({ base: 22, records: letters('g') })]), { from: 19 })
    assert.deepEqual([first.outcome, first.offsets, first.decoder.last], ['damaged', [], 21])
  })

  test('batches below the position that lead up to it are passed', () => {
    const bytes = ['ab', 'cd', 'ef'].map((records, i) => batch({ base: 2 * i, records: letters(records) }))
    assert.deepEqual(decode(Buffer.concat(bytes), { from: 3 }).offsets, [3, 4, 5])
    assert.deepEqual(decode(Buffer.concat(bytes), { from: 4 }).offsets, [4, 5])
    const { outcome, offsets, decoder } = decode(Buffer.concat(bytes), { from: 6, lastStableOffset: 6 })
    assert.deepEqual([outcome, offsets, decoder.next], ['end', [], 6], 'nothing is missed at the end of the log')
  })

  test('an epoch with a flipped bit, which no checksum covers, is that of the batch before', () => {
    const epochs = [5, 5 ^ (2 ** 20), 5 ^ 4, -3, 5, 6]
    const bytes = Buffer.concat(epochs.map((epoch, base) => batch({ base, epoch, records: letters('a') })))
    const read = (bound: (decoder: BatchDecoder) => void) => {
      const decoder = new BatchDecoder(maxBatchBytes)
      decoder.begin({ partition: 3, records: bytes, aborted: [], lastStableOffset }, 0)
      bound(decoder)
      const shown: number[] = []
      while (decoder.step({ record: ({ generation }) => void shown.push(generation) }) === 'read');
      return shown
    }
    assert.deepEqual(
      read((decoder) => decoder.boundEpochs(5, 6)),
      [5, 5, 5, 5, 5, 6],
    )
    assert.deepEqual(
      read((decoder) => decoder.boundEpochs(-1, 4)),
      [-1, -1, 1, 1, 1, 1],
    )
  })

  test('a single old message, shorter than any batch, is reported as well', () => {
    const { outcome, decoder } = decode(oldEntry(0, 7, ''), { from: 7 })
    assert.deepEqual([outcome, decoder.last], ['unsupported', 7])
  })

  test('old messages below the position are passed', () => {
    const bytes = Buffer.concat([oldEntry(1, 3, 'x'), oldEntry(1, 4, 'x'), batch({ base: 5, records: letters('a') })])
    assert.deepEqual(decode(bytes, { from: 5 }).offsets, [5])
  })

  test('a different format with a wrong checksum is damage', () => {
    for (const magic of [0, 1, 3]) {
      const bytes = batch({ base: 0, records: letters('a') })
      bytes[16] = magic
      const { outcome, decoder } = decode(bytes)
      assert.deepEqual([outcome, decoder.problem], ['damaged', `unsupported message format v${magic}, or damage`])
    }
  })

  test('an unknown codec is unsupported', () => {
    const bytes = batch({ base: 4, records: letters('ab') })
    bytes[22]! |= 5
    const { outcome, decoder } = decode(sealed(bytes))
    assert.deepEqual([outcome, decoder.last, decoder.problem], ['unsupported', 5, 'unsupported compression codec 5'])
  })

  const skippable = Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4])
  const inParts = (compress: (part: Buffer) => Buffer) => (records: Buffer) =>
    Buffer.concat(
      [0, 1, 2, 3].map((i) => compress(records.subarray((records.length * i) / 4, (records.length * (i + 1)) / 4))),
    )
  const streams: readonly (readonly [string, 'gzip' | 'snappy' | 'lz4' | 'zstd', (records: Buffer) => Buffer])[] = [
    ['zstd in several frames', 'zstd', inParts((part) => zstdCompressSync(part))],
    ['zstd behind a skippable frame', 'zstd', (records) => Buffer.concat([skippable, zstdCompressSync(records)])],
    ['zstd before a skippable frame', 'zstd', (records) => Buffer.concat([zstdCompressSync(records), skippable])],
    ['zstd with an empty frame', 'zstd', (records) => Buffer.concat([zstdCompressSync(''), zstdCompressSync(records)])],
    ['gzip in several members', 'gzip', inParts((part) => gzipSync(part))],
    ['lz4 in several frames', 'lz4', inParts((part) => compressFrameSync(part))],
    [
      'lz4 with skippable frames',
      'lz4',
      (records) => Buffer.concat([skippable, compressFrameSync(records), skippable]),
    ],
    ['xerial snappy in several streams', 'snappy', inParts(xerial)],
  ]
  for (const [name, codec, compress] of streams) {
    test(`reads ${name}`, () => {
      for (const length of [1, 3000]) {
        const records = Array.from({ length: 5 }, (_, i) => ({ offsetDelta: i, value: `${i}`.repeat(length) }))
        const { records: shown, outcome } = decode(compressedBy({ base: 10, codec, records }, compress))
        assert.deepEqual([shown.map(({ value }) => value), outcome], [records.map(({ value }) => value), 'end'])
      }
    })

    test(`${name} may take no more memory in total than one frame`, () => {
      const records = Array.from({ length: 20 }, (_, offsetDelta) => ({ offsetDelta, value: 'x'.repeat(1 << 16) }))
      const bytes = compressedBy({ base: 0, codec, records }, compress)
      assert.deepEqual([decode(bytes).offsets, decode(bytes).outcome], [[], 'unsupported'])
      assert.equal(decode(bytes, {}, new BatchDecoder(2 << 20)).offsets.length, 20)
    })
  }

  for (const codec of ['lz4', 'zstd'] as const) {
    test(`a ${codec} batch with too many frames is unsupported`, () => {
      const frame = codec === 'zstd' ? zstdCompressSync('') : compressFrameSync(Buffer.alloc(0))
      const bytes = compressedBy({ base: 0, codec, records: letters('a') }, () =>
        Buffer.concat(Array(1025).fill(frame)),
      )
      const { outcome, decoder } = decode(bytes)
      assert.deepEqual([outcome, decoder.problem], ['unsupported', 'a batch of more than 1024 compressed frames'])
    })

    test(`a ${codec} batch with other bytes after its frame is damage`, () => {
      const compress = codec === 'zstd' ? zstdCompressSync : compressFrameSync
      const bytes = compressedBy({ base: 0, codec, records: letters('a') }, (records) =>
        Buffer.concat([compress(records), Buffer.from('something else')]),
      )
      assert.equal(decode(bytes).outcome, 'damaged')
    })
  }

  for (const codec of ['gzip', 'snappy', 'snappy-raw', 'lz4', 'zstd'] as const) {
    test(`a ${codec} batch that exceeds the memory limit is unsupported`, () => {
      const records = Array.from({ length: 40 }, (_, offsetDelta) => ({ offsetDelta, value: 'x'.repeat(1 << 16) }))
      const bytes = batch({ base: 0, codec, records })
      assert.ok(bytes.length < maxBatchBytes, 'small as it comes')
      const { offsets, outcome } = decode(bytes)
      assert.deepEqual([offsets, outcome], [[], 'unsupported'])
      assert.equal(decode(bytes, {}, new BatchDecoder(8 << 20)).offsets.length, 40)
    })
  }

  test('a record longer than its batch is damage, and those before it are delivered', () => {
    const bytes = batch({ base: 0, records: letters('abc') })
    // Each of these records takes 8 bytes. The first byte is its length.
    bytes[61 + 16] = varint(120)[0]!
    const { offsets, outcome, decoder } = decode(sealed(bytes))
    assert.deepEqual([offsets, outcome, decoder.next], [[0, 1], 'damaged', 2])
  })

  test('a record that extends beyond its batch is damage', () => {
    const whole = batch({ base: 0, records: [{ offsetDelta: 0, value: 'abcdef' }] })
    const outside = 4
    whole.writeInt32BE(whole.readInt32BE(8) - outside, 8)
    sealed(whole.subarray(0, whole.length - outside))
    const { offsets, outcome } = decode(whole)
    assert.deepEqual([offsets, outcome], [[], 'damaged'])
  })

  test('a length below -1 is damage', () => {
    const bytes = batch({ base: 0, records: [{ offsetDelta: 0, value: 'a' }] })
    bytes[bytes.length - 1] = varint(-1)[0]!
    const { offsets, outcome } = decode(sealed(bytes))
    assert.deepEqual([offsets, outcome], [[], 'damaged'])
  })

  test('a record outside the offsets of its batch is damage', () => {
    const spec: BatchSpec = { base: 5, records: [{ offsetDelta: 9 }], lastDelta: 1 }
    assert.equal(decode(batch(spec)).outcome, 'damaged')
  })

  test('a sink that throws loses only that record', () => {
    const decoder = new BatchDecoder(maxBatchBytes)
    decoder.begin(
      { partition: 0, records: batch({ base: 0, records: letters('abc') }), aborted: [], lastStableOffset },
      0,
    )
    const poisoned = () => {
      throw new Error('poison')
    }
    assert.throws(() => decoder.step({ record: poisoned }), /poison/)
    assert.equal(decoder.next, 1)
  })

  test('a decoder that is stopped during a record delivers nothing more', () => {
    const decoder = new BatchDecoder(maxBatchBytes)
    const bytes = Buffer.concat([
      batch({ base: 0, records: letters('abc') }),
      batch({ base: 3, records: letters('d') }),
    ])
    decoder.begin({ partition: 0, records: bytes, aborted: [], lastStableOffset }, 0)
    const offsets: number[] = []
    const sink = {
      record: ({ offset }: SourceRecord) => {
        offsets.push(offset)
        if (offset === 1) decoder.stop()
      },
    }
    decoder.step(sink)
    assert.equal(decoder.step(sink), 'end')
    assert.deepEqual(offsets, [0, 1])
  })

  test('a batch of many records is delivered in several steps, and can be continued in another answer', () => {
    const records = Array.from({ length: 10_000 }, (_, offsetDelta) => ({ offsetDelta, value: 'v' }))
    const bytes = batch({ base: 5, codec: 'zstd', records })
    const all = records.map(({ offsetDelta }) => 5 + offsetDelta)
    const offsets: number[] = []
    const sink = { record: ({ offset }: SourceRecord) => void offsets.push(offset) }
    const decoder = new BatchDecoder(maxBatchBytes)
    decoder.begin({ partition: 0, records: bytes, aborted: [], lastStableOffset }, 0)
    assert.equal(decoder.step(sink), 'part')
    assert.equal(decoder.step(sink), 'part')
    const some = offsets.length
    assert.ok(some > 1000 && some < 5000, `${some} in two steps`)
    assert.equal(decoder.next, 5 + some)
    decoder.begin({ partition: 0, records: bytes, aborted: [], lastStableOffset }, decoder.next)
    let steps = 1
    while (decoder.step(sink) === 'part') steps++
    assert.ok(steps > 3, `${steps} steps`)
    assert.equal(decoder.step(sink), 'end')
    assert.deepEqual(offsets, all)
    assert.equal(decoder.next, 10_005)
  })

  test('a batch of large records is delivered in steps by their bytes', () => {
    const records = Array.from({ length: 64 }, (_, offsetDelta) => ({ offsetDelta, value: 'v'.repeat(100_000) }))
    const decoder = new BatchDecoder(16 << 20)
    const bytes = batch({ base: 0, codec: 'zstd', records })
    decoder.begin({ partition: 0, records: bytes, aborted: [], lastStableOffset }, 0)
    let steps = 1
    while (decoder.step({ record: () => {} }) === 'part') steps++
    assert.ok(steps >= 3 && steps <= 6, `${steps} steps`)
    assert.equal(decoder.next, 64)
  })

  test('damage after the first part of a batch is reported at its position, and the next answer is read from its beginning', () => {
    const records = Array.from({ length: 5000 }, (_, offsetDelta) => ({ offsetDelta, value: 'v' }))
    records[4000]!.offsetDelta = 9000
    const { outcome, offsets, decoder } = decode(batch({ base: 0, records, lastDelta: 4999 }))
    assert.equal(outcome, 'damaged')
    assert.equal(offsets.length, 4000)
    assert.deepEqual([decoder.first, decoder.last, decoder.next], [0, 4999, 4000])
    decoder.begin(
      { partition: 0, records: batch({ base: 5000, records: letters('a') }), aborted: [], lastStableOffset },
      5000,
    )
    assert.equal(decoder.step({ record: () => {} }), 'read')
    assert.equal(decoder.next, 5001)
  })

  test('encoded records are delivered unchanged', () => {
    const text = fc.string({ unit: 'binary-ascii', maxLength: 200 })
    const headers = fc.array(fc.tuple(fc.constantFrom('a', 'traceparent', 'long'.repeat(40)), fc.option(text)))
    const one = fc.record({
      key: fc.option(text),
      value: fc.option(text),
      headers,
      hole: fc.nat(3),
      time: fc.integer(),
    })
    const property = fc.property(fc.array(one, { maxLength: 20 }), fc.constantFrom(...codecs), (all, codec) => {
      let offset = -1
      const records = all.map(({ key, value, headers: pairs, hole, time }) => {
        offset += 1 + hole
        return { offsetDelta: offset, timeDelta: time, key, value, headers: pairs }
      })
      const { records: shown } = decode(batch({ base: 1000, baseTimeMs: 1e12, codec, records }))
      assert.deepEqual(
        shown.map((r) => [r.offset, r.timeMs, r.key, r.value, [...r.headers]]),
        records.map((r) => [1000 + r.offsetDelta, 1e12 + r.timeDelta, r.key, r.value, [...new Map(r.headers)]]),
      )
      assert.deepEqual(
        shown.map((r) => r.trace),
        records.map((r) => r.headers.findLast(([name]) => name === 'traceparent')?.[1] ?? null),
      )
    })
    fc.assert(property, { numRuns: 150 })
  })

  test('no input makes it throw, leave its bounds or go back, even with a correct checksum', () => {
    const original = Buffer.concat([
      batch({ base: 0, records: letters('abcdefgh').map((r) => ({ ...r, key: 'k', headers: [['h', 'v']] as const })) }),
      batch({ base: 8, transactional: true, producerId: 1, records: letters('xyz') }),
      batch({ base: 11, marker: 0, producerId: 1, records: [] }),
    ])
    const flips = fc.array(fc.tuple(fc.nat(original.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 })
    const property = fc.property(flips, fc.constantFrom(...codecs), fc.boolean(), (changes, codec, repaired) => {
      let bytes: Buffer = Buffer.from(original)
      if (codec !== 'none') bytes = batch({ base: 0, codec, records: letters('abcdefgh') })
      for (const [at, byte] of changes) if (at < bytes.length) bytes[at] = byte
      if (repaired && bytes.length > 61) {
        const length = bytes.readInt32BE(8) + 12
        if (length > 61 && length <= bytes.length) sealed(bytes.subarray(0, length))
      }
      let floor = 0
      const decoder = new BatchDecoder(maxBatchBytes)
      const sink = {
        record: (record: SourceRecord) => {
          assert.ok(record.offset >= floor, 'ascending')
          floor = record.offset + 1
          for (const end of [record.keyEnd, record.valueEnd, record.traceEnd]) assert.ok(end <= record.buffer.length)
          record.headers()
        },
      }
      decoder.begin({ partition: 0, records: bytes, aborted: [{ producerId: 1, firstOffset: 8 }], lastStableOffset }, 0)
      let steps = 0
      while (['read', 'part'].includes(decoder.step(sink))) assert.ok(++steps < 100, 'it ends')
      assert.ok(decoder.next >= floor)
    })
    fc.assert(property, { numRuns: 2000 })
  })
})
