import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { clientFrame, FrameReader, opcode } from '../../../src/bench/load/websocket-frames.ts'

function serverFrame(code: number, payload: Buffer): Buffer {
  const { length } = payload
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10)
  head[0] = 0x80 | code
  head[1] = length < 126 ? length : length < 65_536 ? 126 : 127
  if (head.length === 4) head.writeUInt16BE(length, 2)
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2)
  return Buffer.concat([head, payload])
}

function framesOf(chunks: readonly Buffer[]): [number, string][] {
  const reader = new FrameReader()
  const frames: [number, string][] = []
  for (const chunk of chunks) {
    reader.take(chunk, (code, bytes, start, end) => frames.push([code, bytes.toString('latin1', start, end)]))
    // Reads share one buffer.
    chunk.fill(0)
  }
  return frames
}

const length = fc.constantFrom(0, 1, 2, 125, 126, 127, 300, 65_535, 65_536, 70_000)
const frame = fc.tuple(fc.constantFrom(opcode.text, opcode.binary, opcode.ping), length)

test('each frame is told once, in order and whole, wherever the bytes are cut', () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 12 }), cuts, (frames, sizes) => {
      const sent = frames.map(([code, bytes], i) => [code, 'abcdefgh'[i % 8]!.repeat(bytes)] as [number, string])
      const bytes = Buffer.concat(sent.map(([code, text]) => serverFrame(code, Buffer.from(text))))
      const chunks: Buffer[] = []
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const size = sizes[i % sizes.length]!
        chunks.push(Buffer.from(bytes.subarray(at, at + size)))
        at += size
      }
      assert.deepEqual(framesOf(chunks), sent)
    }),
    { numRuns: 100 },
  )
})

test('frames that come byte by byte are told as well', () => {
  const bytes = Buffer.concat([serverFrame(1, Buffer.from('ab')), serverFrame(2, Buffer.alloc(200, 'x'))])
  assert.deepEqual(framesOf([...bytes].map((byte) => Buffer.from([byte]))), [
    [1, 'ab'],
    [2, 'x'.repeat(200)],
  ])
})

test('a masked frame, and one beyond any size, are refused', () => {
  const take = (bytes: number[]) => new FrameReader().take(Buffer.from(bytes), () => {})
  assert.throws(() => take([0x81, 0x82, 0, 0, 0, 0, 1, 1]), /unmasked/)
  assert.throws(() => take([0x82, 127, 0, 0, 1, 0, 0, 0, 0, 0]), /at most/)
})

test("a client's frame has the mask that servers insist on, and its payload as it is", () => {
  const short = clientFrame(opcode.text, Buffer.from('hi'))
  assert.deepEqual([...short], [0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69])
  const long = clientFrame(opcode.binary, Buffer.alloc(300, 7))
  assert.deepEqual([...long.subarray(0, 8)], [0x82, 0xfe, 1, 44, 0, 0, 0, 0])
  assert.equal(long.length, 308)
})
