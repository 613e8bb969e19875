import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MsgImpl } from '@nats-io/transport-node'
import fc from 'fast-check'
import { Delivery, formatTime, parseTime } from '../../src/source/jetstream/delivery.ts'
import { encodeHeaders } from '../../src/source/jetstream/headers.ts'
import { KeyPrefix, MessageView } from '../../src/source/jetstream/message-view.ts'
import type { OutRecord } from '../../src/source/source.ts'
import { seen } from './collector.ts'

/** A message in the library's shape: subject and data in one buffer of the socket, or in two. */
function message(subject: string, headers: Buffer, value: Uint8Array, whole = true): MsgImpl {
  const name = Buffer.from(subject)
  const piece = Buffer.concat([Buffer.from('HMSG '), name, Buffer.from(' 1 2 3\r\n'), headers, value])
  const bytes = whole ? piece.subarray(5, 5 + name.length) : Uint8Array.from(name)
  const data = piece.subarray(piece.length - headers.length - value.length)
  const argument = { subject: bytes, sid: 1, hdr: headers.length === 0 ? -1 : headers.length, size: data.length }
  return new MsgImpl(argument, data, undefined as never)
}

const delivery = new Delivery()
delivery.streamSequence = 7
delivery.timeMs = 1_763_878_932_123

function shown(subject: string, headers: Buffer, value: Uint8Array, whole = true) {
  const view = new MessageView()
  view.set(message(subject, headers, value, whole), delivery, 3, new KeyPrefix('n.3.'))
  return { ...seen(view), epoch: view.generation, foreign: view.foreign }
}

const none = Buffer.alloc(0)

test('a message is shown as a record: key, value, time and generation', () => {
  const { partition, offset, timeMs, epoch, key, value, trace, headers } = shown('n.3.a.b', none, Buffer.from('v'))
  assert.deepEqual([partition, offset, key, value, trace, headers.size], [3, 7, 'a.b', 'v', null, 0])
  assert.deepEqual([timeMs, epoch], [delivery.timeMs, delivery.timeMs % 2 ** 32])
})

test('a record is shown as it was published, however its bytes were split', () => {
  const bytes = fc.uint8Array({ maxLength: 40 })
  const value = fc.uint8Array({ maxLength: 12 }).map((array) => array.filter((byte) => byte !== 10 && byte !== 13))
  const name = fc
    .stringMatching(/^[a-zA-Z][a-zA-Z0-9_-]{0,11}$/)
    .filter((text) => !/^nats-|^carillon-null$/i.test(text))
  const headersOf = fc.dictionary(name, value, { maxKeys: 4, noNullPrototype: true })
  fc.assert(
    fc.property(fc.option(bytes), headersOf, fc.boolean(), fc.boolean(), (payload, headers, traced, whole) => {
      const all: Record<string, string | Uint8Array> = { ...headers }
      for (const each of Object.keys(all)) if (each.toLowerCase() === 'traceparent') delete all[each]
      if (traced) all.traceparent = '00-trace'
      const record: OutRecord = { partition: 3, key: Buffer.from('k'), value: payload, headers: all }
      const got = shown('n.3.k', encodeHeaders(record, 'id.1'), payload ?? none, whole)
      assert.equal(got.value, payload === null ? null : Buffer.from(payload).toString('latin1'))
      assert.equal(got.trace, traced ? '00-trace' : null)
      const expected = Object.entries(all).map(([key, each]) => [key, Buffer.from(each as string).toString('latin1')])
      assert.deepEqual([...got.headers].sort(), expected.sort())
    }),
  )
})

test('a null key or value differs from an empty one', () => {
  const headers = (record: Partial<OutRecord>) =>
    encodeHeaders({ partition: 3, key: null, value: null, ...record }, 'i')
  const both = shown('n.3._', headers({}), none)
  assert.deepEqual([both.key, both.value, both.headers.size], [null, null, 0])
  assert.equal(shown('n.3.k', headers({ key: none, value: none }), none).value, '')
  assert.equal(shown('n.3._', headers({ value: none }), Buffer.from('v')).key, null)
  const marker = Buffer.from('NATS/1.0\r\nNats-Marker-Reason: MaxAge\r\nNats-TTL: 60s\r\n\r\n')
  assert.deepEqual([shown('n.3.k', marker, none).value, shown('n.3.k', marker, none).headers.size], [null, 0])
})

