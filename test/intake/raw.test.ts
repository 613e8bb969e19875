import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { makeEvent } from '../../src/wire/frames.ts'
import { comparable } from '../wire/arbitraries.ts'
import { intakeOf } from './records.ts'

const raw = intakeOf({ format: { format: 'raw' } })

test('a raw record becomes an event: subject from the key, data unchanged, published at the record time', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('a', 'order.c1', 'tür.7'),
      fc.uint8Array({ maxLength: 40 }),
      fc.nat(),
      (key, value, timeMs) => {
        const data = Buffer.from(value)
        const expected = { subject: key, contentType: 'application/json', data, publishedAtUs: timeMs * 1000 }
        assert.deepEqual(comparable(raw({ key, value: data, timeMs }).event), comparable(makeEvent(expected)))
      },
    ),
  )
})

test("the route's prefix precedes the key", () => {
  const prefixed = intakeOf({ format: { format: 'raw' }, route: { subject: 'shop.orders.{key}' } })
  assert.equal(prefixed({ key: 'c1', value: '1' }).event?.subject, 'shop.orders.c1')
  assert.equal(prefixed({ key: 'shop.orders.c1', value: '1' }).event?.subject, 'shop.orders.shop.orders.c1')
})

test('a null value deletes the key, an empty one is an event without data', () => {
  const deletion = raw({ key: 'a', value: null, headers: [['by', 'x']] }).event!
  assert.deepEqual([deletion.subject, deletion.deleted, deletion.contentType], ['a', true, ''])
  assert.deepEqual({ ...deletion.attributes }, { by: 'x' })
  const empty = raw({ key: 'a', value: '' }).event!
  assert.deepEqual([empty.deleted, empty.data.length], [false, 0])
})

test("a content-type header of any case overrides the stream's, unless it is not text", () => {
  const typeOf = (...headers: [string, string | Uint8Array | null][]) => {
    const { contentType, attributes } = raw({ key: 'a', value: '1', headers }).event!
    assert.deepEqual({ ...attributes }, {})
    return contentType
  }
  assert.equal(typeOf(['content-type', 'text/plain']), 'text/plain')
  assert.equal(typeOf(['Content-Type', 'text/plain']), 'text/plain')
  assert.equal(typeOf(['content-type', '']), 'application/json')
  assert.equal(typeOf(['content-type', null]), 'application/json')
  assert.equal(typeOf(['content-type', Buffer.from([0xff])]), 'application/json')
  const plain = intakeOf({ format: { format: 'raw', contentType: '' } })
  assert.equal(plain({ key: 'a', value: '1' }).event?.contentType, '')
})

const headers = [
  ['zone', '7'],
  ['zone', '8'],
  ['tür', 'zu'],
  ['empty', ''],
  ['nothing', null],
  ['bytes', Buffer.from([0xff, 0xfe])],
  [Buffer.from([0xff]), 'x'],
  ['traceparent', '00-1-2-01'],
  ['Traceparent', '00-1-2-01'],
  ['tracestate', 'a=b'],
  ['TraceState', 'a=b'],
  ['baggage', 'a=b'],
  ['Baggage', 'a=b'],
  ['BAGGAGE', 'a=b'],
] as const

test('UTF-8 headers become attributes, the last of a name wins; trace context is dropped in any case', () => {
  const { event } = raw({ key: 'a', value: '1', headers })
  assert.deepEqual({ ...event!.attributes }, { zone: '8', tür: 'zu', empty: '' })
})

test('no headers, or only the listed ones, are taken if the stream says so', () => {
  const attributesWith = (wanted: 'none' | string[]) => {
    const take = intakeOf({ format: { format: 'raw', headers: wanted } })
    return { ...take({ key: 'a', value: '1', headers }).event!.attributes }
  }
  assert.deepEqual(attributesWith('none'), {})
  assert.deepEqual(attributesWith(['tür', 'traceparent', 'Baggage', 'zon']), { tür: 'zu' })
})

