import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { CarillonError } from '../../src/base/errors.ts'
import { encodeClientFrame } from '../../src/wire/proto.ts'
import { ManualClock } from '../model/clock.ts'
import { ask, RawClient } from '../support/http.ts'
import { type Harness, until, withEdge } from './harness.ts'

interface Client {
  readonly ws: WebSocket
  readonly frames: { text: string; binary: boolean }[]
  closed: { code: number; reason: string } | undefined
  /** Status of a refused handshake, its Retry-After and its body. */
  refused: { status: number; retryAfter: string | undefined; body: string } | undefined
}

function connect({ port }: Harness, protocols: string[] = [], headers: Record<string, string> = {}): Client {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/v1/ws`, protocols, { headers })
  const client: Client = { ws, frames: [], closed: undefined, refused: undefined }
  ws.on('message', (data: Buffer, binary) => client.frames.push({ text: data.toString(), binary }))
  ws.on('close', (code, reason) => {
    client.closed = { code, reason: reason.toString() }
  })
  ws.on('error', () => {})
  ws.on('unexpected-response', (_, response) => {
    const chunks: Buffer[] = []
    response.on('data', (chunk) => chunks.push(chunk))
    response.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      client.refused = { status: response.statusCode!, retryAfter: response.headers['retry-after'], body }
    })
  })
  return client
}

async function connected(
  harness: Harness,
  protocols: string[] = [],
  headers: Record<string, string> = {},
): Promise<Client> {
  const client = connect(harness, protocols, headers)
  await until('the welcome is there', () => client.frames.length > 0)
  return client
}

test('a session opens before the handshake ends, and its welcome is the first frame', async (t) => {
  const harness = await withEdge(t)
  const client = await connected(harness)
  assert.match(client.frames[0]!.text, /welcome/)
  assert.equal(client.ws.protocol, '')
  assert.equal(harness.sessions.last.outlet.encoding, 'json')
  client.ws.terminate()
  await until('the session knows', () => harness.sessions.last.closes.length === 1)
  assert.deepEqual(harness.sessions.last.closes, ['lost'])
})

test("the first supported subprotocol in the client's order is chosen", async (t) => {
  const harness = await withEdge(t)
  const proto = await connected(harness, ['chat', 'carillon.v1.proto', 'carillon.v1.json'])
  assert.equal(proto.ws.protocol, 'carillon.v1.proto')
  assert.equal(harness.sessions.last.outlet.encoding, 'proto')
  assert.ok(proto.frames[0]!.binary)
  const json = await connected(harness, ['carillon.v1.json', 'carillon.v1.proto'])
  assert.equal(json.ws.protocol, 'carillon.v1.json')
  assert.equal(json.frames[0]!.binary, false)
})

test('a client that offers only unknown subprotocols is refused before the upgrade', async (t) => {
  const harness = await withEdge(t)
  const client = connect(harness, ['mqtt', 'toString'])
  await until('it is refused', () => client.refused !== undefined)
  assert.equal(client.refused!.status, 400)
  assert.match(client.refused!.body, /unsupported_subprotocol.*carillon\.v1\.proto, carillon\.v1\.json/)
  assert.equal(harness.sessions.opened.length, 0)
})

test('a page of a foreign origin is refused; a page of the same host or of an allowed origin is not', async (t) => {
  const harness = await withEdge(t, { allowOrigin: ['https://app.example'] })
  const foreign = connect(harness, [], { Origin: 'https://evil.example' })
  await until('it is refused', () => foreign.refused !== undefined)
  assert.equal(foreign.refused!.status, 403)
  assert.match(foreign.refused!.body, /origin_refused/)
  await connected(harness, [], { Origin: 'https://app.example' })
  await connected(harness, [], { Origin: `http://127.0.0.1:${harness.port}` })
})

test('a gateway without room answers the handshake with 503 and Retry-After', async (t) => {
  const harness = await withEdge(t)
  harness.sessions.refusal = new CarillonError('overloaded', 'no room', { retryAfterMs: 2500 })
  const client = connect(harness)
  await until('it is refused', () => client.refused !== undefined)
  assert.equal(client.refused!.status, 503)
  assert.equal(client.refused!.retryAfter, '3')
  assert.deepEqual(JSON.parse(client.refused!.body), {
    error: { code: 'overloaded', message: 'no room', retry: 'later', retryAfterMs: 2500 },
  })
  assert.equal(harness.edge.counters.refused.overloaded, 1)
})

