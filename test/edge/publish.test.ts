import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CarillonError } from '../../src/base/errors.ts'
import { makeEvent } from '../../src/wire/frames.ts'
import { decodePublishResponse, encodePublishRequest } from '../../src/wire/publish.ts'
import { ManualClock } from '../model/clock.ts'
import { type Answer, ask, postJson, RawClient } from '../support/http.ts'
import { until, withEdge } from './harness.ts'

const path = '/v1/publish'
const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

test('one event is published with an id and a time, and answered with its position', async (t) => {
  const clock = new ManualClock()
  const { port, publisher } = await withEdge(t, {}, clock)
  const answer = await postJson(port, path, { subject: 'a.b', data: { x: 1 } })
  assert.equal(answer.status, 200)
  assert.deepEqual(answer.json, { results: [{ after: 'after-100', stream: 'events', partition: 3, offset: 100 }] })
  const [event] = publisher.calls[0]!.events
  assert.equal(event!.subject, 'a.b')
  assert.equal(Buffer.from(event!.data).toString(), '{"x":1}')
  assert.match(event!.id, /^[0-9a-f]{8}-[0-9a-f]{4}-4/)
  assert.equal(event!.publishedAtUs, clock.nowUs())
  assert.deepEqual(publisher.calls[0]!.options, {})
})

test("the publisher's own id, time and traceparent are kept", async (t) => {
  const { port, publisher } = await withEdge(t)
  const events = [{ subject: 'a', id: 'mine', publishedAtUs: 77 }, { subject: 'b' }]
  const answer = await postJson(port, path, { events }, { traceparent: trace })
  assert.equal(answer.json.results.length, 2)
  assert.equal(publisher.calls[0]!.events[0]!.id, 'mine')
  assert.equal(publisher.calls[0]!.events[0]!.publishedAtUs, 77)
  assert.notEqual(publisher.calls[0]!.events[1]!.id, '')
  assert.deepEqual(publisher.calls[0]!.options, { traceparent: trace })
  await postJson(port, path, { subject: 'a' }, { traceparent: 'nonsense' })
  assert.deepEqual(publisher.calls[1]!.options, {})
})

test('a protobuf request is answered in protobuf', async (t) => {
  const { port, publisher } = await withEdge(t)
  for (const type of ['application/x-protobuf', 'application/protobuf']) {
    const body = encodePublishRequest([
      makeEvent({ subject: 'a', data: Buffer.from([0, 255]) }),
      makeEvent({ subject: 'b' }),
    ])
    const answer = await ask(port, path, { method: 'POST', headers: { 'Content-Type': type }, body })
    assert.equal(answer.status, 200)
    assert.equal(answer.headers['content-type'], 'application/x-protobuf')
    const results = decodePublishResponse(Buffer.from(answer.text, 'latin1'))
    assert.deepEqual(
      results.map(({ offset }) => offset),
      [100, 101],
    )
  }
  assert.deepEqual([...publisher.calls[0]!.events[0]!.data], [0, 255])
})

const cloudEvent = { specversion: '1.0', id: 'i-1', source: '/shop', type: 'order.paid', subject: 'orders.c1' }

