import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { formatTraceparent, maySample, parseTraceparent } from '../../src/telemetry/trace-context.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const spanId = 'b7ad6b7169203331'
const sampled = `00-${traceId}-${spanId}-01`

test('a traceparent is parsed as in the standard', () => {
  assert.deepEqual(parseTraceparent(sampled), { traceId, spanId, sampled: true })
  assert.deepEqual(parseTraceparent(`00-${traceId}-${spanId}-00`), { traceId, spanId, sampled: false })
  // Only the lowest bit of the flags has a meaning.
  assert.equal(parseTraceparent(`00-${traceId}-${spanId}-ff`)!.sampled, true)
  assert.equal(parseTraceparent(`00-${traceId}-${spanId}-fe`)!.sampled, false)
})

test('a later version may append to the flags, version 00 may not', () => {
  assert.deepEqual(parseTraceparent(`01-${traceId}-${spanId}-01-more`), { traceId, spanId, sampled: true })
  assert.deepEqual(parseTraceparent(`01-${traceId}-${spanId}-01`), { traceId, spanId, sampled: true })
  assert.equal(parseTraceparent(`00-${traceId}-${spanId}-01-more`), undefined)
  assert.equal(parseTraceparent(`01-${traceId}-${spanId}-01more`), undefined)
})

test('other text is not a traceparent', () => {
  const wrong = [
    '',
    'nonsense',
    sampled.toUpperCase(),
    `ff-${traceId}-${spanId}-01`,
    `00-${'0'.repeat(32)}-${spanId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `00-${traceId}-${spanId}-1`,
    ` ${sampled}`,
    `${sampled}\n`,
  ]
  for (const text of wrong) assert.equal(parseTraceparent(text), undefined, JSON.stringify(text))
})

test('a formatted context parses to the same', () => {
  const hex = (length: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${length - 1}}[1-9a-f]$`))
  const fields = { traceId: hex(32), spanId: hex(16), sampled: fc.boolean() }
  const context = fc.record(fields, { noNullPrototype: true })
  fc.assert(fc.property(context, (each) => assert.deepEqual(parseTraceparent(formatTraceparent(each)), each)))
})

test('the check of one byte passes exactly the sampled contexts', () => {
  const flags = fc.stringMatching(/^[0-9a-f]{2}$/)
  const version = fc.constantFrom('00', '01', 'cc')
  fc.assert(
    fc.property(version, flags, fc.string(), (first, last, before) => {
      const text = `${first}-${traceId}-${spanId}-${last}`
      const buffer = Buffer.from(`${before}${text}`)
      const start = buffer.length - text.length
      assert.equal(maySample(buffer, start, buffer.length), parseTraceparent(text)!.sampled)
    }),
  )
})

test('text too short for a traceparent is not sampled', () => {
  const buffer = Buffer.from(sampled)
  assert.equal(maySample(buffer, 0, buffer.length), true)
  assert.equal(maySample(buffer, 1, buffer.length), false)
  assert.equal(maySample(buffer, 0, 0), false)
})
