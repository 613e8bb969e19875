import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { dueUsOf, eventText, findPayload, headBytes, numberOf, stampPayload } from '../../../src/bench/load/payload.ts'

test('an event has the length that was asked for and is JSON', () => {
  const text = eventText(1_234_567.4, 89, 512)
  assert.equal(text.length, 512)
  const { t, n } = JSON.parse(text.toString())
  assert.deepEqual([Number(t), Number(n)], [1_234_567, 89])
})

test('a payload is found in a frame and says when it was due and its number, as it was stamped', () => {
  const time = fc.integer({ min: 0, max: 2 ** 50 })
  fc.assert(
    fc.property(fc.nat(50), time, fc.integer({ min: 0, max: 99_999_999 }), (before, dueUs, number) => {
      const bytes = Buffer.concat([Buffer.alloc(before, '{'), eventText(0, 0, 80), Buffer.from('}}')])
      stampPayload(bytes, before, dueUs, number)
      const at = findPayload(bytes, 0, bytes.length)
      assert.deepEqual([at, dueUsOf(bytes, at), numberOf(bytes, at)], [before, dueUs, number])
      assert.equal(Number(JSON.parse(bytes.toString('latin1', before, before + 80)).t), dueUs)
    }),
  )
})

test('a payload whose head is cut off is none, nor one beyond the end that was given', () => {
  const bytes = eventText(1, 2, 80)
  assert.equal(findPayload(bytes, 0, headBytes), 0)
  assert.equal(findPayload(bytes, 0, headBytes - 1), -1)
  assert.equal(findPayload(bytes, 1, bytes.length), -1)
})
