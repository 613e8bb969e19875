import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RawClient } from '../support/http.ts'
import { type Harness, until, withEdge } from './harness.ts'

/** Heads that a proxy and this edge could read differently, see docs/security.md. */

const twofold = {
  'two lengths': ['Content-Length: 0', 'Content-Length: 5'],
  'two equal lengths': ['Content-Length: 0', 'Content-Length: 0'],
  'two hosts': ['Host: localhost'],
  'a coding that only looks like chunked': ['Transfer-Encoding: xchunked'],
  'a coding of no name': ['Transfer-Encoding:'],
  'a list of codings': ['Transfer-Encoding: gzip, chunked'],
  'two codings': ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'],
}
const handshake = ['Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']
const requests = {
  poll: ['GET /v1/poll?subject=a HTTP/1.1'],
  'poll by POST': ['POST /v1/poll HTTP/1.1', 'Content-Type: application/json'],
  sse: ['GET /v1/sse?subject=a HTTP/1.1'],
  publish: ['POST /v1/publish HTTP/1.1', 'Content-Type: application/json'],
  page: ['GET / HTTP/1.1'],
  'a path that is none': ['DELETE /nothing HTTP/1.1'],
  'a handshake': ['GET /v1/ws HTTP/1.1', ...handshake],
}

function send({ port }: Harness, ...lines: string[]): RawClient {
  const raw = new RawClient(port)
  raw.send(...lines)
  return raw
}

for (const [what, request] of Object.entries(requests)) {
  test(`${what}: an ambiguous head is refused, and the connection ends`, async (t) => {
    const harness = await withEdge(t, { dev: true })
    for (const [why, headers] of Object.entries(twofold)) {
      const raw = send(harness, ...request, 'Host: localhost', ...headers, '', '')
      await until(`${why}: it has ended`, () => raw.closed)
      assert.match(raw.text, /^HTTP\/1\.1 400 [\s\S]*Connection: close\r\n[\s\S]*"bad_request"/, why)
    }
    assert.deepEqual(harness.sessions.opened, [])
    assert.deepEqual(harness.publisher.calls, [])
    assert.equal(harness.edge.counters.refused.bad_request, Object.keys(twofold).length)
  })
}

test('data after an ambiguous head is not handled', async (t) => {
  const harness = await withEdge(t)
  const hidden = 'GET /v1/poll?subject=hidden HTTP/1.1\r\nHost: localhost\r\n\r\n'
  const head = ['POST /v1/poll HTTP/1.1', 'Host: localhost', 'Content-Length: 0', `Content-Length: ${hidden.length}`]
  const raw = send(harness, ...head, '', hidden)
  await until('it has ended', () => raw.closed)
  assert.doesNotMatch(raw.text, / 200 /)
  assert.deepEqual(harness.sessions.opened, [])
})

test('the coding `chunked` may be in capitals', async (t) => {
  const harness = await withEdge(t)
  const head = ['POST /v1/poll HTTP/1.1', 'Host: localhost', 'Content-Type: application/json']
  const raw = send(harness, ...head, 'Transfer-Encoding: Chunked', '', '12', '{"subjects":["a"]}', '0', '', '')
  await until('it is answered', () => raw.text.includes('200 OK'))
})