test('frames reach the session decoded, in both encodings', async (t) => {
  const harness = await withEdge(t)
  const json = await connected(harness)
  json.ws.send('{"subscribe":{"ref":1,"subject":"a.b"}}')
  const ofJson = harness.sessions.last
  await until('it is received', () => ofJson.received.length === 1)
  assert.deepEqual(ofJson.received[0], { kind: 'subscribe', ref: 1, subject: 'a.b', after: [] })
  const proto = await connected(harness, ['carillon.v1.proto'])
  proto.ws.send(encodeClientFrame({ kind: 'ping', t: 7 }))
  await until('it is received', () => harness.sessions.last.received.length === 1)
  assert.deepEqual(harness.sessions.last.received[0], { kind: 'ping', t: 7 })
})

test('frames of any kind after a subscription wait for it, and all are handled in order', async (t) => {
  const harness = await withEdge(t)
  const client = await connected(harness)
  const session = harness.sessions.last
  const subscribe = (ref: number, subject = 'a') => JSON.stringify({ subscribe: { ref, subject } })
  client.ws.send(subscribe(1))
  client.ws.send('{"unsubscribe":{"ref":1}}')
  client.ws.send('{"ping":{"t":1}}')
  client.ws.send(subscribe(2))
  client.ws.send('{"nonsense":1}')
  client.ws.send(subscribe(3))
  for (let ref = 4; ref < 1004; ref++) client.ws.send(subscribe(ref, 'a'.repeat(200)))
  await until('all are there', () => session.received.length === 1005)
  assert.equal(session.refused.length, 1)
  const kinds = session.received.slice(0, 4).map(({ kind }) => kind)
  assert.deepEqual(kinds, ['subscribe', 'unsubscribe', 'ping', 'subscribe'])
  const refs = session.received.flatMap((frame) => (frame.kind === 'subscribe' ? [frame.ref] : []))
  assert.deepEqual(
    refs,
    [...refs].sort((a, b) => a - b),
  )
  assert.equal(refs.length, 1003)
})

test('an invalid frame is refused after the frames before it are handled', async (t) => {
  const harness = await withEdge(t)
  const client = await connected(harness)
  const session = harness.sessions.last
  const before: number[] = []
  const refuse = session.refuse.bind(session)
  session.refuse = (error) => {
    before.push(session.received.length)
    refuse(error)
  }
  for (let ref = 1; ref <= 50; ref++) {
    client.ws.send(JSON.stringify({ subscribe: { ref, subject: 'a' } }))
    client.ws.send('no frame')
  }
  await until('all are there', () => before.length === 50)
  assert.deepEqual(
    before,
    before.map((_, i) => i + 1),
  )
})

test('an invalid frame is refused as bad_frame, and the connection continues', async (t) => {
  const harness = await withEdge(t)
  const json = await connected(harness)
  const ofJson = harness.sessions.last
  const proto = await connected(harness, ['carillon.v1.proto'])
  const ofProto = harness.sessions.last
  json.ws.send('no json')
  json.ws.send('{"dance":{}}')
  json.ws.send('')
  json.ws.send(Buffer.from('{"ping":{"t":1}}'), { binary: true })
  json.ws.send('{"ping":{"t":1}}')
  proto.ws.send(Buffer.from([0xff, 0xff, 0xff]))
  proto.ws.send('{"ping":{"t":1}}')
  proto.ws.send(encodeClientFrame({ kind: 'ping', t: 1 }))
  await until('the good ones came', () => ofJson.received.length === 1 && ofProto.received.length === 1)
  assert.deepEqual(
    ofJson.refused.map(({ code }) => code),
    ['bad_frame', 'bad_frame', 'bad_frame', 'bad_frame'],
  )
  assert.match(ofJson.refused[3]!.message, /expected text frames on this subprotocol, got a binary frame/)
  assert.deepEqual(
    ofProto.refused.map(({ code }) => code),
    ['bad_frame', 'bad_frame'],
  )
  assert.match(ofProto.refused[1]!.message, /expected binary frames on this subprotocol, got a text frame/)
  assert.equal(json.closed, undefined)
})