test('a CloudEvent in structured mode is published under its subject attribute', async (t) => {
  const { port, publisher } = await withEdge(t)
  const time = '2026-11-23T05:00:00.123456Z'
  const body = `{"data":{"n":12345678901234567890},"time":"${time}","zone":7,"traceparent":"${trace}","baggage":"u=a",${JSON.stringify(cloudEvent).slice(1)}`
  const headers = { 'Content-Type': 'application/cloudevents+json; charset=UTF-8' }
  const answer = await ask(port, path, { method: 'POST', headers, body })
  assert.deepEqual([answer.status, answer.json.results.length], [200, 1])
  const [{ events, options }] = publisher.calls as [(typeof publisher.calls)[0]]
  assert.equal(Buffer.from(events[0]!.data).toString(), '{"n":12345678901234567890}')
  const { subject, id, type, contentType, publishedAtUs, attributes } = events[0]!
  assert.deepEqual([subject, id, type, contentType], ['orders.c1', 'i-1', 'order.paid', 'application/json'])
  assert.equal(publishedAtUs, Date.UTC(2026, 10, 23, 5) * 1000 + 123_456)
  assert.deepEqual({ ...attributes }, { source: '/shop', zone: '7' })
  assert.deepEqual(options, { traceparent: trace })
  await ask(port, path, { method: 'POST', headers: { ...headers, traceparent: trace.replace('-b7', '-c7') }, body })
  assert.deepEqual(
    publisher.calls[1]!.options,
    { traceparent: trace.replace('-b7', '-c7') },
    'the request says it first',
  )
})

const attributes = {
  'ce-specversion': '1.0',
  'ce-id': 'i-1',
  'ce-source': '/shop',
  'ce-type': 'order.paid',
  'ce-subject': 'orders.c1',
}

test('a CloudEvent in binary mode is published: attributes from headers, the body is the data', async (t) => {
  const clock = new ManualClock()
  const { port, publisher } = await withEdge(t, {}, clock)
  const send = (headers: Record<string, string>, body: string | Uint8Array) =>
    ask(port, path, { method: 'POST', headers: { ...attributes, ...headers }, body })
  const time = '2026-11-23T05:00:00.123456Z'
  const more = { 'CE-Time': time, 'ce-zone': '7', 'ce-traceparent': trace, 'ce-baggage': 'u=a' }
  const { status, json } = await send({ 'Content-Type': 'application/json', ...more }, '{"n":12345678901234567890}')
  assert.deepEqual([status, json.results.length], [200, 1])
  const [{ events, options }] = publisher.calls as [(typeof publisher.calls)[0]]
  const event = events[0]!
  assert.deepEqual(
    [event.subject, event.id, event.type, event.contentType],
    ['orders.c1', 'i-1', 'order.paid', 'application/json'],
  )
  assert.equal(Buffer.from(event.data).toString(), '{"n":12345678901234567890}')
  assert.equal(event.publishedAtUs, Date.UTC(2026, 10, 23, 5) * 1000 + 123_456)
  assert.deepEqual({ ...event.attributes }, { source: '/shop', zone: '7' })
  assert.deepEqual(options, { traceparent: trace })
  // The data may have any media type, even one that is a body form in other requests, or none.
  const bytes = Uint8Array.of(0, 0xff, 0x0a)
  for (const type of ['application/x-protobuf', 'image/png', 'text/plain;charset=utf-8', '']) {
    const answer = await send(type === '' ? {} : { 'Content-Type': type }, bytes)
    assert.equal(answer.json.results.length, 1, type)
    const { contentType, data, publishedAtUs } = publisher.calls.at(-1)!.events[0]!
    assert.deepEqual([contentType, [...data], publishedAtUs], [type, [...bytes], clock.nowUs()])
  }
  await send({ 'ce-datacontenttype': 'text/csv' }, '')
  const { contentType, data } = publisher.calls.at(-1)!.events[0]!
  assert.deepEqual([contentType, data.length], ['text/csv', 0])
})

test('attributes in headers may be quoted and percent-encoded', async (t) => {
  const { port, publisher } = await withEdge(t)
  const written: [header: string, value: string][] = [
    ['Euro%20%E2%82%AC%20%f0%9f%98%80', 'Euro € 😀'],
    ['"a \\"quoted\\" %22b%22"', 'a "quoted" "b"'],
    ['100% of %zz', '100% of %zz'],
    ['%2541', '%41'],
  ]
  for (const [header, value] of written) {
    const headers = { ...attributes, 'ce-note': header }
    assert.equal((await ask(port, path, { method: 'POST', headers, body: 'x' })).status, 200, header)
    assert.equal(publisher.calls.at(-1)!.events[0]!.attributes.note, value)
  }
})

