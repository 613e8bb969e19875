import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeControl } from '../../src/wire/control.ts'
import { type DeliveryParts, encodeDelivery } from '../../src/wire/delivery.ts'
import { encodeEvent } from '../../src/wire/envelope.ts'
import { type Delivery, type Encoding, type Event, makeEvent } from '../../src/wire/frames.ts'
import { messages } from '../../src/wire/schema.ts'
import { delivery, embedded } from './arbitraries.ts'

function parts(frame: Omit<Delivery, 'kind'>): DeliveryParts {
  const { buffer, start, end } = embedded(encodeEvent(frame.event))
  return { ...frame, stream: frame.stream ?? '', event: buffer, eventStart: start, eventEnd: end }
}

function written(encoding: Encoding, frame: Omit<Delivery, 'kind'>): string {
  return encodeDelivery(encoding, parts(frame)).toString('utf8')
}

function eventText(fields: Partial<Event>): string {
  const event = makeEvent({ subject: 'a', ...fields })
  const text = written('json', { after: '', partition: 0, offset: 0, event })
  return text.slice('{"delivery":{"after":"","partition":0,"offset":0,"event":'.length, -2)
}

const bytes = (text: string) => new TextEncoder().encode(text)

test('protobuf clients get the envelope unchanged, byte for byte as the generated encoder writes it', () => {
  fc.assert(
    fc.property(delivery, (frame) => {
      const refs = frame.refs ?? []
      const expected = messages.ServerFrame.encode({ delivery: { ...frame, refs } }).finish()
      assert.deepEqual(encodeDelivery('proto', parts(frame)), expected)
    }),
  )
})

test('a delivery at partition 0 and offset 0 matches the generated encoder too', () => {
  const frame = { after: '', partition: 0, offset: 0, event: makeEvent({ subject: 'a' }), refs: [] }
  const expected = messages.ServerFrame.encode({ delivery: frame }).finish()
  assert.deepEqual(encodeDelivery('proto', parts(frame)), expected)
})

test("the envelope's bytes and the decoded event encode to the same text", () => {
  fc.assert(
    fc.property(delivery, (frame) => {
      for (const encoding of ['json', 'sse'] as const) {
        const expected = Buffer.from(encodeControl(encoding, { ...frame, stream: 'é"s' })).toString()
        assert.equal(written(encoding, { ...frame, stream: 'é"s' }), expected)
      }
    }),
    { numRuns: 300 },
  )
})

test('a delivery of each encoding has its documented form', () => {
  const event = makeEvent({ subject: 'a.b', contentType: 'application/json', data: bytes('{"x":1}'), publishedAtUs: 5 })
  const frame = { after: 'Eab', stream: 'events', partition: 3, offset: 7, event, refs: [1, 2] }
  const inner = '{"subject":"a.b","contentType":"application/json","data":{"x":1},"publishedAtUs":5}'
  assert.equal(
    written('json', frame),
    `{"delivery":{"after":"Eab","partition":3,"offset":7,"event":${inner},"refs":[1,2]}}`,
  )
  assert.equal(written('sse', frame), `data: {"stream":"events","partition":3,"offset":7,"event":${inner}}\n\n`)
  const { refs, ...toAll } = frame
  assert.equal(written('json', toAll), `{"delivery":{"after":"Eab","partition":3,"offset":7,"event":${inner}}}`)
})

test('fields at their defaults are absent', () => {
  assert.equal(eventText({}), '{"subject":"a"}')
  assert.equal(eventText({ deleted: true }), '{"subject":"a","deleted":true}')
})

test('JSON data keeps its digits', () => {
  const data = bytes('[12345678901234567890123, 1.0]')
  assert.equal(
    eventText({ contentType: 'application/json', data }),
    '{"subject":"a","contentType":"application/json","data":[12345678901234567890123, 1.0]}',
  )
})

test('line breaks in JSON data become spaces, so they cannot end a server-sent event', () => {
  const data = bytes('{\r\n"a":\n1}\r')
  assert.match(eventText({ contentType: 'application/json', data }), /"data":\{ {2}"a": 1\} \}$/)
})

test('invalid JSON never breaks a frame: it is sent as base64', () => {
  for (const broken of [
    '{"a":1',
    '1}',
    '"\n"',
    '{}{}',
    '{"a":01}',
    'NaN',
    '\ufeff1',
    '['.repeat(200) + ']'.repeat(200),
  ]) {
    const text = eventText({ contentType: 'application/json', data: bytes(broken) })
    assert.deepEqual(JSON.parse(text), {
      subject: 'a',
      contentType: 'application/json',
      base64: Buffer.from(broken).toString('base64'),
    })
  }
})

test('text is a string, or base64 if its bytes are not UTF-8', () => {
  const data = bytes('é"\\\u0000\u0001\b\f\n\r\t\u007f\u2028')
  assert.equal(
    JSON.parse(eventText({ contentType: 'text/plain', data })).text,
    'é"\\\u0000\u0001\b\f\n\r\t\u007f\u2028',
  )
  const latin = eventText({ contentType: 'text/plain', data: Uint8Array.of(0x61, 0xe9) })
  assert.equal(JSON.parse(latin).base64, 'Yek=')
})

test('data without a content type is base64', () => {
  assert.match(eventText({ data: bytes('{}') }), /"base64":"e30="/)
})

test('the form of the data follows each content type, also for two in a row of equal length', () => {
  const data = bytes('{"n":1}')
  assert.equal(
    eventText({ contentType: 'text/xx', data }),
    '{"subject":"a","contentType":"text/xx","text":"{\\"n\\":1}"}',
  )
  assert.equal(
    eventText({ contentType: 'foo/bar', data }),
    '{"subject":"a","contentType":"foo/bar","base64":"eyJuIjoxfQ=="}',
  )
  assert.equal(eventText({ contentType: 'text/xx', data }).includes('"text":'), true)
})

test('the last value of a repeated attribute wins', () => {
  const once = encodeEvent({ subject: 'a', attributes: { k: 'old' } })
  const again = encodeEvent({ subject: 'a', attributes: { k: 'new' } }).subarray(3)
  const event = Buffer.concat([once, again])
  const frame = { after: '', stream: 's', partition: 0, offset: 0, event, eventStart: 0, eventEnd: event.length }
  assert.match(encodeDelivery('json', frame).toString(), /"attributes":\{"k":"new"\}\}/)
})

test('encoding another frame does not change an earlier one', () => {
  const make = (id: string) => parts({ after: 'E', partition: 0, offset: 1, event: makeEvent({ subject: 'a', id }) })
  for (const encoding of ['json', 'proto', 'sse'] as const) {
    const first = encodeDelivery(encoding, make('first'))
    const copy = Buffer.from(first)
    encodeDelivery(encoding, make('other'))
    assert.deepEqual(first, copy)
  }
})

test('an event of a MiB in which every byte is escaped fits', () => {
  const data = new Uint8Array(1024 * 1024).fill(1)
  const text = eventText({ contentType: 'text/plain', data })
  assert.equal((JSON.parse(text) as { text: string }).text.length, data.length)
  assert.equal(eventText({ id: 'x' }), '{"subject":"a","id":"x"}')
})

test('an envelope that was never accepted is an error of the caller', () => {
  const event = Buffer.from([0xff])
  const frame = { after: '', stream: 's', partition: 0, offset: 0, event, eventStart: 0, eventEnd: 1 }
  assert.throws(() => encodeDelivery('json', frame), /must have been accepted/)
})
