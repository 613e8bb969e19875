import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ByteRange } from '../../src/base/byte-range.ts'
import { jsonText, maxJsonDepth, scanJson, scanMember } from '../../src/wire/json-text.ts'
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

test('a member is found where JSON.parse has it, whatever its names and however often they come', () => {
  const name = fc.constantFrom('a', 'b', 'ü', 'a"', '__proto__', '')
  const object: fc.Memo<string> = fc.memo((depth) => {
    const leaf = fc.constantFrom('1', '"x"', 'null', '[{"a":2}]', '12345678901234567890', '{}')
    const value = depth <= 1 ? leaf : fc.oneof(leaf, object(depth - 1))
    const written = fc.tuple(name, fc.boolean()).map(([each, isEscaped]) => {
      const escaped = [...each].map((c) => `\\u${c.codePointAt(0)!.toString(16).padStart(4, '0')}`)
      return isEscaped ? `"${escaped.join('')}"` : JSON.stringify(each)
    })
    const member = fc.tuple(written, value, fc.constantFrom('', ' ', '\n'))
    return fc.array(member, { maxLength: 4 }).map((members) => {
      return `{${members.map(([key, text, space]) => `${space}${key}${space}:${space}${text}${space}`).join(',')}}`
    })
  })
  fc.assert(
    fc.property(object(3), fc.array(name, { minLength: 1, maxLength: 3 }), (text, names) => {
      const { buffer, start, end } = embedded(Buffer.from(text))
      const found = new ByteRange().set(buffer, start, end)
      assert.notEqual(
        scanMember(
          found,
          names.map((each) => Buffer.from(each)),
        ),
        jsonText.invalid,
      )
      let expected: unknown = JSON.parse(text)
      for (const each of names) {
        const isObject = typeof expected === 'object' && expected !== null && !Array.isArray(expected)
        expected = isObject && Object.hasOwn(expected as object, each) ? (expected as never)[each] : undefined
      }
      assert.deepEqual(found.start < 0 ? undefined : JSON.parse(found.toString()), expected)
    }),
    { numRuns: 1000 },
  )
})