test('an error in a CloudEvent in binary mode names its header', async (t) => {
  const { port, publisher } = await withEdge(t)
  const without = (...names: string[]) => Object.entries(attributes).filter(([name]) => !names.includes(name))
  const whole = without()
  const refusals: [headers: [string, string][], code: string, message: RegExp][] = [
    [without('ce-id'), 'bad_event', /^ce-id: expected a value, which CloudEvents 1\.x requires, got nothing/],
    [[['ce-region', 'eu']], 'bad_event', /^ce-specversion: /],
    [[...without('ce-specversion'), ['ce-specversion', '0.3']], 'bad_event', /^ce-specversion: expected 1\.x/],
    [without('ce-subject'), 'bad_subject', /^ce-subject: expected the subject to publish to, got nothing/],
    [[...without('ce-subject'), ['ce-subject', 'a.*']], 'bad_subject', /^ce-subject: .*wildcard/],
    [[...whole, ['ce-time', 'noon']], 'bad_event', /^ce-time: expected an RFC 3339 time/],
    [[...whole, ['ce-my-part', '1']], 'bad_event', /^ce-my-part: expected a name of lowercase letters and digits/],
    [[...whole, ['ce-data', '1']], 'bad_event', /^ce-data: expected the data in the body/],
    [[...whole, ['ce-note', '%ff']], 'bad_event', /^ce-note: expected percent-encoded UTF-8/],
    [[...whole, ['ce-note', 'caf\u00e9s']], 'bad_event', /^ce-note: expected percent-encoded UTF-8/],
  ]
  for (const [headers, code, message] of refusals) {
    const typed = { ...Object.fromEntries(headers), 'Content-Type': 'application/json' }
    const { status, json } = await ask(port, path, { method: 'POST', headers: typed, body: '{}' })
    assert.deepEqual([status, json.error.code], [400, code], String(message))
    assert.match(json.error.message, message)
  }
  const raw = new RawClient(port)
  const lines = [...whole, ['ce-id', 'i-2']].map(([name, value]) => `${name}: ${value}`)
  raw.send(`POST ${path} HTTP/1.1`, 'Host: localhost', ...lines, 'Content-Length: 0', '', '')
  await until('it is refused', () => raw.text.includes('ce-id: expected the header once'))
  assert.equal(publisher.calls.length, 0)
})

test('`ce-` headers of a CloudEvent in structured or batched mode are ignored', async (t) => {
  const { port, publisher } = await withEdge(t)
  const send = (type: string, event: unknown) => {
    const headers = { ...attributes, 'ce-id': 'other', 'ce-subject': 'a.*', 'Content-Type': type }
    return ask(port, path, { method: 'POST', headers, body: JSON.stringify(event) })
  }
  assert.equal((await send('Application/CloudEvents+json', cloudEvent)).status, 200)
  assert.equal((await send('application/cloudevents-batch+json', [cloudEvent])).status, 200)
  assert.deepEqual(
    publisher.calls.map(({ events }) => [events[0]!.id, events[0]!.subject]),
    [
      ['i-1', 'orders.c1'],
      ['i-1', 'orders.c1'],
    ],
  )
  assert.equal((await send('application/cloudevents+avro', cloudEvent)).json.error.code, 'unsupported_media_type')
})

