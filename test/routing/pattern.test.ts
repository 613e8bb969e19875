import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { BytePattern, commonSubject } from '../../src/routing/pattern.ts'
import { matches } from '../../src/subject/subject.ts'

const alphabet = ['a', 'b', 'é']

/** All subjects of up to four of these tokens. */
const subjects = [1, 2, 3, 4].flatMap((length) => {
  let all = ['']
  for (let i = 0; i < length; i++) all = all.flatMap((start) => alphabet.map((token) => [start, token]).map(joined))
  return all
})

function joined([start, token]: string[]): string {
  return start === '' ? token! : `${start}.${token}`
}

const pattern = fc
  .tuple(fc.array(fc.constantFrom(...alphabet, '*'), { maxLength: 3 }), fc.constantFrom(...alphabet, '*', '>'))
  .map(([start, last]) => [...start, last].join('.'))

test('two patterns have a common subject if and only if enumeration finds one', () => {
  fc.assert(
    fc.property(pattern, pattern, (a, b) => {
      const found = commonSubject(a, b)
      const common = subjects.some((subject) => matches(a, subject) && matches(b, subject))
      // Patterns have at most four tokens, so common subjects of at most four tokens suffice.
      assert.equal(found !== undefined, common)
      if (found !== undefined) assert.ok(matches(a, found) && matches(b, found), `${found} is of both`)
      assert.equal(commonSubject(b, a) !== undefined, common)
    }),
    { numRuns: 1000 },
  )
})

test('matching bytes agrees with matching text', () => {
  fc.assert(
    fc.property(pattern, fc.constantFrom(...subjects), fc.nat(3), (text, subject, before) => {
      const bytes = Buffer.from(`${'.'.repeat(before)}${subject}.a`)
      const end = before + Buffer.byteLength(subject)
      assert.equal(new BytePattern(text).matches(bytes, before, end), matches(text, subject))
    }),
    { numRuns: 1000 },
  )
})
