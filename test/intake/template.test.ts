import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { type Headers, intakeOf } from './records.ts'

/** Records without keys, whose subjects are composed from headers, fields and constants. */

const taking = (subject: string, more: Parameters<typeof intakeOf>[0] = {}) =>
  intakeOf({ ...more, format: { format: 'raw', ...more?.format }, route: { subject, by: undefined }, partitions: 9 })

const orders = taking('orders.{header:region}.{json:id}')

const eu: Headers = [['region', 'eu']]

test('a subject is composed of constants, headers and fields of the value, for a record in any partition', () => {
  for (const partition of [0, 8]) {
    const { event } = orders({ value: '{"id":7,"total":12.50}', headers: [...eu, ['zone', '3']], partition })
    assert.deepEqual([event!.subject, Buffer.from(event!.data).toString()], ['orders.eu.7', '{"id":7,"total":12.50}'])
    assert.deepEqual({ ...event!.attributes }, { region: 'eu', zone: '3' })
  }
  assert.equal(taking('clock')({ value: 'x', key: 'k' }).event?.subject, 'clock')
  assert.equal(
    taking('a.x{json:b.c}-{header:d}')({ value: '{"b":{"c":"1"}}', headers: [['D', 'e']] }).event?.subject,
    'a.x1-e',
  )
})

test('strings, numbers and booleans are tokens, and numbers keep all digits', () => {
  const token = (value: string) => taking('{json:v}')({ value: `{"v": ${value}}` }).event?.subject
  assert.deepEqual(['"tür"', '7', '-7', '1e3', '12345678901234567890', 'true', '"\\u0061"'].map(token), [
    'tür',
    '7',
    '-7',
    '1000',
    '12345678901234567890',
    'true',
    'a',
  ])
})

test('a value that is not a token is refused as bad_subject, and the cause names its place', () => {
  const causeOf = (value: string | Buffer | null, headers: Headers = eu) => {
    const { reason, cause } = orders({ value, headers })
    assert.equal(reason, 'bad_subject')
    assert.match(cause!, /^the template "orders\.\{header:region\}\.\{json:id\}" makes no subject for it: /)
    return cause!
  }
  for (const text of ['a.b', 'a b', '*', 'a>', '']) {
    assert.match(
      causeOf('{"id":1}', [['region', text]]),
      text === '' ? /header region is empty/ : /header region is .*one token/,
    )
    assert.match(causeOf(JSON.stringify({ id: text })), text === '' ? /field id is empty/ : /field id is .*one token/)
  }
  assert.match(causeOf('{"id":1}', []), /it has no header region/)
  assert.match(causeOf('{"id":1}', [['region', null]]), /it has no header region/)
  assert.match(causeOf('{"id":1}', [['region', Buffer.from([0xff])]]), /header region is not UTF-8/)
  assert.match(causeOf('{"id":1}', [['region', 'a\u0007']]), /control character/)
  assert.match(causeOf(`{"id":"${'x'.repeat(250)}"}`), /255/)
  assert.match(causeOf(Buffer.from('{"id":"\xff"}', 'latin1')), /its value is not UTF-8/)
  assert.match(causeOf('{"id":1.5}'), /field id is .*one token/)
  for (const value of ['{}', '{"id":null}', '{"id":{}}', '{"id":[1]}', '[1]', '1', 'null', '{"a":{"id":1}}']) {
    assert.match(causeOf(value), /expected a string, a number or a boolean as its field id/)
  }
  assert.match(causeOf('no json'), /its value is not JSON/)
  assert.match(causeOf(null), /it has no value/)
})

test('a null value deletes the subject composed from headers', () => {
  const { event } = taking('orders.{header:region}')({ value: null, headers: eu })
  assert.deepEqual([event!.subject, event!.deleted], ['orders.eu', true])
})

test("fields are read after a schema registry's frame", () => {
  const framed = taking('a.{json:id}', { format: { framing: 'confluent' } })
  const value = Buffer.concat([Buffer.from('000000002a', 'hex'), Buffer.from('{"id":1}')])
  assert.deepEqual(
    [framed({ value }).event?.subject, { ...framed({ value }).event?.attributes }],
    ['a.1', { schemaId: '42' }],
  )
  assert.equal(framed({ value: '{"id":1}' }).reason, 'bad_framing')
})

test('one record leaves nothing in the next', () => {
  assert.equal(orders({ value: '{"id":1}', headers: eu }).event?.subject, 'orders.eu.1')
  assert.equal(orders({ value: '{"id":1}', headers: [] }).reason, 'bad_subject')
  assert.equal(orders({ value: '{"id":2}', headers: eu }).event?.subject, 'orders.eu.2')
})

test('any record has its composed subject or is refused', () => {
  const text = fc.oneof(fc.string(), fc.constantFrom('a', 'b.c', '*'))
  fc.assert(
    fc.property(text, fc.oneof(text, fc.jsonValue()), (region, id) => {
      const { event, reason } = orders({ value: JSON.stringify({ id }), headers: [['region', region]] })
      if (event === undefined) assert.equal(reason, 'bad_subject')
      else assert.deepEqual(event.subject.split('.'), ['orders', region, String(id)])
    }),
  )
})

test('a value that is too large to read fields from is refused, and the limit is named; a template without fields has none', () => {
  const value = (bytes: number) => JSON.stringify({ id: 1, rest: 'x'.repeat(bytes - 18) })
  assert.equal(Buffer.from(value(1000)).length, 1000)
  const small = taking('a.{json:id}', { format: { maxJsonBytes: 1000 }, maxEventBytes: 4096 })
  assert.equal(small({ value: value(1000) }).event?.subject, 'a.1')
  const { reason, cause } = small({ value: value(1001) })
  assert.deepEqual(
    [reason, /1001 bytes, and fields are read from 1000 at most \(maxJsonBytes of the stream\)/.test(cause!)],
    ['bad_subject', true],
  )
  const usual = taking('a.{json:id}', { maxEventBytes: 1_000_000 })
  assert.equal(usual({ value: value(65_536) }).event?.subject, 'a.1')
  assert.equal(usual({ value: value(65_537) }).reason, 'bad_subject')
  const byHeader = taking('a.{header:region}', { maxEventBytes: 1_000_000 })
  assert.equal(byHeader({ value: value(100_000), headers: eu }).event?.subject, 'a.eu')
})