test('CloudEvents in batched mode are published together, all or none', async (t) => {
  const clock = new ManualClock()
  const { port, publisher } = await withEdge(t, { maxPublishEvents: 3 }, clock)
  const send = (events: unknown) =>
    ask(port, path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/cloudevents-batch+json' },
      body: JSON.stringify(events),
    })
  const second = { ...cloudEvent, id: 'i-2', datacontenttype: 'text/plain', data: 'hi' }
  const third = { ...cloudEvent, id: 'i-3', data: { n: [1, 'x'] } }
  assert.equal((await send([cloudEvent, second, third])).json.results.length, 3)
  const { events } = publisher.calls[0]!
  assert.deepEqual(
    events.map(({ id, contentType, data, publishedAtUs }) => [
      id,
      contentType,
      Buffer.from(data).toString(),
      publishedAtUs,
    ]),
    [
      ['i-1', '', '', clock.nowUs()],
      ['i-2', 'text/plain', 'hi', clock.nowUs()],
      ['i-3', 'application/json', '{"n":[1,"x"]}', clock.nowUs()],
    ],
  )
  const refusals: [events: unknown, code: string, message: RegExp][] = [
    [
      [cloudEvent, { ...cloudEvent, subject: undefined }],
      'bad_subject',
      /\[1\]\.subject: expected the subject .* got nothing/,
    ],
    [[{ ...cloudEvent, subject: 'a.*' }], 'bad_subject', /\[0\]\.subject.*wildcard/],
    [[{ ...cloudEvent, time: 'noon' }], 'bad_event', /\[0\]\.time: expected an RFC 3339 time/],
    [[{ ...cloudEvent, id: undefined }], 'bad_event', /\[0\]\.id/],
    [cloudEvent, 'bad_request', /expected an array of CloudEvents, got an object: .* application\/cloudevents\+json$/],
    [[], 'bad_request', /1 to 3 events/],
    [[cloudEvent, cloudEvent, cloudEvent, cloudEvent], 'bad_request', /1 to 3 events/],
  ]
  for (const [body, code, message] of refusals) {
    const { status, json } = await send(body)
    assert.deepEqual([status, json.error.code], [400, code])
    assert.match(json.error.message, message)
  }
  assert.equal(publisher.calls.length, 1)
  const headers = { 'Content-Type': 'application/cloudevents+json' }
  const { json } = await ask(port, path, { method: 'POST', headers, body: JSON.stringify([cloudEvent]) })
  assert.match(json.error.message, /expected one CloudEvent, got an array: .* application\/cloudevents-batch\+json$/)
})

test('a batch with one wrong event publishes nothing and names its index', async (t) => {
  const { port, publisher } = await withEdge(t)
  const answer = await postJson(port, path, { events: [{ subject: 'a' }, { subject: 'b', ttl: 3 }] })
  assert.equal(answer.status, 400)
  assert.equal(answer.json.error.code, 'bad_event')
  assert.match(answer.json.error.message, /events\[1\].*ttl/)
  assert.equal(publisher.calls.length, 0)
})

test('a request with too many events is refused before any of them is read', async (t) => {
  const { port } = await withEdge(t, { maxPublishEvents: 2 })
  // None of them is a valid event.
  const bodies: [body: string | Uint8Array, type: string][] = [
    ['{"events":[1,2,3]}', 'application/json'],
    ['[1,2,3]', 'application/cloudevents-batch+json'],
    [Buffer.from([0x0a, 1, 0xff, 0x0a, 1, 0xff, 0x0a, 1, 0xff]), 'application/x-protobuf'],
  ]
  for (const [body, type] of bodies) {
    const { json } = await ask(port, path, { method: 'POST', headers: { 'Content-Type': type }, body })
    assert.deepEqual([json.error.code, json.error.message], ['bad_request', 'expected 1 to 2 events, got 3'], type)
  }
})

