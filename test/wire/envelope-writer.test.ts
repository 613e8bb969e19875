import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { ByteRange } from '../../src/base/byte-range.ts'
import { encodeEvent, envelopeView, scanEnvelope } from '../../src/wire/envelope.ts'
import { EnvelopeWriter } from '../../src/wire/envelope-writer.ts'
import type { Event } from '../../src/wire/frames.ts'
import { messages } from '../../src/wire/schema.ts'
import { event } from './arbitraries.ts'

/** Text between other bytes, which must not affect the result. */
function within(content: string | Uint8Array): [Buffer, number, number] {
  const bytes = Buffer.from(content)
  return [Buffer.concat([Buffer.from('<'), bytes, Buffer.from('>')]), 1, 1 + bytes.length]
}

/** The fields that a record can set, in the order of the field numbers. */
function write(writer: EnvelopeWriter, written: Event, prefixBytes = 0): void {
  const subject = Buffer.from(written.subject)
  writer.begin()
  writer.subject(subject.subarray(0, prefixBytes), ...within(subject.subarray(prefixBytes)))
  writer.field('id', ...within(written.id))
  writer.field('type', ...within(written.type))
  writer.field('contentType', ...within(written.contentType))
  writer.field('data', ...within(written.data))
  writer.publishedAt(written.publishedAtUs)
  writer.field('collapseKey', ...within(written.collapseKey))
  const range = (text: string) => new ByteRange().set(...within(text))
  for (const [name, value] of Object.entries(written.attributes)) writer.attribute(range(name), range(value))
  if (written.deleted) writer.deleted()
}

const content = (writer: EnvelopeWriter) => writer.bytes.subarray(0, writer.length)

/** Other formats have no priority and time to live, so the writer can't write them. */
const writable = event.map((each) => ({ ...each, priority: 0, ttlMs: 0 }))

test('an envelope is, byte for byte, what the generated encoder writes for the event', () => {
  const writer = new EnvelopeWriter(1 << 20)
  fc.assert(
    fc.property(writable, fc.nat(3), (written, prefixBytes) => {
      write(writer, written, prefixBytes)
      assert.deepEqual(content(writer), Buffer.from(encodeEvent(written)))
      assert.equal(messages.Event.decode(content(writer)).subject, written.subject)
    }),
  )
})

test('the buffer grows with the envelopes, up to the limit and no further', () => {
  const writer = new EnvelopeWriter(100_000)
  for (const length of [10, 5000, 90_000]) {
    writer.begin()
    writer.subject(Buffer.alloc(0), ...within('a'))
    writer.field('data', ...within(Buffer.alloc(length, 7)))
    const { subject, data } = messages.Event.decode(content(writer))
    assert.deepEqual([subject, data.length], ['a', length])
  }
  assert.ok(writer.bytes.length <= 100_000)
})

test('an envelope at the limit is written; one byte more is too large, until the next one begins', () => {
  const size = 2 + 1 + 2 + 300 + 1
  for (const [limit, tooLarge] of [
    [size + 1, false],
    [size, false],
    [size - 1, true],
  ] as const) {
    const writer = new EnvelopeWriter(limit)
    writer.begin()
    writer.subject(Buffer.alloc(0), ...within('a'))
    writer.field('data', ...within(Buffer.alloc(300)))
    assert.equal(writer.tooLarge, tooLarge, `${limit}`)
    writer.publishedAt(1)
    writer.begin()
    assert.equal(writer.tooLarge, false)
  }
})

test('a truncated field is not in the envelope', () => {
  const writer = new EnvelopeWriter(1000)
  writer.begin()
  writer.field('id', ...within('i'))
  const before = writer.length
  writer.subject(Buffer.from('x.'), ...within('wrong'))
  writer.truncate(before)
  assert.equal(writer.subject(Buffer.from('x.'), ...within('right')), before + 2)
  assert.deepEqual(
    [messages.Event.decode(content(writer)).subject, messages.Event.decode(content(writer)).id],
    ['x.right', 'i'],
  )
})

test('a time that the field cannot hold is unknown', () => {
  const writer = new EnvelopeWriter(1000)
  for (const us of [-1000, 0, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY]) {
    writer.begin()
    writer.subject(Buffer.alloc(0), ...within('a'))
    writer.publishedAt(us)
    assert.equal(scanEnvelope(writer.bytes, 0, writer.length, envelopeView()), true)
    assert.equal(writer.length, 3, `${us}`)
  }
})
