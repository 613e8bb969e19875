import assert from 'node:assert/strict'
import test from 'node:test'
import { encodeEvent } from '../../src/wire/envelope.ts'
import { intakeOf } from './records.ts'

/** Streams of events; other formats have their own test files. */

const take = intakeOf()
const envelope = encodeEvent({ subject: 'a.b', id: 'i' })

test('a null value deletes the subject of its key', () => {
  const { event } = intakeOf({ route: { subject: 'orders.{key}' } })({ key: 'c1', value: null })
  assert.deepEqual([event!.subject, event!.deleted], ['orders.c1', true])
  assert.match(take({ key: 'a b', value: null }).cause!, /a null value deletes.*character 2 is a space/)
  assert.equal(take({ key: null, value: null }).reason, 'no_subject')
})

test("an envelope after a schema registry's protobuf frame is read if the stream says so", () => {
  const framed = intakeOf({ format: { framing: 'confluent' } })
  for (const frame of ['000000000100', '00000000010200']) {
    const { event } = framed({ key: 'a.b', value: Buffer.concat([Buffer.from(frame, 'hex'), envelope]) })
    assert.deepEqual([event!.id, { ...event!.attributes }], ['i', {}])
  }
  const { reason, cause } = framed({ key: 'a.b', value: envelope })
  assert.equal(reason, 'bad_framing')
  assert.match(cause!, /streams\.s\.framing is confluent, but its value does not begin with 0x00/)
})

test('for an unexpected frame, the cause names the option', () => {
  const { reason, cause } = take({ key: 'a.b', value: Buffer.concat([Buffer.from('000000010100', 'hex'), envelope]) })
  assert.equal(reason, 'bad_envelope')
  assert.match(cause!, /schema registry's frame \(0x00, schema 257\): set streams\.s\.framing: confluent/)
})

test('for a value that is not an event, the cause names the formats that fit it', () => {
  const json = take({ key: 'a', value: '{"open":true}' })
  assert.equal(json.reason, 'bad_envelope')
  assert.match(json.cause!, /not a carillon\.v1\.Event \(.+\).*set streams\.s\.format: raw/)
  const cloud = take({ key: 'a', value: '{}', headers: [['ce_specversion', '1.0']] })
  assert.match(cloud.cause!, /set streams\.s\.format: cloudevents/)
  const structured = take({ key: 'a', value: '{}', headers: [['Content-Type', 'application/cloudevents+json']] })
  assert.match(structured.cause!, /set streams\.s\.format: cloudevents/)
})

test('an event may be as large as the limit, but not larger', () => {
  const exact = intakeOf({ maxEventBytes: envelope.length })
  assert.ok(exact({ key: 'a.b', value: envelope }).event)
  assert.equal(exact({ key: 'a.b', value: Buffer.concat([envelope, envelope]) }).reason, 'too_large')
})

test('a record with a foreign NATS subject is refused in any format, and the cause names both subjects', () => {
  const record = { key: 'other.a.b', value: envelope, foreign: 'shop.0.' }
  for (const format of ['event', 'raw', 'cloudevents'] as const) {
    const { reason, cause } = intakeOf({ format: { format } })(record)
    assert.equal(reason, 'foreign_subject', format)
    assert.match(cause!, /NATS subject "other\.a\.b" does not begin with shop\.0\.,.*: let no other subject into/)
  }
})
