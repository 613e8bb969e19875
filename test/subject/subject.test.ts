import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CarillonError } from '../../src/base/errors.ts'
import {
  firstTokens,
  isPattern,
  matches,
  tokens,
  validatePattern,
  validateSubject,
  validSubjectBytes,
} from '../../src/subject/subject.ts'

function bytesAreValid(text: string): boolean {
  const bytes = new TextEncoder().encode(`..${text}..`)
  return validSubjectBytes(bytes, 2, bytes.length - 2)
}

function refusal(check: (text: string) => void, text: string): string {
  try {
    check(text)
  } catch (error) {
    assert.ok(error instanceof CarillonError)
    assert.equal(error.code, 'bad_subject')
    return error.message
  }
  return ''
}

test('dotted tokens of any script are a subject', () => {
  for (const subject of ['a', 'alarm.zone7.door', 'Ω.ξένος.日本', '😀.x', '-._.$', 'a'.repeat(255), 'é'.repeat(127)]) {
    assert.equal(refusal(validateSubject, subject), '')
    assert.equal(bytesAreValid(subject), true, subject)
  }
})

const wrong: [string, RegExp][] = [
  ['', /empty/],
  ['a'.repeat(256), /256 bytes of UTF-8, the maximum is 255/],
  ['é'.repeat(128), /256 bytes/],
  ['.a', /token 1 is empty \(it starts with a dot\)/],
  ['a.', /token 2 is empty \(it ends with a dot\)/],
  ['a..b', /token 2 is empty \(two dots in a row\)/],
  ['a b', /character 2 is a space/],
  ['a\tb', /character 2 is the control character U\+0009/],
  ['a\u0000', /U\+0000/],
  ['a\u007f', /U\+007F/],
  ['a.b\u0085', /character 4 is the control character U\+0085/],
]

test('an invalid subject is refused with the rule and the place, as text and as bytes', () => {
  for (const [subject, message] of wrong) {
    assert.match(refusal(validateSubject, subject), message)
    assert.match(refusal(validatePattern, subject), message)
    assert.equal(bytesAreValid(subject), false, JSON.stringify(subject))
  }
})

test('a subject has no wildcards, not even inside a token', () => {
  for (const subject of ['*', '>', 'a.*', 'a.>', 'a*b', 'a.b>c']) {
    assert.match(refusal(validateSubject, subject), /wildcard/)
    assert.equal(bytesAreValid(subject), false)
  }
})

test('half of a surrogate pair is refused, because its bytes would be those of another subject', () => {
  assert.match(refusal(validateSubject, 'a.\ud800'), /character 3 is half of a surrogate pair/)
})

test('bytes that are not UTF-8 are not a subject', () => {
  for (const bytes of [[0x61, 0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0x61, 0xe2, 0x82], [0xc2]]) {
    assert.equal(validSubjectBytes(Uint8Array.from(bytes), 0, bytes.length), false)
  }
})

test('the bytes of a text are valid if and only if the text is', () => {
  const unit = fc.constantFrom('a', 'b', '.', '*', '>', ' ', '\n', 'é', '\u0090', '\u00a0', '€', '😀')
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 6 }), (text) => {
      assert.equal(bytesAreValid(text), refusal(validateSubject, text) === '')
    }),
    { numRuns: 2000 },
  )
})

test('a pattern may have * as a whole token and > as the last one', () => {
  for (const pattern of ['*', '>', 'a.*', '*.b', 'a.>', '*.*.>', 'a.b'])
    assert.equal(refusal(validatePattern, pattern), '')
  assert.match(refusal(validatePattern, '>.a'), /token 1 is ">", which may only be the last/)
  assert.match(refusal(validatePattern, 'a.b*'), /token 2 \("b\*"\) has a wildcard inside/)
  assert.match(refusal(validatePattern, 'a.>>'), /token 2 \(">>"\)/)
})

test('a refusal quotes only part of a hostile text', () => {
  assert.ok(refusal(validateSubject, '\u0001'.repeat(100_000)).length < 1000)
})

test('wildcards make a pattern', () => {
  assert.deepEqual(['a', 'a.*', 'a.>', '>'].map(isPattern), [false, true, true, true])
})

test('a subject splits into its tokens, and the first ones keep their dots', () => {
  assert.deepEqual(tokens('a.bb.c'), ['a', 'bb', 'c'])
  assert.deepEqual(
    [0, 1, 2, 3, 9].map((count) => firstTokens('a.bb.c', count)),
    ['', 'a', 'a.bb', 'a.bb.c', 'a.bb.c'],
  )
})

test('* matches one token, a final > one or more', () => {
  const cases: [string, string, boolean][] = [
    ['a.b', 'a.b', true],
    ['a.b', 'a.bc', false],
    ['a.bc', 'a.b', false],
    ['a.*', 'a.b', true],
    ['a.*', 'a', false],
    ['a.*', 'a.b.c', false],
    ['a.>', 'a.b.c', true],
    ['a.>', 'a', false],
    ['>', 'a', true],
    ['*.*', 'a', false],
    ['*.c', 'ab.c', true],
    ['a.*.c', 'a.b.d', false],
  ]
  for (const [pattern, subject, expected] of cases)
    assert.equal(matches(pattern, subject), expected, `${pattern} ${subject}`)
})

test('matching agrees with the same rules as a regular expression', () => {
  const subject = fc
    .array(fc.constantFrom('a', 'b', 'ab'), { minLength: 1, maxLength: 4 })
    .map((list) => list.join('.'))
  const middle = fc.array(fc.constantFrom('a', 'b', 'ab', '*'), { minLength: 1, maxLength: 4 })
  const pattern = fc.tuple(middle, fc.boolean()).map(([list, rest]) => (rest ? [...list, '>'] : list).join('.'))
  fc.assert(
    fc.property(pattern, subject, (wanted, text) => {
      const form = wanted.replaceAll('.', '\\.').replaceAll('*', '[^.]+').replace('>', '.+')
      assert.equal(matches(wanted, text), new RegExp(`^${form}$`).test(text))
    }),
    { numRuns: 2000 },
  )
})
