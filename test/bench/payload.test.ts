import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { EventScanner, eventText } from '../../src/bench/payload.ts'

function scanned(chunks: readonly Buffer[]): [number, number][] {
  const scanner = new EventScanner()
  const found: [number, number][] = []
  for (const chunk of chunks) {
    scanner.take(chunk, (dueUs, number) => found.push([dueUs, number]))
    // A client's reads share one buffer.
    chunk.fill(0)
  }
  return found
}

test('an event has the length that was asked for and is JSON', () => {
  const text = eventText(1_234_567.4, 89, 512)
  assert.equal(text.length, 512)
  const { t, n } = JSON.parse(text.toString())
  assert.deepEqual([Number(t), Number(n)], [1_234_567, 89])
})

test('every event is found once and in order, wherever the bytes are cut', () => {
  const gap = fc.constantFrom(
    '',
    '{',
    '{"',
    '{"t',
    '{"t"',
    '\r\n1f4\r\n',
    '}}\n\n',
    '{"delivery":{"after":"x","event":',
  )
  const cuts = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 40 })
  fc.assert(
    fc.property(fc.array(gap, { minLength: 1, maxLength: 8 }), cuts, (gaps, sizes) => {
      const bytes = Buffer.concat(gaps.flatMap((text, i) => [Buffer.from(text), eventText(i + 7, i, 64)]))
      const chunks: Buffer[] = []
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const size = sizes[i % sizes.length]!
        chunks.push(Buffer.from(bytes.subarray(at, at + size)))
        at += size
      }
      assert.deepEqual(
        scanned(chunks),
        gaps.map((_, i) => [i + 7, i]),
      )
    }),
    { numRuns: 300 },
  )
})
