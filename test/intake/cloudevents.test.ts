import assert from 'node:assert/strict'
import test from 'node:test'
import { makeEvent } from '../../src/wire/frames.ts'
import { comparable } from '../wire/arbitraries.ts'
import { type Headers, intakeOf } from './records.ts'

const format = { format: 'cloudevents' } as const
const take = intakeOf({ format })

const needed: Headers = [
  ['ce_specversion', '1.0'],
  ['ce_id', 'i-1'],
  ['ce_source', '/shop'],
  ['ce_type', 'order.paid'],
]

test('a CloudEvent in binary mode becomes an event: fields from its attributes, extensions as attributes', () => {
  const headers: Headers = [
    ...needed,
    ['ce_time', '2026-11-23T05:00:00.123456Z'],
    ['ce_dataschema', 'https://example.com/s'],
    ['ce_zone', 'süd'],
    ['content-type', 'text/plain'],
    ['internal', 'stays'],
    ['ce_', 'no name'],
  ]
  const { event } = take({ key: 'order.c1', value: 'hi', headers })
  const expected = makeEvent({
    subject: 'order.c1',
    id: 'i-1',
    type: 'order.paid',
    contentType: 'text/plain',
    data: Buffer.from('hi'),
    publishedAtUs: Date.UTC(2026, 10, 23, 5) * 1000 + 123_456,
    attributes: { dataschema: 'https://example.com/s', zone: 'süd', source: '/shop' },
  })
  assert.deepEqual(comparable(event), comparable(expected))
})

test("NATS's headers are equivalent, but percent-encoded", () => {
  const headers: Headers = [
    ...needed.map(([name, value]) => [String(name).replace('_', '-'), value] as const),
    ['ce-subject', 'order.c1'],
    ['ce-zone', 's%C3%BCd %zz 100%'],
    ['ce-datacontenttype', 'text/plain'],
  ]
  const { event } = take({ key: 'order.c1', value: 'hi', headers })
  assert.deepEqual([event!.id, event!.type, event!.contentType], ['i-1', 'order.paid', 'text/plain'])
  assert.deepEqual({ ...event!.attributes }, { zone: 'süd %zz 100%', source: '/shop' })
})

test('attribute names are lower-case, in any case of the headers', () => {
  for (const separator of ['_', '-']) {
    const headers: Headers = [
      ...needed.map(([name, value]) => [`Ce${separator}${String(name).slice(3).toUpperCase()}`, value] as const),
      [`Ce${separator}Subject`, 'order.c1'],
      [`CE${separator}Region`, 'EU'],
      [`Ce${separator}${'Long'.repeat(30)}`, 'x'],
      ['Content-Type', 'text/plain'],
    ]
    const { event, cause } = take({ key: 'order.c1', value: 'hi', headers })
    assert.deepEqual(
      [event?.id, event?.type, event?.contentType, cause],
      ['i-1', 'order.paid', 'text/plain', undefined],
    )
    assert.deepEqual({ ...event!.attributes }, { region: 'EU', ['long'.repeat(30)]: 'x', source: '/shop' })
  }
})

test('trace context is not an attribute; its traceparent is used if the record has no such header', () => {
  const intake = intakeOf({ format })
  const traceWith = (...headers: Headers) => {
    const { event, trace } = intake({ key: 'a', value: '1', headers: [...needed, ...headers] })
    assert.deepEqual({ ...event!.attributes }, { source: '/shop' })
    return trace
  }
  const [own, extension] = ['00-1-own', '00-1-extension']
  assert.equal(
    traceWith(['ce_traceparent', extension], ['ce_tracestate', 'a=b'], ['Ce-Baggage', 'user=alice']),
    extension,
  )
  assert.equal(traceWith(['Ce-Traceparent', extension], ['Traceparent', own], ['baggage', 'user=alice']), own)
  assert.equal(traceWith(), undefined)
})

test('a missing or invalid time is replaced by the record time', () => {
  assert.equal(take({ key: 'a', value: '1', headers: needed, timeMs: 9 }).event?.publishedAtUs, 9000)
  const { event } = take({ key: 'a', value: '1', headers: [...needed, ['ce_time', 'noon']], timeMs: 9 })
  assert.deepEqual([event!.publishedAtUs, event!.attributes.time], [9000, 'noon'])
})