test('a body of the wrong form is refused with an error that names its form', async (t) => {
  const { port, publisher } = await withEdge(t, { maxPublishEvents: 2 })
  const refusals: [body: string | Uint8Array, type: string, status: number, code: string][] = [
    ['{', 'application/json', 400, 'bad_request'],
    [Buffer.from([0x22, 0xff, 0x22]), 'application/json', 400, 'bad_request'],
    ['[]', 'application/json', 400, 'bad_event'],
    ['{"subject":"a b"}', 'application/json', 400, 'bad_subject'],
    ['{"subject":"a.*"}', 'application/json', 400, 'bad_subject'],
    [`{"subject":"${'a'.repeat(256)}"}`, 'application/json', 400, 'bad_subject'],
    ['{"events":{}}', 'application/json', 400, 'bad_request'],
    ['{"events":[]}', 'application/json', 400, 'bad_request'],
    ['{"events":[],"subject":"a"}', 'application/json', 400, 'bad_request'],
    ['{"events":[{"subject":"a"},{"subject":"a"},{"subject":"a"}]}', 'application/json', 400, 'bad_request'],
    [Buffer.from([0xff, 0xff]), 'application/x-protobuf', 400, 'bad_request'],
    ['{"subject":"a"}', 'text/plain', 415, 'unsupported_media_type'],
    ['{"subject":"a"}', '', 415, 'unsupported_media_type'],
  ]
  for (const [body, type, status, code] of refusals) {
    const answer = await ask(port, path, { method: 'POST', headers: { 'Content-Type': type }, body })
    assert.deepEqual([answer.status, answer.json.error.code], [status, code], `${type} ${body}`)
  }
  assert.equal(publisher.calls.length, 0)
})

test('an error of the publisher is answered with its code', async (t) => {
  const { port, publisher, logged } = await withEdge(t)
  publisher.answer = () => Promise.reject(new CarillonError('broker_unavailable', 'away', { retryAfterMs: 1500 }))
  const away = await postJson(port, path, { subject: 'a' })
  assert.deepEqual([away.status, away.headers['retry-after'], away.json.error.code], [503, '2', 'broker_unavailable'])
  publisher.answer = () => Promise.reject(new TypeError('secret detail'))
  const fault = await postJson(port, path, { subject: 'a' })
  assert.equal(fault.status, 500)
  assert.ok(!fault.text.includes('secret'))
  const withheld = 'warn: a request for /v1/publish was refused: away'
  assert.deepEqual(logged, [withheld, 'error: a request failed'])
})

test('a body above the limit is refused, with and without Content-Length', async (t) => {
  const { port, edge } = await withEdge(t, { maxBodyBytes: 1000 })
  const announced = await postJson(port, path, { subject: 'a', text: 'x'.repeat(2000) })
  assert.deepEqual([announced.status, announced.json.error.code], [413, 'frame_too_large'])
  const raw = new RawClient(port)
  raw.send(
    `POST ${path} HTTP/1.1`,
    'Host: localhost',
    'Content-Type: application/json',
    'Transfer-Encoding: chunked',
    '',
    '',
  )
  for (let i = 0; i < 3; i++) raw.send('190', 'x'.repeat(400), '')
  await until('it is refused', () => raw.text.includes('413'))
  await until('it is closed', () => raw.closed)
  assert.equal(edge.counters.refused.frame_too_large, 2)
})

test('a body that does not arrive in time is refused, even if it keeps dripping', async (t) => {
  const clock = new ManualClock()
  const { port, edge } = await withEdge(t, { bodyMs: 10_000, maxBodies: 1 }, clock)
  const raw = new RawClient(port)
  raw.send(`POST ${path} HTTP/1.1`, 'Host: localhost', 'Content-Type: application/json', 'Content-Length: 100', '', '{')
  await until('its head is read', () => edge.counters.httpConnections === 1)
  let other: Answer
  do other = await postJson(port, path, { subject: 'a' })
  while (other.status === 200)
  assert.deepEqual([other.status, other.json.error.code], [503, 'overloaded'])
  for (let i = 0; i < 9; i++) {
    await clock.advance(1000)
    raw.send('"')
  }
  assert.equal(raw.text, '')
  await clock.advance(1100)
  await until('it is refused', () => raw.text.includes('408') && raw.text.includes('request_timeout'))
  await until('it is closed', () => raw.closed)
  assert.equal((await postJson(port, path, { subject: 'a' })).status, 200)
})

