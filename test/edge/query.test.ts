import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CarillonError } from '../../src/base/errors.ts'
import { isOriginAllowed } from '../../src/edge/origin.ts'
import { parseQuery } from '../../src/edge/query.ts'
import { pollRequest, pollRequestFromJson, sseRequest } from '../../src/edge/subscribe-request.ts'
import { idleTimeoutSeconds } from '../../src/edge/websocket.ts'

const code = (expected: string, says: RegExp) => (error: CarillonError) => {
  assert.equal(error.code, expected)
  assert.match(error.message, says)
  return true
}

test('repeated parameters are kept in order, decoded, and a plus sign is a plus sign', () => {
  const parameters = parseQuery('subject=a.%2a&after=%402026-01-01T00:00:00+02:00&subject=b%2E%C3%BC', [
    'subject',
    'after',
  ])
  assert.deepEqual(parameters.get('subject'), ['a.*', 'b.ü'])
  assert.deepEqual(parameters.get('after'), ['@2026-01-01T00:00:00+02:00'])
})

test('broken percent-encoding, bytes that are not UTF-8 and unknown parameters are refused by name', () => {
  assert.throws(() => parseQuery('subject=%zz', ['subject']), code('bad_request', /percent-encoded UTF-8.*%zz/))
  assert.throws(() => parseQuery('subject=%ff%fe', ['subject']), code('bad_request', /percent-encoded UTF-8/))
  assert.throws(() => parseQuery('subject=a&sbuject=b', ['subject']), code('bad_request', /got "sbuject"/))
  assert.throws(() => parseQuery('__proto__=a', ['subject']), code('bad_request', /got "__proto__"/))
})

test('Last-Event-ID overrides after, also as the parameter that polyfills send', () => {
  assert.deepEqual(sseRequest('subject=a&after=old', 'new'), { subjects: ['a'], after: ['new'] })
  assert.deepEqual(sseRequest('subject=a&after=old&lastEventId=new', ''), { subjects: ['a'], after: ['new'] })
  assert.deepEqual(sseRequest('subject=a&last=5', 'new'), { subjects: ['a'], after: ['new'] })
  assert.deepEqual(sseRequest('subject=a&after=one&after=two', ''), { subjects: ['a'], after: ['one', 'two'] })
  assert.deepEqual(sseRequest('subject=a&after=', ''), { subjects: ['a'], after: [] })
})

test('the error for a request without a subject shows an example', () => {
  assert.throws(() => sseRequest('', ''), code('bad_request', /at least one subject/))
  assert.throws(() => pollRequestFromJson({ subjects: [] }), code('bad_request', /at least one subject/))
})

test('until is live or absent; with last it is live', () => {
  for (const [query, body, untilLive] of [
    ['', {}, false],
    ['&until=live', { until: 'live' }, true],
    ['&last=2', { last: 2 }, true],
  ] as const) {
    assert.equal(pollRequest(`subject=a${query}`).untilLive, untilLive, query)
    assert.equal(pollRequestFromJson({ subjects: ['a'], ...body }).untilLive, untilLive, query)
  }
  for (const until of ['', 'event', 'Live']) {
    assert.throws(() => pollRequest(`subject=a&until=${until}`), code('bad_request', /until to be live/), until)
    assert.throws(() => pollRequestFromJson({ subjects: ['a'], until }), code('bad_request', /until to be live/), until)
  }
})

test('wait is a whole number of ms up to 55000, 25000 by default', () => {
  assert.equal(pollRequest('subject=a').waitMs, 25_000)
  assert.equal(pollRequest('subject=a&wait=0').waitMs, 0)
  assert.equal(pollRequestFromJson({ subjects: ['a'], wait: 55_000 }).waitMs, 55_000)
  for (const wait of ['55001', '-1', '1.5', 'soon', '', '1e3']) {
    assert.throws(() => pollRequest(`subject=a&wait=${wait}`), code('bad_request', /0 to 55000/), wait)
  }
  assert.throws(() => pollRequest('subject=a&wait=1&wait=2'), code('bad_request', /wait once/))
})

test('the JSON form of a poll takes after as a string or an array and names a field of the wrong type', () => {
  assert.deepEqual(pollRequestFromJson({ subjects: ['a'], after: 't' }).after, ['t'])
  assert.deepEqual(pollRequestFromJson({ subjects: ['a'], after: ['t', 'u'] }).after, ['t', 'u'])
  assert.throws(() => pollRequestFromJson({ subjects: 'a' }), code('bad_request', /expected subjects to be an array/))
  assert.throws(() => pollRequestFromJson({ subjects: ['a'], after: [1] }), code('bad_request', /expected after/))
  assert.throws(() => pollRequestFromJson({ subjects: ['a'], from: 't' }), code('bad_request', /got "from"/))
  assert.throws(() => pollRequestFromJson(null), code('bad_request', /got null/))
})

test('a page may connect from the requested host, with either scheme, and from allowed origins', () => {
  assert.ok(isOriginAllowed('', 'gw.example', []))
  assert.ok(isOriginAllowed('https://gw.example:8080', 'gw.example:8080', []))
  assert.ok(isOriginAllowed('http://GW.example', 'gw.example', []))
  assert.ok(isOriginAllowed('https://app.example', 'gw.example', ['https://app.example']))
  assert.ok(isOriginAllowed('https://app.example', 'gw.example', ['*']))
  for (const origin of [
    'https://evil.example',
    'null',
    'http://gw.example.evil',
    'https://gw.example.evil',
    'https://gw.example:444',
    'gw.example',
  ]) {
    assert.ok(!isOriginAllowed(origin, 'gw.example', ['https://app.example']), origin)
  }
})

test("the idle timeout of a WebSocket is in uWebSockets.js's range and leaves time to answer a ping", () => {
  assert.equal(idleTimeoutSeconds(25_000), 41)
  assert.equal(idleTimeoutSeconds(10_000), 18)
  assert.equal(idleTimeoutSeconds(4000), 12)
  assert.equal(idleTimeoutSeconds(100_000_000), 960)
})
