import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { loneSurrogate, utf8Length, validUtf8 } from '../../src/base/utf8.ts'

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decodes(bytes: Uint8Array): boolean {
  try {
    strict.decode(bytes)
    return true
  } catch {
    return false
  }
}

/** Bytes near the borders of UTF-8's ranges, so that random sequences are often nearly valid. */
const borderByte = fc.constantFrom(
  ...[0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef],
  ...[0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff],
)

test('bytes are valid UTF-8 if and only if a strict decoder accepts them', () => {
  const bytes = fc.array(borderByte, { maxLength: 6 }).map((values) => Uint8Array.from(values))
  fc.assert(
    fc.property(bytes, (value) => {
      assert.equal(validUtf8(value, 0, value.length), decodes(value))
    }),
    { numRuns: 3000 },
  )
})

test('sequences that have fooled other decoders are invalid', () => {
  const wrong = {
    'a surrogate': [0xed, 0xa0, 0x80],
    'an overlong slash in two bytes': [0xc0, 0xaf],
    'in three': [0xe0, 0x80, 0xaf],
    'in four': [0xf0, 0x80, 0x80, 0xaf],
    'above U+10FFFF': [0xf4, 0x90, 0x80, 0x80],
    'five bytes': [0xf8, 0x88, 0x80, 0x80, 0x80],
    'a continuation alone': [0x80],
  }
  for (const [what, bytes] of Object.entries(wrong))
    assert.equal(validUtf8(Uint8Array.from(bytes), 0, bytes.length), false, what)
})

test('a sequence that extends past the end is invalid', () => {
  const bytes = new TextEncoder().encode('a€')
  assert.equal(validUtf8(bytes, 0, 4), true)
  assert.equal(validUtf8(bytes, 0, 3), false)
})

test("the length in UTF-8 equals the encoder's, including lone surrogates", () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.constantFrom('', '\ud800', '\udc00', '\ud800a'), (text, tail) => {
      assert.equal(utf8Length(text + tail), new TextEncoder().encode(text + tail).length)
    }),
  )
})

test('a surrogate without its partner is found, a pair is not', () => {
  assert.equal(loneSurrogate('a😀b'), -1)
  assert.equal(loneSurrogate('a\ud83d'), 1)
  assert.equal(loneSurrogate('😀\ude00'), 2)
  assert.equal(loneSurrogate('\ud83d\ud83d\ude00'), 0)
})