test('a key that is not a subject is refused with the rule it breaks', () => {
  const causeOf = (key: string | Uint8Array | null, value: string | null = '1') => {
    const { reason, cause } = raw({ key, value })
    assert.equal(reason, 'no_subject')
    return cause!
  }
  assert.match(causeOf(null), /it has no key/)
  assert.match(causeOf(''), /it has no key/)
  assert.match(causeOf('a b'), /"a b": character 2 is a space.*tokens joined by dots/)
  assert.match(causeOf('a..b'), /two dots in a row/)
  assert.match(causeOf('a.*'), /wildcard/)
  assert.match(causeOf('a'.repeat(256)), /255/)
  assert.match(
    causeOf(Buffer.from('00000000000004d2', 'hex')),
    /8 bytes, which look like a number \(0x00000000000004d2\)/,
  )
  assert.match(causeOf(Buffer.from('000000000763', 'hex')), /schema registry's frame \(schema 7\)/)
  assert.match(causeOf(Buffer.from('ff00ff', 'hex')), /3 bytes that are not text \(0xff00ff\)/)
  assert.match(causeOf('a b', null), /a null value deletes/)
})

test("a schema registry's frame is removed, and its schema becomes an attribute", () => {
  const framed = intakeOf({ format: { format: 'raw', framing: 'confluent' } })
  const value = Buffer.concat([Buffer.from('000000002a', 'hex'), Buffer.from('{"a":1}')])
  const { event } = framed({ key: 'a', value, headers: [['schemaId', 'the producer says']] })
  assert.equal(Buffer.from(event!.data).toString(), '{"a":1}')
  assert.deepEqual({ ...event!.attributes }, { schemaId: '42' })
  assert.equal(framed({ key: 'a', value: null }).event?.deleted, true)
})

test("for protobuf, by the record's content type, the message's path is removed too", () => {
  const framed = intakeOf({ format: { format: 'raw', framing: 'confluent' } })
  const value = Buffer.from('000000002a04020478', 'hex')
  const headers = [['content-type', 'application/x-protobuf']] as const
  const { event } = framed({ key: 'a', value, headers })
  assert.deepEqual(
    [Buffer.from(event!.data).toString(), { ...event!.attributes }],
    ['x', { schemaId: '42', messageIndexes: '1,2' }],
  )
  assert.equal(Buffer.from(framed({ key: 'a', value }).event!.data).toString('hex'), '04020478', 'as Avro has it')
  const cut = framed({ key: 'a', value: value.subarray(0, 6), headers })
  assert.equal(cut.reason, 'bad_framing')
  assert.match(cut.cause!, /no message indexes/)
})

test("a value without the stream's frame is refused, and the cause names the option", () => {
  const framed = intakeOf({ format: { format: 'raw', framing: 'confluent' } })
  const { reason, cause } = framed({ key: 'a', value: '{"a":1}' })
  assert.equal(reason, 'bad_framing')
  assert.match(cause!, /streams\.s\.framing is confluent.*begins with 0x7b226122/)
  assert.match(framed({ key: 'a', value: '' }).cause!, /begins with nothing/)
})

test('a record over the limit as an event is refused: headers count', () => {
  const small = intakeOf({ format: { format: 'raw' }, maxEventBytes: 100 })
  assert.ok(small({ key: 'a', value: Buffer.alloc(70) }).event)
  const { reason, cause } = small({ key: 'a', value: Buffer.alloc(70), headers: [['h', 'x'.repeat(20)]] })
  assert.equal(reason, 'too_large')
  assert.match(cause!, /maxEventBytes/)
  assert.ok(small({ key: 'a', value: '1' }).event, 'the next one is not')
})

test('the cause of a misrouted raw record names the mistake that its key shows', () => {
  const take = intakeOf({ format: { format: 'raw' }, partitions: 4, route: { subject: 'orders.{key}' } })
  const outcomes = [0, 1, 2, 3].map((partition) => take({ key: 'c7', value: '1', partition }))
  assert.equal(outcomes.filter(({ event }) => event?.subject === 'orders.c7').length, 1)
  assert.ok(outcomes.some(({ cause }) => cause?.includes('partitioner=murmur2_random')))
})
