import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CarillonError } from '../../src/base/errors.ts'
import { deliveredEvent, eventFromJson, eventToJson } from '../../src/wire/event-json.ts'
import { makeEvent } from '../../src/wire/frames.ts'
import { comparable, jsonData, publishable } from './arbitraries.ts'

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const fromText = (json: string) => eventFromJson(JSON.parse(json), json)
const fromValue = (value: unknown) => fromText(JSON.stringify(value))

function refusal(value: unknown): string {
  try {
    fromValue(value)
  } catch (error) {
    assert.ok(error instanceof CarillonError)
    return `${error.code} ${error.message}`
  }
  return ''
}

test('an event survives JSON and back, and its JSON data keeps its value', () => {
  fc.assert(
    fc.property(publishable, (written) => {
      const json = JSON.parse(eventToJson(written)) as object
      const read = fromValue(json)
      assert.deepEqual(comparable({ ...read, data: 0 }), comparable({ ...written, data: 0 }))
      if (Object.hasOwn(json, 'data')) assert.deepEqual(JSON.parse(text(read.data)), JSON.parse(text(written.data)))
      else assert.deepEqual([...read.data], [...written.data])
    }),
  )
})

test('the JSON of an event is on one line for any data', () => {
  fc.assert(
    fc.property(jsonData, (data) => {
      const line = eventToJson(makeEvent({ subject: 'a', contentType: 'application/json', data }))
      assert.doesNotMatch(line, /[\r\n]/)
      assert.deepEqual(JSON.parse(line).data ?? null, JSON.parse(text(data)))
    }),
  )
})

test('data without a content type is JSON, text is plain text', () => {
  const json = fromValue({ subject: 'a', data: { x: [1, null] } })
  assert.deepEqual([json.contentType, text(json.data)], ['application/json', '{"x":[1,null]}'])
  const plain = fromValue({ subject: 'a', text: 'hé' })
  assert.deepEqual([plain.contentType, text(plain.data)], ['text/plain', 'hé'])
  const binary = fromValue({ subject: 'a', base64: '_-8' })
  assert.deepEqual([binary.contentType, ...binary.data], ['', 0xff, 0xef])
})

test('null as data is JSON null; elsewhere null is the default', () => {
  assert.equal(text(fromValue({ subject: 'a', data: null }).data), 'null')
  assert.equal(fromValue({ subject: 'a', id: null, ttlMs: null, attributes: null }).id, '')
})

test('JSON can be sent as text and keeps its digits', () => {
  const exact = fromValue({ subject: 'a', contentType: 'application/json', text: '{"n":12345678901234567890}' })
  assert.match(eventToJson(exact), /"data":\{"n":12345678901234567890\}/)
})

test('an error in an event names the field, the expected type and the value received', () => {
  const cases: [unknown, RegExp][] = [
    [null, /^bad_event event: expected an object, got null/],
    [[], /got an array/],
    [{ subject: 7 }, /^bad_event event\.subject: expected a string, got 7/],
    [{}, /^bad_subject .*empty/],
    [{ subject: 'a b' }, /^bad_subject .*character 2 is a space/],
    [
      { subject: 'a', collapsekey: 'x' },
      /^bad_event event\.collapsekey: expected one of subject, .*got an unknown field/,
    ],
    [{ subject: 'a', data: 1, text: 'x' }, /only one of data, text and base64, got data and text together/],
    [{ subject: 'a', text: 5 }, /event\.text: expected a string, got 5/],
    [{ subject: 'a', base64: 'a' }, /event\.base64: expected base64, got the string "a"/],
    [{ subject: 'a', data: 1, contentType: 'text/plain' }, /event\.contentType: expected a JSON type with data/],
    [
      { subject: 'a', publishedAtUs: '5' },
      /event\.publishedAtUs: expected an integer from 0 to 9007199254740991, got the/,
    ],
    [{ subject: 'a', publishedAtUs: 1e18 }, /publishedAtUs: expected an integer/],
    [{ subject: 'a', ttlMs: -1 }, /event\.ttlMs: expected an integer from 0 to 4294967295, got -1/],
    [{ subject: 'a', priority: 1.5 }, /event\.priority/],
    [{ subject: 'a', deleted: 'yes' }, /event\.deleted: expected true or false/],
    [{ subject: 'a', attributes: [] }, /event\.attributes: expected an object of strings, got an array/],
    [{ subject: 'a', attributes: { k: 1 } }, /event\.attributes\.k: expected a string, got 1/],
    [{ subject: 'a', id: '\ud800' }, /event\.id: expected a string without half surrogate pairs/],
  ]
  for (const [value, message] of cases) assert.match(refusal(value), message)
})

test('names of the prototype are ordinary fields', () => {
  assert.match(refusal(JSON.parse('{"subject":"a","__proto__":1}')), /event\.__proto__: expected one of/)
  assert.match(refusal({ subject: 'a', constructor: 1 }), /event\.constructor/)
  const attributes = JSON.parse('{"__proto__":"x"}') as object
  assert.deepEqual(Object.entries(fromValue({ subject: 'a', attributes }).attributes), [['__proto__', 'x']])
})

test('data is copied unchanged: digits, order and repeated names', () => {
  const data = '{"n":12345678901234567890,"big":1e999,"b":1,"1":-0,"1":1.50, "deep":[{"data":1}]}'
  const event = fromText(`{"data":1,"subject":"a","data": ${data} }`)
  assert.equal(text(event.data), data)
  assert.ok(eventToJson(event).includes(`"data":${data}`))
})

test('data of any depth is accepted, and delivered as base64 if it is too deep for frames', () => {
  const deep = '['.repeat(100_000) + ']'.repeat(100_000)
  const event = fromText(`{"subject":"a","data":${deep}}`)
  assert.equal(text(event.data), deep)
  assert.match(eventToJson(event), /"base64":"W1tb/)
})

test('a deletion has no payload', () => {
  for (const payload of [{ data: null }, { text: '' }, { base64: 'aA==' }]) {
    const [name] = Object.keys(payload)
    const message = refusal({ subject: 'a', deleted: true, ...payload })
    assert.match(message, new RegExp(`^bad_event event\\.${name}: expected no payload with deleted`))
  }
  assert.equal(fromValue({ subject: 'a', deleted: true }).deleted, true)
  assert.equal(fromValue({ subject: 'a', deleted: false, text: 'x' }).deleted, false)
})

test('a delivery too deep to stringify is refused without a crash', () => {
  const data = JSON.parse('['.repeat(100_000) + ']'.repeat(100_000)) as unknown
  assert.throws(() => deliveredEvent({ subject: 'a', data }, 'delivery.event'), /too deep/)
})
