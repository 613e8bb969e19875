import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeBase64, encodeBase64, encodeBase64Url } from '../../src/wire/base64.ts'

test('encoding matches Node, and decoding takes both alphabets with and without padding', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const buffer = Buffer.from(bytes)
      assert.equal(encodeBase64(bytes), buffer.toString('base64'))
      assert.equal(encodeBase64Url(bytes, bytes.length), buffer.toString('base64url'))
      for (const text of [buffer.toString('base64'), buffer.toString('base64url')]) {
        assert.deepEqual(decodeBase64(text), bytes)
      }
    }),
  )
})

test('bytes beyond the argument limit of one call are encoded', () => {
  const bytes = new Uint8Array(1_000_000).fill(7)
  assert.equal(encodeBase64(bytes), Buffer.from(bytes).toString('base64'))
})

test('text that is not base64 decodes to undefined: wrong characters, lengths, leftover bits', () => {
  for (const text of ['a', 'abcde', 'ab d', 'abé0', '=', 'ab=c', 'a===', 'YR', 'YQ===', 'YWJj\n']) {
    assert.equal(decodeBase64(text), undefined, JSON.stringify(text))
  }
})
