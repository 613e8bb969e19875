import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { ConfluentFrame, hasFrame } from '../../src/wire/confluent.ts'

const frame = new ConfluentFrame()

const header = (id: number) => Buffer.from([0, id >>> 24, (id >>> 16) & 255, (id >>> 8) & 255, id & 255])

/** Encodes a signed number as protobuf's zigzag varint. */
function zigzag(value: number): number[] {
  const bytes: number[] = []
  for (let rest = value * 2; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest]
    bytes.push((rest % 128) | 128)
  }
}

/** Reads a frame between other bytes; undefined = none. */
function read(bytes: Uint8Array, content: 'protobuf' | 'other') {
  const all = Buffer.concat([Buffer.from([9, 9]), bytes, Buffer.from([0, 0])])
  const isFramed =
    content === 'protobuf' ? frame.readProtobuf(all, 2, 2 + bytes.length) : frame.read(all, 2, 2 + bytes.length)
  if (!isFramed) return undefined
  return {
    id: frame.schemaId.toString(),
    indexes: frame.indexes.toString(),
    content: all.subarray(frame.contentStart, 2 + bytes.length).toString(),
  }
}

test('the frame of Avro and JSON has five bytes, whatever follows', () => {
  fc.assert(
    fc.property(fc.nat(0xffffffff), fc.string({ maxLength: 5 }), (id, text) => {
      const read5 = read(Buffer.concat([header(id), Buffer.from(text)]), 'other')
      assert.deepEqual(read5, { id: String(id), indexes: '', content: text })
    }),
  )
})

test("a protobuf frame also has the message's path within its schema", () => {
  const path = fc.array(fc.oneof(fc.nat(200), fc.nat(0x7fffffff)), { minLength: 1, maxLength: 16 })
  fc.assert(
    fc.property(path, fc.string({ maxLength: 5 }), (indexes, text) => {
      const bytes = [...zigzag(indexes.length), ...indexes.flatMap(zigzag)]
      const expected = indexes.length === 1 && indexes[0] === 0 ? '' : indexes.join(',')
      const got = read(Buffer.concat([header(7), Buffer.from(bytes), Buffer.from(text)]), 'protobuf')
      assert.deepEqual(got, { id: '7', indexes: expected, content: text })
    }),
  )
})

test('a value that is not protobuf has no path, whatever frame was read before it', () => {
  read(Buffer.concat([header(7), Buffer.from([...zigzag(1), ...zigzag(3)])]), 'protobuf')
  assert.equal(read(Buffer.concat([header(7), Buffer.from('x')]), 'other')?.indexes, '')
})

test('a count of 0 means the first message', () => {
  assert.deepEqual(read(Buffer.concat([header(1), Buffer.from([0]), Buffer.from('x')]), 'protobuf'), {
    id: '1',
    indexes: '',
    content: 'x',
  })
})

test('bytes that do not begin with a frame are not taken for one', () => {
  assert.equal(read(Buffer.from('{"a":1}'), 'other'), undefined)
  assert.equal(read(Buffer.from([0, 0, 0, 1]), 'other'), undefined, 'the id needs four bytes')
  assert.equal(read(new Uint8Array(0), 'other'), undefined)
  assert.equal(hasFrame(Buffer.from([0, 0, 0, 0, 1]), 0, 5), true)
})

test('a protobuf frame whose path is cut off, negative or too long is refused', () => {
  const refused = (...bytes: number[]) =>
    assert.equal(read(Buffer.concat([header(1), Buffer.from(bytes)]), 'protobuf'), undefined)
  refused()
  refused(2 * 2, 0)
  refused(1)
  refused(2, 1)
  refused(17 * 2, ...Array.from({ length: 17 }, () => 0))
  refused(0x80, 0x80, 0x80, 0x80, 0x80, 0)
})
