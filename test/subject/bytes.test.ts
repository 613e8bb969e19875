import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { isSubject, subjectBytes } from '../../src/subject/bytes.ts'

const subject = fc.string({ unit: 'grapheme', maxLength: 12 })

test('a subject is found only by the bytes it was sent as', () => {
  fc.assert(
    fc.property(subject, subject, (kept, sent) => {
      const buffer = Buffer.from(`<${sent}>`)
      const found = isSubject(subjectBytes(kept), buffer, 1, buffer.length - 1)
      assert.equal(found, Buffer.from(kept).equals(Buffer.from(sent)))
    }),
  )
})

test('a subject beyond ASCII is found by its UTF-8 bytes', () => {
  for (const text of ['alarm.zone7', 'ärger.zone7', '警報.7', 'a.\u{1f514}']) {
    const buffer = Buffer.from(text)
    assert.equal(isSubject(subjectBytes(text), buffer, 0, buffer.length), true, text)
    buffer[buffer.length - 1]! ^= 1
    assert.equal(isSubject(subjectBytes(text), buffer, 0, buffer.length), false, text)
  }
})
