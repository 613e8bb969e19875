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

test('a CloudEvent in binary mode is an event: fields from its attributes, extensions as attributes', () => {
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

test("NATS's headers say the same, percent-encoded", () => {
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

test('names of attributes have lowercase letters, whatever their headers have', () => {
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

test('trace context is no attribute; its traceparent counts where the record has no header of that name', () => {
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

test('without a time of its own, or with none of RFC 3339, it is of the record time', () => {
  assert.equal(take({ key: 'a', value: '1', headers: needed, timeMs: 9 }).event?.publishedAtUs, 9000)
  const { event } = take({ key: 'a', value: '1', headers: [...needed, ['ce_time', 'noon']], timeMs: 9 })
  assert.deepEqual([event!.publishedAtUs, event!.attributes.time], [9000, 'noon'])
})

test("the subject is the key; ce_subject where the key is the route's part of it, or absent", () => {
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

test('what is no CloudEvent in binary mode is refused, and the header that lacks is named', () => {
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
  const structured = causeOf([['content-type', 'Application/CloudEvents+JSON; charset=UTF-8']])
  assert.match(
    structured,
    /structured mode \(content-type Application\/CloudEvents\+JSON; charset=UTF-8\).*encoding to binary/,
  )
})

test('nothing of one record is left in the next', () => {
  const again = intakeOf({ format })
  again({ key: 'a', value: '1', headers: [...needed, ['ce_time', '2026-11-23T05:00:00Z'], ['content-type', 'a/b']] })
  const { event } = again({ key: 'b', value: '1', headers: needed, timeMs: 3 })
  assert.deepEqual([event!.publishedAtUs, event!.contentType], [3000, 'application/json'])
  assert.equal(again({ key: 'b', value: '1' }).reason, 'bad_envelope')
})