test('a frame of up to twice the limit is answered with an error frame and close code 1009', async (t) => {
  const harness = await withEdge(t, { maxFrameBytes: 1000 })
  const exact = await connected(harness)
  exact.ws.send(`{"ping":{"t":1}}${' '.repeat(1000 - 16)}`)
  await until('a frame of the limit passes', () => harness.sessions.last.received.length === 1)
  for (const bytes of [1001, 2000]) {
    const client = await connected(harness)
    client.ws.send('x'.repeat(bytes))
    await until('it is closed', () => client.closed !== undefined)
    assert.deepEqual(client.closed, { code: 1009, reason: 'frame_too_large' })
    const last = JSON.parse(client.frames.at(-1)!.text)
    assert.equal(last.error.code, 'frame_too_large')
    assert.match(last.error.message, new RegExp(`at most 1000 bytes, got ${bytes}`))
  }
  const far = await connected(harness)
  far.ws.send('x'.repeat(2001))
  await until('it is closed', () => far.closed !== undefined)
  assert.equal(far.closed?.code, 1006)
  assert.equal(harness.refusals.counts().maxFrameBytes, 1, 'sessions, here fakes, count the others')
})

test('text that is not UTF-8 ends only its connection', async (t) => {
  const harness = await withEdge(t)
  const witness = await connected(harness)
  const raw = await rawUpgrade(harness)
  raw.socket.write(maskedFrame(0x81, Buffer.from([0xc3, 0x28])))
  await until('it is closed', () => raw.closed)
  assert.equal(witness.closed, undefined)
})

test('a session ends with an error frame, the close code of the errors table and the error code as reason', async (t) => {
  const harness = await withEdge(t)
  const cases = [
    [new CarillonError('shutting_down', 'bye', { retryAfterMs: 300 }), 1012],
    [new CarillonError('overloaded', 'too much'), 3000],
    [new CarillonError('too_many_errors', 'enough'), 3500],
    [new CarillonError('bad_token', 'has no close code of its own'), 3500],
    [new CarillonError('broker_unavailable', 'has none either'), 3000],
  ] as const
  for (const [error, code] of cases) {
    const client = await connected(harness)
    harness.sessions.last.outlet.end(error)
    await until('it is closed', () => client.closed !== undefined)
    assert.deepEqual(client.closed, { code, reason: error.code })
    assert.equal(JSON.parse(client.frames.at(-1)!.text).error.code, error.code)
    assert.equal(harness.sessions.last.closes.length, 1)
  }
  const client = await connected(harness)
  harness.sessions.last.outlet.end(undefined)
  await until('it is closed', () => client.closed !== undefined)
  assert.equal(client.closed!.code, 1000)
})

test('a session that ends on a frame, or while it writes, closes its connection at once', async (t) => {
  const harness = await withEdge(t)
  const error = new CarillonError('overloaded', 'too much')
  harness.sessions.onReceive = ({ outlet }, frame) => {
    if (frame.kind === 'ping') outlet.end(error)
    else outlet.batch(() => outlet.end(error))
  }
  for (const frame of ['{"ping":{"t":1}}', '{"unsubscribe":{"ref":1}}']) {
    // The client of `ws` would close the socket itself.
    const client = new globalThis.WebSocket(`ws://127.0.0.1:${harness.port}/v1/ws`)
    let code = 0
    client.onopen = () => client.send(frame)
    client.onclose = (closed) => {
      code = closed.code
    }
    // uWS gives up a silent socket after 8 s at the earliest.
    await until('it is closed', () => code !== 0, 6000)
    assert.equal(code, 3000)
  }
})

test('a fault of the gateway ends only the affected session, and is logged', async (t) => {
  const harness = await withEdge(t)
  const client = await connected(harness)
  harness.sessions.onReceive = () => {
    throw new TypeError('a bug')
  }
  client.ws.send('{"ping":{"t":1}}')
  await until('it is closed', () => client.closed !== undefined)
  assert.deepEqual(client.closed, { code: 1011, reason: 'internal' })
  assert.ok(!client.frames.some(({ text }) => text.includes('a bug')))
  assert.deepEqual(harness.logged, ['error: a frame could not be handled'])
})

