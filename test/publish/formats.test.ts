import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { allowAll } from '../../src/identity/grant.ts'
import { Publisher } from '../../src/publish/publisher.ts'
import type { RouteConfig } from '../../src/routing/options.ts'
import { RoutingTable } from '../../src/routing/table.ts'
import type { OutRecord } from '../../src/source/source.ts'
import { type Event, makeEvent } from '../../src/wire/frames.ts'
import { type StreamFormat, streamFormatDefaults } from '../../src/wire/stream-format.ts'
import { intakeOf } from '../intake/records.ts'
import { ModelBroker } from '../model/broker.ts'
import { comparable, event, jsonData } from '../wire/arbitraries.ts'

/** Keeps published records, as a broker of that kind would. */
class Shelf extends ModelBroker {
  readonly records: OutRecord[] = []

  override publish(stream: Parameters<ModelBroker['publish']>[0], records: readonly OutRecord[]) {
    this.records.push(...records)
    return super.publish(stream, records)
  }
}

interface Spec {
  readonly format: Partial<StreamFormat>
  readonly route?: Partial<RouteConfig>
  readonly kind?: string
}

/** Publishes the event and reads its record. */
async function roundTrip(published: Event, { format, route = {}, kind = 'kafka' }: Spec) {
  const broker = Object.assign(new Shelf('s', 4), { kind })
  const config: RouteConfig = { subject: '{key}', stream: 's', by: { hash: 'java' }, ...route }
  const full = { ...streamFormatDefaults, ...format }
  const options = { source: broker, routing: new RoutingTable([config]), maxEventBytes: 4096 }
  await new Publisher({ ...options, stream: () => broker.info, format: () => full }).publish([published], allowAll)
  const { partition, key, value, headers = {} } = broker.records[0]!
  const read = intakeOf({ format, route: config, partitions: 4, maxEventBytes: 4096 })
  const record = { partition, key, value, headers: Object.entries(headers), timeMs: 5 }
  return { ...read(record), key: key === null ? null : Buffer.from(key).toString(), value, headers }
}

/** An event that a raw record can hold; id and time of publication are not read back. */
const rawEvent = event.map((each) => {
  const { subject, data, contentType, attributes } = each
  return makeEvent({ subject, data, contentType: contentType || 'text/plain', attributes, id: 'i', publishedAtUs: 7 })
})

test('an event published to a raw stream is read back as it was, but for id and time', async () => {
  await fc.assert(
    fc.asyncProperty(rawEvent, fc.constantFrom('{key}', 'a.{key}'), async (each, subject) => {
      const published = { ...each, subject: subject.slice(0, -'{key}'.length) + each.subject }
      const { event: got, key, value } = await roundTrip(published, { format: { format: 'raw' }, route: { subject } })
      assert.deepEqual(comparable(got), comparable({ ...published, id: '', publishedAtUs: 5000 }))
      assert.equal(key, each.subject)
      assert.deepEqual(Buffer.from(value!), Buffer.from(published.data), 'the data alone')
    }),
    { numRuns: 100 },
  )
})

const extension = fc.dictionary(
  fc.constantFrom('zone', 'source', 'dataschema', 'x1'),
  fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => text.isWellFormed()),
)
const cloudEvent = fc
  .record({
    data: jsonData,
    attributes: extension,
    subject: fc.constantFrom('a.b', 'ü.1.2'),
    us: fc.integer({ min: 1, max: 2e15 }),
  })
  .map(({ us, ...each }) =>
    makeEvent({ ...each, id: 'ö 1%41', type: 't"', contentType: 'application/json', publishedAtUs: us }),
  )

test('an event published to a cloudevents stream is read back as it was, on Kafka and on NATS', async () => {
  await fc.assert(
    fc.asyncProperty(
      cloudEvent,
      fc.constantFrom('kafka', 'jetstream'),
      fc.constantFrom(undefined, 1),
      async (published, kind, tokens) => {
        const route: Partial<RouteConfig> = { by: { hash: 'java', tokens } }
        const { event: got, headers } = await roundTrip(published, { format: { format: 'cloudevents' }, route, kind })
        const source = published.attributes.source ?? 'carillon'
        assert.deepEqual(comparable(got), comparable({ ...published, attributes: { ...published.attributes, source } }))
        const names = Object.keys(headers)
        assert.ok(names.includes(kind === 'kafka' ? 'ce_id' : 'ce-id'), names.join())
        if (kind !== 'kafka') for (const text of Object.values(headers)) assert.match(String(text), /^[!-~]*$/)
      },
    ),
    { numRuns: 100 },
  )
})

test('ce_subject is the subject without the prefix, as the key is', async () => {
  const published = makeEvent({ subject: 'shop.c1.paid', id: 'i', type: 't' })
  const route: Partial<RouteConfig> = { subject: 'shop.{key}', by: { hash: 'java', tokens: 1 } }
  const { event: got, key, headers } = await roundTrip(published, { format: { format: 'cloudevents' }, route })
  assert.deepEqual([got?.subject, key, headers.ce_subject], ['shop.c1.paid', 'c1', 'c1.paid'])
})