test("the subject is the key; it is ce_subject if the key is the route's part of it, or absent", () => {
  const subjectWith = (key: string | null, subject: string, route = {}) => {
    const { event, cause } = intakeOf({ format, route })({
      key,
      value: '1',
      headers: [...needed, ['ce_subject', subject]],
    })
    return [event?.subject ?? cause, event?.attributes.subject]
  }
  const byTwo = { subjects: '>', by: { hash: 'java', tokens: 2 } } as const
  assert.deepEqual(subjectWith('order.c1', 'order.c1'), ['order.c1', undefined])
  assert.deepEqual(subjectWith('c1', 'mynewfile.jpg'), ['c1', 'mynewfile.jpg'])
  assert.deepEqual(subjectWith('c1', 'not a subject'), ['c1', 'not a subject'])
  assert.deepEqual(subjectWith('order.c1', 'order.c1.paid', byTwo), ['order.c1.paid', undefined])
  assert.deepEqual(subjectWith('order.c1', 'order.c2.paid', byTwo), ['order.c1', 'order.c2.paid'])
  assert.deepEqual(subjectWith(null, 'order.c1'), ['order.c1', undefined])
  const below = { subject: 'shop.{key}', by: { hash: 'java', tokens: 1 } } as const
  assert.deepEqual(subjectWith('c1', 'c1.paid', below), ['shop.c1.paid', undefined])
  assert.deepEqual(subjectWith('c1', 'shop.c1', below), ['shop.c1', 'shop.c1'])
})

test('a null value is a deletion, with or without CloudEvents attributes', () => {
  const plain = take({ key: 'a', value: null, headers: [['reason', 'x']] }).event!
  assert.deepEqual([plain.subject, plain.deleted, { ...plain.attributes }], ['a', true, {}])
  const told = take({ key: 'a', value: null, headers: needed }).event!
  assert.deepEqual([told.deleted, told.id, told.attributes.source], [true, 'i-1', '/shop'])
  assert.equal(take({ key: null, value: null }).reason, 'no_subject')
})

test('a record that is not a CloudEvent in binary mode is refused, with the missing header', () => {
  const causeOf = (headers: Headers) => {
    const { reason, cause } = take({ key: 'a', value: '{}', headers })
    assert.equal(reason, 'bad_envelope')
    return cause!
  }
  for (const [name] of needed) {
    assert.match(causeOf(needed.filter(([each]) => each !== name)), new RegExp(`no header ${name}`))
  }
  assert.match(causeOf(needed.map(([name, value]) => [name, name === 'ce_id' ? '' : value])), /no header ce_id/)
  assert.match(causeOf([...needed.slice(1), ['ce_specversion', '0.3']]), /CloudEvents 1\.x, its specversion is 0\.3/)
  assert.match(causeOf([...needed, ['ce_zone', Buffer.from([0xff])]]), /attribute zone is not UTF-8/)
  for (const type of [
    'application/cloudevents-batch+json',
    'application/cloudevents+avro',
    'application/cloudevents',
  ]) {
    assert.match(
      causeOf([['content-type', type]]),
      /content-type is .*only single CloudEvents in JSON.*: let its producer use application\/cloudevents\+json/,
    )
  }
})

/** Structured mode. */
const structured: Headers = [['Content-Type', 'Application/CloudEvents+JSON; charset=UTF-8']]
const plain = { specversion: '1.0', id: 'i-1', source: '/shop', type: 'order.paid' }

test('a CloudEvent in structured mode becomes the same event as in binary mode', () => {
  const trace = '00-1-2-01'
  const more = {
    time: '2026-11-23T05:00:00.123456Z',
    subject: 'order.c1',
    dataschema: 'https://example.com/s',
    zone: 'süd',
  }
  const attributes = { ...plain, ...more, traceparent: trace, baggage: 'user=alice' }
  const value = `{ "data": {"n": 12345678901234567890 }, ${JSON.stringify(attributes).slice(1)}`
  const headers = [...Object.entries({ ...attributes }).map(([name, text]) => [`ce_${name}`, text] as const)]
  for (const key of ['order.c1', null]) {
    const inJson = take({ key, value, headers: structured })
    const binary = take({ key, value: '{"n": 12345678901234567890 }', headers })
    assert.deepEqual(comparable(inJson.event), comparable(binary.event))
    assert.equal(inJson.event!.contentType, 'application/json')
    assert.deepEqual(
      { ...inJson.event!.attributes },
      { dataschema: 'https://example.com/s', zone: 'süd', source: '/shop' },
    )
    assert.deepEqual([inJson.trace, binary.trace], [trace, trace])
  }
})

