import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { jsonText, maxJsonDepth, scanJson } from '../../src/wire/json-text.ts'
import { embedded, jsonData } from './arbitraries.ts'

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function judged(bytes: Uint8Array): number {
  const { buffer, start, end } = embedded(bytes)
  return scanJson(buffer, start, end)
}

function parses(bytes: Uint8Array): boolean {
  try {
    JSON.parse(strict.decode(bytes))
    return true
  } catch {
    return false
  }
}

test('text is JSON exactly when JSON.parse accepts it', () => {
  const piece = fc.constantFrom(
    ...[
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '"a"',
      '"\\u00e9"',
      '\\',
      '1',
      '0',
      '-',
      '.',
      'e',
      '+',
      'true',
      'null',
      'nul',
    ],
    ...[' ', '\n', '\t', '\u0001', 'é', '\u2028', '😀'],
  )
  const soup = fc.array(piece, { maxLength: 8 }).map((pieces) => new TextEncoder().encode(pieces.join('')))
  const damaged = fc.tuple(jsonData, fc.nat(), fc.nat(255)).map(([bytes, at, value]) => {
    const copy = Uint8Array.from(bytes)
    copy[at % copy.length] = value
    return copy
  })
  fc.assert(
    fc.property(fc.oneof(soup, jsonData, damaged), (bytes) => {
      assert.equal(judged(bytes) !== jsonText.invalid, parses(bytes))
    }),
    { numRuns: 5000 },
  )
})

test('line breaks are reported, but not escaped ones', () => {
  const of = (text: string) => judged(new TextEncoder().encode(text))
  assert.equal(of('{"a": "x\\n"}'), jsonText.line)
  assert.equal(of('{"a":\n1}'), jsonText.lines)
  assert.equal(of('1\r'), jsonText.lines)
})

test('depth is bounded', () => {
  const nested = (depth: number) => judged(new TextEncoder().encode('['.repeat(depth) + ']'.repeat(depth)))
  assert.equal(nested(maxJsonDepth + 1), jsonText.line)
  assert.equal(nested(maxJsonDepth + 2), jsonText.invalid)
  assert.equal(judged(new Uint8Array(1_000_000).fill(0x5b)), jsonText.invalid)
})
