import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CarillonError } from '../../src/base/errors.ts'
import { eventFromJson, eventToJson } from '../../src/wire/event-json.ts'
import { makeEvent } from '../../src/wire/frames.ts'
import { comparable, event, jsonData } from './arbitraries.ts'

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

function refusal(value: unknown): string {
  try {
    eventFromJson(value)
  } catch (error) {
    assert.ok(error instanceof CarillonError)
    return `${error.code} ${error.message}`
  }
  return ''
}

test('an event is the same after JSON and back, its JSON data the same value', () => {
  fc.assert(
    fc.property(event, (written) => {
      const json = JSON.parse(eventToJson(written)) as object
      const read = eventFromJson(json)
      assert.deepEqual(comparable({ ...read, data: 0 }), comparable({ ...written, data: 0 }))
      if (Object.hasOwn(json, 'data')) assert.deepEqual(JSON.parse(text(read.data)), JSON.parse(text(written.data)))
      else assert.deepEqual([...read.data], [...written.data])
    }),
  )
})

test('JSON of an event is on one line whatever its data', () => {
  fc.assert(
    fc.property(jsonData, (data) => {
      const line = eventToJson(makeEvent({ subject: 'a', contentType: 'application/json', data }))
      assert.doesNotMatch(line, /[\r\n]/)
      assert.deepEqual(JSON.parse(line).data ?? null, JSON.parse(text(data)))
    }),
  )
})

test('data without a content type is JSON, text is plain text', () => {
  const json = eventFromJson({ subject: 'a', data: { x: [1, null] } })
  assert.deepEqual([json.contentType, text(json.data)], ['application/json', '{"x":[1,null]}'])
  const plain = eventFromJson({ subject: 'a', text: 'hé' })
  assert.deepEqual([plain.contentType, text(plain.data)], ['text/plain', 'hé'])
  const binary = eventFromJson({ subject: 'a', base64: '_-8' })
  assert.deepEqual([binary.contentType, ...binary.data], ['', 0xff, 0xef])
})

test('null as data is JSON null; elsewhere null is the default', () => {
  assert.equal(text(eventFromJson({ subject: 'a', data: null }).data), 'null')
  assert.equal(eventFromJson({ subject: 'a', id: null, ttlMs: null, attributes: null }).id, '')
})

test('JSON can be given as text, digits and all', () => {
  const exact = eventFromJson({ subject: 'a', contentType: 'application/json', text: '{"n":12345678901234567890}' })
  assert.match(eventToJson(exact), /"data":\{"n":12345678901234567890\}/)
})

test('what is wrong with an event is named: field, expected, came', () => {
  const cases: [unknown, RegExp][] = [
    [null, /^bad_event event: expected an object, came null/],
    [[], /came an array/],
    [{ subject: 7 }, /^bad_event event\.subject: expected a string, came 7/],
    [{}, /^bad_subject .*empty/],
    [{ subject: 'a b' }, /^bad_subject .*character 2 is a space/],
    [{ subject: 'a', collapsekey: 'x' }, /^bad_event event\.collapsekey: expected one of subject, .*came a field that/],
    [{ subject: 'a', data: 1, text: 'x' }, /only one of data, text and base64, came data and text together/],
    [{ subject: 'a', text: 5 }, /event\.text: expected a string, came 5/],
    [{ subject: 'a', base64: 'a' }, /event\.base64: expected base64, came the string "a"/],
    [{ subject: 'a', data: 1, contentType: 'text/plain' }, /event\.contentType: expected a JSON type beside data/],
    [
      { subject: 'a', publishedAtUs: '5' },
      /event\.publishedAtUs: expected an integer from 0 to 9007199254740991, came the/,
    ],
    [{ subject: 'a', publishedAtUs: 1e18 }, /publishedAtUs: expected an integer/],
    [{ subject: 'a', ttlMs: -1 }, /event\.ttlMs: expected an integer from 0 to 4294967295, came -1/],
    [{ subject: 'a', priority: 1.5 }, /event\.priority/],
    [{ subject: 'a', deleted: 'yes' }, /event\.deleted: expected true or false/],
    [{ subject: 'a', attributes: [] }, /event\.attributes: expected an object of strings, came an array/],
    [{ subject: 'a', attributes: { k: 1 } }, /event\.attributes\.k: expected a string, came 1/],
    [{ subject: 'a', id: '\ud800' }, /event\.id: expected a string without half surrogate pairs/],
  ]
  for (const [value, message] of cases) assert.match(refusal(value), message)
})

test('names of the prototype are fields like any other', () => {
  assert.match(refusal(JSON.parse('{"subject":"a","__proto__":1}')), /event\.__proto__: expected one of/)
  assert.match(refusal({ subject: 'a', constructor: 1 }), /event\.constructor/)
  const attributes = JSON.parse('{"__proto__":"x"}') as object
  assert.deepEqual(Object.entries(eventFromJson({ subject: 'a', attributes }).attributes), [['__proto__', 'x']])
})

test('data that is too deep to be printed is refused, not a crash', () => {
  assert.match(refusal({ subject: 'a', data: JSON.parse('['.repeat(100_000) + ']'.repeat(100_000)) }), /too deep/)
})