test('a header that would mark a null key or value is refused in any case of letters', () => {
  for (const name of ['Carillon-Null', 'carillon-null', 'NATS-MARKER-REASON', 'nats-marker-reason', 'Nats-X']) {
    const record = { partition: 3, key: Buffer.from('k'), value: none, headers: { [name]: 'value' } }
    assert.throws(() => encodeHeaders(record, 'i'), { code: 'bad_event', message: new RegExp(`got "${name}"`) })
  }
  const headers = { 'nats-x': 'value' }
  const other = shown('n.3.k', encodeHeaders({ partition: 3, key: Buffer.from('k'), value: none, headers }, 'i'), none)
  assert.deepEqual([other.key, other.value, [...other.headers]], ['k', '', [['nats-x', 'value']]])
})

test("a subject outside the partition's prefix is shown whole, as foreign", () => {
  const foreign = ['other.thing.x', 'b', 'n.3', 'n.3.', 'n.33.k', 'm.3.k', 'n']
  for (const whole of [true, false]) {
    for (const subject of foreign) {
      const { key, foreign: expected } = shown(subject, none, Buffer.from('v'), whole)
      assert.deepEqual([key, expected], [subject, 'n.3.'])
    }
    const { key, foreign: expected } = shown('n.3.k', none, Buffer.from('v'), whole)
    assert.deepEqual([key, expected], ['k', undefined])
  }
})

test('headers of other writers are read: no space after the colon, a traceparent in other case', () => {
  const { trace, headers } = shown('n.3.k', Buffer.from('NATS/1.0\r\nTraceparent:00-x\r\nA:  b \r\n\r\n'), none)
  assert.equal(trace, '00-x')
  assert.equal(headers.get('A'), ' b ')
})

test('a reply subject contains sequences, time and pending messages, in the short and the long form', () => {
  const read = (reply: string) => {
    const own = new Delivery()
    const is = own.read(Buffer.from(reply))
    return is && [own.streamSequence, own.consumerSequence, own.timeMs, own.timeNs, own.pending]
  }
  const numbers = '1.4711.12.1763878932123456789.99'
  const expected = [4711, 12, 1_763_878_932_123, 456_789, 99]
  assert.deepEqual(read(`$JS.ACK.shop-0.consumer.${numbers}`), expected)
  assert.deepEqual(read(`$JS.ACK._.aBcD.shop-0.consumer.${numbers}`), expected)
  assert.deepEqual(read(`$JS.ACK.hub.aBcD.shop-0.consumer.${numbers}.random`), expected)
  for (const other of ['$JS.FC.shop-0.consumer.x', '_INBOX.a', '', '$JS.ACK.', `$JS.ACK.a.b.c.${numbers}`]) {
    assert.equal(read(other), false, other)
  }
})

test('a time keeps its nanoseconds when it is formatted for the API and parsed again', () => {
  for (const text of [
    '2026-11-23T06:22:12.123456789Z',
    '2026-11-23T06:22:12.000000001Z',
    '1970-01-01T00:00:00.000000000Z',
  ]) {
    const { timeMs, timeNs } = parseTime(text)
    assert.equal(formatTime(timeMs, timeNs), text)
  }
  assert.deepEqual(parseTime('2026-11-23T06:22:12Z'), parseTime('2026-11-23T06:22:12.000000000Z'))
  assert.deepEqual(parseTime('2026-11-23T06:22:12.12Z'), parseTime('2026-11-23T06:22:12.120000000Z'))
  assert.equal(formatTime(999, 999_999 + 1), '1970-01-01T00:00:01.000000000Z')
  assert.equal(parseTime('2026-11-23T06:22:12.1234567Z').timeNs, 456_700)
})