test('stalled bodies make room for others, of their own and of other addresses', async (t) => {
  const clock = new ManualClock()
  const { port, edge, refusals } = await withEdge(t, { maxBodies: 4 }, clock)
  const head = [`POST ${path} HTTP/1.1`, 'Host: localhost', 'Content-Type: application/json', 'Content-Length: 100']
  const slow = Array.from({ length: 4 }, () => new RawClient(port))
  for (const each of slow) each.send(...head, '', '{')
  await until('their heads are read', () => edge.counters.httpConnections === 4)
  const post = (localAddress: string) => {
    const headers = { 'Content-Type': 'application/json' }
    return ask(port, path, { method: 'POST', headers, body: '{"subject":"a.b"}', localAddress })
  }
  assert.equal((await post('127.0.0.2')).status, 200, 'an address that has none')
  await until(
    'one of the others made room',
    () => slow.filter(({ text }) => text.includes('request_timeout')).length === 1,
  )
  // All slots are used again, by bodies that keep sending.
  const last = new RawClient(port)
  last.send(...head, '', '{')
  await until('its head is read', () => edge.counters.httpConnections === 4)
  assert.equal((await post('127.0.0.1')).json.error.code, 'overloaded')
  await clock.advance(100)
  assert.equal((await post('127.0.0.1')).status, 200)
  assert.equal(refusals.counts().maxBodies, 3)
  assert.equal(refusals.rows().find(({ limit }) => limit === 'maxBodies')!.last, '127.0.0.1')
})