test('a full socket reports it, refuses writes beyond its limit, and drains without loss', async (t) => {
  const harness = await withEdge(t, { maxBackpressureBytes: 64 * 1024 })
  const client = await connected(harness)
  client.ws.pause()
  const { last: session } = harness.sessions
  const body = 'x'.repeat(16 * 1024)
  let taken = 0
  const outcomes: number[] = []
  while (outcomes.at(-1) !== 2 && taken < 4000) {
    const outcome = session.deliver(`p${taken}`, { n: taken, body })
    outcomes.push(outcome)
    if (outcome !== 2) taken++
  }
  assert.deepEqual([...new Set(outcomes)], [1, 0, 2])
  assert.equal(session.drains, 0)
  client.ws.resume()
  await until('it drained', () => session.drains > 0)
  assert.equal(session.deliver('last', { n: taken, body }), 1)
  await until('all that was taken has come', () => client.frames.length === taken + 2)
  const numbers = client.frames.slice(1).map(({ text }) => JSON.parse(text).n)
  assert.deepEqual(
    numbers,
    numbers.map((_, i) => i),
  )
})

test('the answer to a plain GET on the path asks for an upgrade', async (t) => {
  const { port } = await withEdge(t)
  const answer = await ask(port, '/v1/ws')
  assert.equal(answer.status, 400)
  assert.match(answer.json.error.message, /expected a WebSocket upgrade/)
})

test('an upgraded connection leaves the count of HTTP connections', async (t) => {
  const harness = await withEdge(t)
  for (let i = 0; i < 3; i++) {
    const client = await connected(harness)
    client.ws.close()
    await until('it is closed', () => client.closed !== undefined)
  }
  await until('none is left', () => harness.edge.counters.httpConnections === 0)
  assert.deepEqual(harness.sessions.last.closes, ['client'])
})

test('connections above the limit are closed without an answer, and others are accepted when some leave', async (t) => {
  const harness = await withEdge(t, { maxHttpConnections: 2 })
  const idle = [new RawClient(harness.port), new RawClient(harness.port)]
  await until('both are there', () => harness.edge.counters.httpConnections === 2)
  const third = new RawClient(harness.port)
  await until('it is closed', () => third.closed)
  assert.equal(harness.refusals.counts().maxHttpConnections, 1)
  for (const client of idle) client.socket.destroy()
  await until('they have left', () => harness.edge.counters.httpConnections === 0)
  await connected(harness)
})

async function rawUpgrade({ port }: Harness): Promise<RawClient> {
  const raw = new RawClient(port)
  const head = [
    'GET /v1/ws HTTP/1.1',
    'Host: localhost',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
  ]
  raw.send(...head, 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', '', '')
  await until('it is upgraded', () => raw.text.includes('101 Switching'))
  return raw
}

/** Returns a client's frame of up to 125 bytes. A mask of zeros leaves the payload unchanged. */
function maskedFrame(opcode: number, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([opcode, 0x80 | payload.length, 0, 0, 0, 0]), payload])
}

test('a client is pinged when it has sent nothing for a heartbeat, and not after it has left', async (t) => {
  const clock = new ManualClock()
  const harness = await withEdge(t, { heartbeatMs: 25_000 }, clock)
  const { waiting } = clock
  const pings = { silent: 0, talking: 0 }
  const silent = await connected(harness)
  harness.sessions.last.subscribed = true
  silent.ws.on('ping', () => pings.silent++)
  const talking = await connected(harness)
  const talks = harness.sessions.last
  talks.subscribed = true
  talking.ws.on('ping', () => pings.talking++)
  // Frames sent before arrive in order, so that a ping would have arrived by then.
  const passes = async (ms: number) => {
    await clock.advance(ms)
    const { length } = talking.frames
    talks.deliver('x', { ms })
    await until('it is there', () => talking.frames.length > length)
  }
  await passes(20_000)
  talking.ws.send('{"ping":{"t":1}}')
  await until('it is heard', () => talks.received.length === 1)
  await passes(6000)
  await until('the silent one is pinged', () => pings.silent === 1)
  assert.deepEqual(pings, { silent: 1, talking: 0 })
  await passes(18_000)
  assert.deepEqual(pings, { silent: 1, talking: 0 })
  await passes(2000)
  await until('the other one is pinged', () => pings.talking === 1)
  await passes(5000)
  await until('each is pinged again after another heartbeat', () => pings.silent === 2)
  silent.ws.terminate()
  talking.ws.close()
  await until('both are gone', () => harness.sessions.opened.every(({ closes }) => closes.length === 1))
  assert.equal(clock.waiting, waiting, 'no timer is left for them')
})

