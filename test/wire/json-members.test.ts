import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { elementTexts, memberTexts } from '../../src/wire/json-members.ts'

/** JSON text with white space between its tokens. */
const spaced = fc
  .tuple(fc.jsonValue(), fc.constantFrom(undefined, 1, '\t', '  '))
  .map(([value, indent]) => JSON.stringify(value, undefined, indent))

test('the members of an object are found for any values', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.string(), spaced), { maxLength: 6 }),
      fc.constantFrom('', ' ', '\n\t'),
      (list, gap) => {
        const pairs = list.map(([name, value]) => `${gap}${JSON.stringify(name)}${gap}:${gap}${value}${gap}`)
        assert.deepEqual(memberTexts(`${gap}{${pairs.join(',')}${gap}}${gap}`), new Map(list))
      },
    ),
  )
})

test('the elements of an array are found for any values', () => {
  fc.assert(
    fc.property(fc.array(spaced, { maxLength: 6 }), fc.constantFrom('', ' ', '\r\n'), (list, gap) => {
      const text = `${gap}[${list.map((value) => `${gap}${value}${gap}`).join(',')}${gap}]${gap}`
      assert.deepEqual(elementTexts(text), list)
    }),
  )
})

test('names are compared unescaped, and the last of a repeated one wins', () => {
  assert.deepEqual(memberTexts('{"d\\u0061ta":1,"x":2}'), new Map(Object.entries({ data: '1', x: '2' })))
  assert.deepEqual(memberTexts('{"data":1,"data":{"a":[2,"]}"]}}'), new Map([['data', '{"a":[2,"]}"]}']]))
})

test('digits stay as written', () => {
  const digits = '[12345678901234567890,1e999,-0,1.0,0.1000]'
  assert.equal(memberTexts(`{"data": ${digits} }`).get('data'), digits)
})

test('any depth works', () => {
  const deep = '['.repeat(100_000) + ']'.repeat(100_000)
  assert.equal(memberTexts(`{"data":${deep}}`).get('data'), deep)
})