test('an accepted event is not too large when it is read back, whatever its format adds', async () => {
  for (const format of ['event', 'raw', 'cloudevents'] as const) {
    const refused: number[] = []
    for (let bytes = 4000; bytes <= 4096; bytes++) {
      const type = format === 'raw' ? '' : 't'
      const data = Buffer.alloc(bytes)
      const published = makeEvent({ subject: 'a', id: 'i', type, data, publishedAtUs: 5000 })
      const got = await roundTrip(published, { format: { format } }).catch(({ code }) => code)
      if (got === 'event_too_large') refused.push(bytes)
      else assert.equal(got.event?.data.length, bytes, `${format}, ${bytes} bytes: ${got.reason}`)
    }
    assert.ok(refused.length > 10 && refused.length < 90, `${format}: ${refused.length}`)
  }
})

test('a deletion is a null value under the key in every format', async () => {
  for (const format of ['event', 'raw', 'cloudevents'] as const) {
    const deleted = makeEvent({ subject: 'shop.c1', deleted: true })
    const {
      event: got,
      value,
      key,
    } = await roundTrip(deleted, { format: { format }, route: { subject: 'shop.{key}' } })
    assert.deepEqual([got?.subject, got?.deleted, value, key], ['shop.c1', true, null, 'c1'])
  }
})

test('a raw stream is published only attributes that it gives to subscribers', async () => {
  const published = makeEvent({ subject: 'a', data: Buffer.from('1'), attributes: { zone: 'n', origin: 'x' } })
  const formatOf = (headers: StreamFormat['headers']) => ({ format: { format: 'raw', headers } }) as const
  for (const headers of ['all', ['origin', 'zone']] as const) {
    const { event: got } = await roundTrip(published, formatOf(headers))
    assert.deepEqual({ ...got?.attributes }, { zone: 'n', origin: 'x' })
  }
  for (const headers of ['none', ['zone', 'Origin']] as const) {
    const message =
      headers === 'none' ? /got "zone", and it takes no headers/ : /got "origin".*name it in streams.s.headers/
    await assert.rejects(roundTrip(published, formatOf(headers)), { code: 'bad_event', message })
  }
  const without = { ...published, attributes: {}, contentType: 'text/plain' }
  assert.equal((await roundTrip(without, formatOf('none'))).event?.contentType, 'text/plain')
})

test('a deletion carries nothing that its subscribers would not be given', async () => {
  for (const format of ['event', 'raw', 'cloudevents'] as const) {
    for (const [name, value] of Object.entries({ type: 't', ttlMs: 5, collapseKey: 'c', priority: 1 })) {
      const deleted = makeEvent({ subject: 'a', deleted: true, [name]: value })
      const message = new RegExp(`a deletion is a record .* has no place for ${name}`)
      await assert.rejects(roundTrip(deleted, { format: { format } }), { code: 'bad_event', message })
    }
    const deleted = makeEvent({ subject: 'a', deleted: true, attributes: { zone: 'n' } })
    const message = /no place for the attribute "zone"/
    await assert.rejects(roundTrip(deleted, { format: { format } }), { code: 'bad_event', message })
  }
})

test('a raw record has its content type in a header only where it is another than that of the stream', async () => {
  const json = makeEvent({ subject: 'a', contentType: 'application/json', data: Buffer.from('1') })
  assert.deepEqual((await roundTrip(json, { format: { format: 'raw' } })).headers, {})
  const { headers } = await roundTrip({ ...json, contentType: 'text/plain' }, { format: { format: 'raw' } })
  assert.deepEqual(headers, { 'content-type': 'text/plain' })
})

test('a field that a format cannot hold is refused, and named', async () => {
  const refuses = (fields: Partial<Event>, format: Partial<StreamFormat>, message: RegExp) =>
    assert.rejects(roundTrip(makeEvent({ subject: 'a', id: 'i', ...fields }), { format }), {
      code: 'bad_event',
      message,
    })
  const raw = { format: 'raw' } as const
  await refuses({ ttlMs: 5 }, raw, /stream s, whose format is raw, has no place for ttlMs, got 5/)
  await refuses({ type: 't' }, raw, /no place for type/)
  await refuses({ attributes: { Traceparent: 'x' } }, raw, /no place for attributes, got "Traceparent"/)
  const cloud = { format: 'cloudevents' } as const
  await refuses({}, cloud, /needs an id and a type, got id "i" and type ""/)
  await refuses({ type: 't', priority: 1 }, cloud, /no place for priority/)
  await refuses({ type: 't', attributes: { baggage: 'x' } }, cloud, /no place for attributes, got "baggage"/)
  await refuses({ type: 't', attributes: { subject: 'x' } }, cloud, /no place for attributes, got "subject"/)
  for (const contentType of ['application/cloudevents+json', 'Application/CloudEvents-batch+json; charset=utf-8'])
    await refuses({ type: 't', contentType }, cloud, /"[Aa]pplication.* is read as a structured CloudEvent/)
  await refuses({ type: 't', attributes: { dataSchema: 'x' } }, cloud, /no place for attributes, got "dataSchema"/)
  await refuses({}, { framing: 'confluent' }, /schema registry's framing.*publish to the broker/)
})