test('a client that sends frames but does not read is cut after two heartbeats without progress, and not before', async (t) => {
  const clock = new ManualClock()
  const heartbeatMs = 25_000
  const harness = await withEdge(t, { heartbeatMs, maxBackpressureBytes: 64 * 1024 }, clock)
  const client = await connected(harness)
  client.ws.send('{"subscribe":{"ref":1,"subject":"a"}}')
  const { last: session } = harness.sessions
  await until('it has subscribed', () => session.subscribed)
  /** Writes until the socket accepts nothing more; the kernels on the way buffer some. */
  const fill = async () => {
    for (let drains = -1; drains !== session.drains; ) {
      drains = session.drains
      while (session.deliver('p', { body: 'x'.repeat(16 * 1024) }) !== 2);
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  let received = session.received.length
  const beat = async () => {
    client.ws.send('{"ping":{"t":1}}')
    await until('its frame is there', () => session.received.length > received)
    received = session.received.length
    await clock.advance(heartbeatMs)
  }
  client.ws.pause()
  await fill()
  await beat()
  const drains = session.drains
  client.ws.resume()
  await until('it drained', () => session.drains > drains)
  client.ws.pause()
  await fill()
  for (let i = 0; i < 2; i++) await beat()
  assert.deepEqual(session.closes, [], 'some data was sent in the meantime')
  await beat()
  await until('it is cut', () => session.closes.length === 1)
  assert.deepEqual(session.closes, ['lost'])
  assert.equal(harness.refusals.counts().stalled, 1)
  assert.equal(harness.refusals.rows().find(({ limit }) => limit === 'stalled')!.last, '127.0.0.1')
  client.ws.terminate()
})

test('a client that floods and does not read is cut, so that nothing more is read from it', async (t) => {
  const harness = await withEdge(t, { maxWaitingFrameBytes: 64 * 1024 })
  const client = await connected(harness)
  const { last: session } = harness.sessions
  client.ws.pause()
  while (session.deliver('p', { body: 'x'.repeat(16 * 1024) }) !== 2)
    await new Promise((resolve) => setImmediate(resolve))
  let bursts = 0
  const flood = setInterval(() => {
    bursts++
    for (let i = 0; i < 4; i++) client.ws.send('{"ping":{"t":1}}'.padEnd(60_000))
  }, 10)
  t.after(() => {
    clearInterval(flood)
    client.ws.terminate()
  })
  await until('its connection ends', () => client.closed !== undefined)
  assert.equal(client.closed?.code, 1006)
  assert.ok(bursts < 200, `${bursts} bursts were read: uWS reads on for 8 s and more`)
})

test('a client that never subscribes is ended after two heartbeats, however often it sends, and one that has subscribed is not', async (t) => {
  const clock = new ManualClock()
  const heartbeatMs = 25_000
  const harness = await withEdge(t, { heartbeatMs }, clock)
  const subscriber = await connected(harness)
  const subscribed = harness.sessions.last
  subscriber.ws.send('{"subscribe":{"ref":1,"subject":"a"}}')
  await until('it has subscribed', () => subscribed.subscribed)
  const talker = await connected(harness)
  const session = harness.sessions.last
  for (let i = 1; i <= 3; i++) {
    assert.equal(talker.closed, undefined)
    talker.ws.send('{"ping":{"t":1}}')
    await until('its frame is there', () => session.received.length === i)
    await clock.advance(heartbeatMs)
  }
  await until('it is closed', () => talker.closed !== undefined)
  assert.deepEqual(talker.closed, { code: 3000, reason: 'request_timeout' })
  assert.equal(subscriber.closed, undefined)
})