test('data in structured mode is unchanged JSON, a string, or base64, by its content type', () => {
  const dataOf = (fields: object) => {
    const { event, cause } = take({ key: 'a', value: JSON.stringify({ ...plain, ...fields }), headers: structured })
    return [event ? Buffer.from(event.data).toString() : cause, event?.contentType]
  }
  assert.deepEqual(dataOf({ data: 'a' }), ['"a"', 'application/json'])
  assert.deepEqual(dataOf({ data: 'a', datacontenttype: 'text/plain' }), ['a', 'text/plain'])
  assert.deepEqual(dataOf({ data: [1], datacontenttype: 'application/x+json' }), ['[1]', 'application/x+json'])
  assert.deepEqual(dataOf({ data_base64: 'aGk=', datacontenttype: 'a/b' }), ['hi', 'a/b'])
  assert.deepEqual(dataOf({ data_base64: 'aGk=' }), ['hi', ''])
  assert.deepEqual(dataOf({ data: null }), ['', ''])
  assert.match(dataOf({ data: {}, datacontenttype: 'text/plain' })[0]!, /event\.data: expected a string/)
})

test('numbers and booleans become attributes as strings, and null is absent', () => {
  const value = JSON.stringify({ ...plain, n: 7, on: true, off: null, time: null })
  const { event } = take({ key: 'a', value, headers: [...structured, ['ce_zone', 'of the header']], timeMs: 9 })
  assert.deepEqual({ ...event!.attributes }, { n: '7', on: 'true', source: '/shop' })
  assert.equal(event!.publishedAtUs, 9000)
})

test('a record that is not a CloudEvent in structured mode is refused, with the error', () => {
  const causeOf = (value: string | Uint8Array) => {
    const { reason, cause } = take({ key: 'a', value, headers: structured })
    assert.equal(reason, 'bad_envelope')
    return cause!
  }
  const of = (fields: object) => causeOf(JSON.stringify({ ...plain, ...fields }))
  assert.match(causeOf('{'), /structured mode, and its value can't be used: it is not JSON/)
  assert.match(causeOf('[]'), /expected an object, got an array/)
  assert.match(causeOf(Buffer.from([0x22, 0xff, 0x22])), /not UTF-8/)
  for (const name of Object.keys(plain))
    assert.match(of({ [name]: undefined }), new RegExp(`event\\.${name}: expected`))
  assert.match(of({ specversion: '0.3' }), /expected 1\.x/)
  assert.match(of({ zone: {} }), /event\.zone: expected a string, a number or a boolean, got an object/)
  assert.match(of({ dataSchema: 'x' }), /event\.dataSchema: expected a name of lowercase letters/)
  assert.match(of({ data: 1, data_base64: 'aGk=' }), /only one of data and data_base64/)
  assert.match(of({ data_base64: 'a' }), /expected base64/)
})

test("a null value is a deletion with any content type, and structured mode removes a schema registry's frame", () => {
  assert.equal(take({ key: 'a', value: null, headers: structured }).event?.deleted, true)
  assert.equal(take({ key: 'a', value: null, headers: [...needed, ...structured] }).event?.deleted, true)
  const framed = intakeOf({ format: { ...format, framing: 'confluent' } })
  const value = Buffer.concat([Buffer.from('000000002a', 'hex'), Buffer.from(JSON.stringify({ ...plain, data: 1 }))])
  const { event } = framed({ key: 'a', value, headers: structured })
  assert.deepEqual([event!.id, Buffer.from(event!.data).toString(), event!.attributes.schemaId], ['i-1', '1', '42'])
  assert.equal(framed({ key: 'a', value: JSON.stringify(plain), headers: structured }).reason, 'bad_framing')
})

test('one record leaves nothing in the next', () => {
  const again = intakeOf({ format })
  again({ key: 'a', value: '1', headers: [...needed, ['ce_time', '2026-11-23T05:00:00Z'], ['content-type', 'a/b']] })
  const { event } = again({ key: 'b', value: '1', headers: needed, timeMs: 3 })
  assert.deepEqual([event!.publishedAtUs, event!.contentType], [3000, 'application/json'])
  assert.equal(again({ key: 'b', value: '1' }).reason, 'bad_envelope')
})