test('a body may come in pieces', async (t) => {
  const { port, publisher, edge } = await withEdge(t)
  const body = '{"subject":"a.b","text":"in pieces"}'
  const raw = new RawClient(port)
  raw.send(
    `POST ${path} HTTP/1.1`,
    'Host: localhost',
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
    '',
    '',
  )
  raw.socket.write(body.slice(0, 10))
  await until('its head is read', () => edge.counters.httpConnections === 1)
  for (const byte of body.slice(10)) {
    raw.socket.write(byte)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await until('it is answered', () => raw.text.includes('after-100'))
  assert.equal(Buffer.from(publisher.calls[0]!.events[0]!.data).toString(), 'in pieces')
})

test('a client that leaves during its body frees its slot', async (t) => {
  const { port, edge } = await withEdge(t, { maxBodies: 1 })
  const raw = new RawClient(port)
  raw.send(`POST ${path} HTTP/1.1`, 'Host: localhost', 'Content-Type: application/json', 'Content-Length: 100', '', '{')
  await until('its head is read', () => edge.counters.httpConnections === 1)
  raw.socket.destroy()
  await until('it has left', () => edge.counters.httpConnections === 0)
  assert.equal((await postJson(port, path, { subject: 'a' })).status, 200)
})

test('publish requests above the limit of those that wait for the broker are refused', async (t) => {
  const { port, publisher } = await withEdge(t, { maxPublishes: 1 })
  const { answer } = publisher
  let release = () => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  publisher.answer = (events) => held.then(() => answer(events))
  const first = postJson(port, path, { subject: 'a' })
  await until('it is with the broker', () => publisher.calls.length === 1)
  const second = await postJson(port, path, { subject: 'a' })
  assert.deepEqual([second.status, second.json.error.code], [503, 'overloaded'])
  release()
  assert.equal((await first).status, 200)
  assert.equal((await postJson(port, path, { subject: 'a' })).status, 200)
})

test('a failed publish request makes room again', async (t) => {
  const { port, publisher } = await withEdge(t, { maxPublishes: 1 })
  const { answer } = publisher
  publisher.answer = () => Promise.reject(new CarillonError('broker_unavailable', 'away'))
  assert.equal((await postJson(port, path, { subject: 'a' })).json.error.code, 'broker_unavailable')
  publisher.answer = answer
  assert.equal((await postJson(port, path, { subject: 'a' })).status, 200)
})

test('a foreign page and a foreign Host header cannot publish', async (t) => {
  const { port, publisher } = await withEdge(t, { allowOrigin: ['https://app.example'] })
  const status = async (headers: Record<string, string>) => {
    const answer = await postJson(port, path, { subject: 'a' }, headers)
    return [answer.status, answer.json.error?.code]
  }
  assert.deepEqual(await status({ Origin: 'https://evil.example' }), [403, 'origin_refused'])
  // DNS rebinding: the name of the page's host points here.
  const rebound = { Host: `evil.example:${port}`, Origin: `http://evil.example:${port}` }
  assert.deepEqual(await status(rebound), [403, 'origin_refused'])
  assert.deepEqual(await status({ Host: 'evil.example' }), [403, 'origin_refused'])
  assert.deepEqual(await status({ Host: 'app.example' }), [403, 'publish_closed'])
  assert.equal(publisher.calls.length, 0)
  assert.deepEqual(await status({ Host: `localhost:${port}`, Origin: `http://localhost:${port}` }), [200, undefined])
  assert.deepEqual(await status({ Origin: 'https://app.example' }), [200, undefined])
})

test('publishing is closed on a listener that other hosts can reach', async (t) => {
  const { port, publisher } = await withEdge(t, { host: '0.0.0.0' })
  const answer = await postJson(port, path, { subject: 'a' })
  assert.deepEqual([answer.status, answer.json.error.code], [403, 'publish_closed'])
  assert.equal(publisher.calls.length, 0)
})

test('numbers in JSON data reach the broker digit by digit, alone and in a batch', async (t) => {
  const { port, publisher } = await withEdge(t)
  const data = '{"n":12345678901234567890,"big":1e999,"x":1.0}'
  const headers = { 'Content-Type': 'application/json' }
  for (const body of [
    `{"subject":"a","data":${data}}`,
    ` { "events" : [ {"subject":"a","data":1} , { "subject":"b" , "data" : ${data} } ] }`,
  ]) {
    assert.equal((await ask(port, path, { method: 'POST', headers, body })).status, 200)
    assert.equal(Buffer.from(publisher.calls.at(-1)!.events.at(-1)!.data).toString(), data)
  }
})

test('a deletion with a payload is refused in JSON and in protobuf', async (t) => {
  const { port, publisher } = await withEdge(t)
  const json = await postJson(port, path, { events: [{ subject: 'a' }, { subject: 'a', deleted: true, text: 'x' }] })
  assert.deepEqual([json.status, json.json.error.code], [400, 'bad_event'])
  assert.match(json.json.error.message, /^events\[1\]\.text: expected no payload with deleted/)
  const body = encodePublishRequest([makeEvent({ subject: 'a', deleted: true, data: Buffer.from('x') })])
  const type = { 'Content-Type': 'application/x-protobuf' }
  const proto = await ask(port, path, { method: 'POST', headers: type, body })
  assert.deepEqual([proto.status, proto.json.error.code], [400, 'bad_event'])
  assert.match(proto.json.error.message, /^events\[0\]: expected no data with deleted.*got 1 bytes/)
  assert.equal(publisher.calls.length, 0)
})

test('an error for a wrong subject in a batch names its index', async (t) => {
  const { port } = await withEdge(t)
  const answer = await postJson(port, path, { events: [{ subject: 'a' }, { subject: 'a..b' }] })
  assert.equal(answer.json.error.code, 'bad_subject')
  assert.match(answer.json.error.message, /^events\[1\]: subject "a\.\.b"/)
})

test('an unknown parameter is refused, as elsewhere', async (t) => {
  const { port, publisher } = await withEdge(t)
  const answer = await postJson(port, `${path}?sync=1`, { subject: 'a' })
  assert.deepEqual([answer.status, answer.json.error.code], [400, 'bad_request'])
  assert.match(answer.json.error.message, /expected no parameters, got "sync"/)
  assert.equal(publisher.calls.length, 0)
})
