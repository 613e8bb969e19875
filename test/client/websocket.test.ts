import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { hasSubscribers } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { type WebSocket, WebSocketServer } from 'ws'
import { systemClock } from '../../src/base/clock.ts'
import { jsonCodec } from '../../src/client/codec.ts'
import type { SubscribeRequest } from '../../src/client/connection.ts'
import { protoCodec } from '../../src/client/proto-codec.ts'
import { openWebSocket } from '../../src/client/websocket.ts'
import type { ServerFrame } from '../../src/wire/frames.ts'
import { decodeClientFrame as fromJson, encodeServerFrame as toJson } from '../../src/wire/json.ts'
import { decodeClientFrame as fromProto, encodeServerFrame as toProto } from '../../src/wire/proto.ts'
import { ManualClock } from '../model/clock.ts'
import { Recorder, until } from './recorder.ts'

const wishes: SubscribeRequest[] = [
  { ref: 1, subject: 'a.b', after: ['earliest'] },
  { ref: 2, subject: 'c.>', after: [] },
]
const limits = { maxFrameBytes: 65_536, maxEventBytes: 1, maxSubjectBytes: 1, maxSubscriptions: 1 }
const welcome: ServerFrame = { kind: 'welcome', gateway: 'g', version: '1', limits, heartbeatMs: 25_000, nowUs: 1 }
const live: ServerFrame = { kind: 'live', ref: 1 }

/** A gateway that the test plays, and the one connection to it. */
async function connected(
  t: TestContext,
  encoding: 'json' | 'proto',
  clock = new ManualClock(),
  open = openWebSocket(encoding === 'json' ? jsonCodec : protoCodec),
) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, path: '/v1/ws' })
  t.after(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  await once(server, 'listening')
  const recorder = new Recorder()
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const connection = open(url, wishes, recorder, clock)
  t.after(() => connection.close())
  const [socket] = (await once(server, 'connection')) as [WebSocket]
  const received: Buffer[] = []
  socket.on('message', (data: Buffer) => received.push(data))
  const say = (frame: ServerFrame) =>
    socket.send(encoding === 'json' ? Buffer.from(toJson(frame)).toString() : toProto(frame))
  return { socket, recorder, connection, clock, received, say }
}

for (const encoding of ['json', 'proto'] as const) {
  test(`in ${encoding}, it sends each subscription under its ref, and reports the frames that arrive`, async (t) => {
    const { socket, recorder, received, say } = await connected(t, encoding)
    assert.equal(socket.protocol, `carillon.v1.${encoding}`)
    await until('both subscribed', () => received.length === 2)
    const frames = received.map((data) => (encoding === 'json' ? fromJson(data.toString()) : fromProto(data)))
    assert.deepEqual(
      frames,
      wishes.map((wish) => ({ kind: 'subscribe', ...wish })),
    )
    say(welcome)
    say(live)
    await until('both frames told', () => recorder.frames.length === 2)
    assert.deepEqual(recorder.frames, [welcome, live])
  })
}

for (const encoding of ['json', 'proto'] as const) {
  test(`in ${encoding}, a subscription too large for the gateway is refused, and the others are served`, async (t) => {
    const { socket, recorder, received, say, connection, clock } = await connected(t, encoding)
    await until('both subscribed', () => received.length === 2)
    const wish = (ref: number, bytes: number): SubscribeRequest => ({
      ref,
      subject: 'a',
      after: ['€'.repeat(bytes / 3)],
    })
    // Requests within the least limit of all gateways go at once; the rest waits for this one's
    // limit.
    for (const [ref, bytes] of [
      [3, 900],
      [4, 1500],
      [5, 3000],
      [6, 1500],
    ] as const)
      connection.subscribe!(wish(ref, bytes))
    connection.unsubscribe!(6)
    await until('the small one is sent', () => received.length === 3)
    say({ ...welcome, limits: { ...limits, maxFrameBytes: 2000 } })
    await until('the next one is sent', () => received.length === 4)
    connection.subscribe!(wish(7, 1500))
    await until('one that comes later is sent', () => received.length === 5)
    const frames = received.map((data) => (encoding === 'json' ? fromJson(data.toString()) : fromProto(data)))
    assert.deepEqual(
      frames.map((frame) => frame.kind === 'subscribe' && frame.ref),
      [1, 2, 3, 4, 7],
    )
    await clock.advance(0)
    const [, error] = recorder.frames
    assert.ok(error?.kind === 'error')
    assert.deepEqual([error.ref, error.code, error.retry], [5, 'frame_too_large', 'no'])
    assert.match(error.message, /^expected a subscription of at most 2000 bytes, got 30\d\d$/)
    assert.deepEqual([recorder.frames.length, recorder.ends, socket.readyState], [2, [], 1])
  })
}

test('a lost connection is reported once, as `lost`', async (t) => {
  const { socket, recorder } = await connected(t, 'json')
  socket.terminate()
  const { code, message } = await recorder.ended
  assert.deepEqual([code, recorder.ends.length], ['lost', 1])
  assert.match(message, /closed with 1006/)
})

test('an error before the end is the reason; one followed by other frames is not', async (t) => {
  const error: ServerFrame = {
    kind: 'error',
    code: 'shutting_down',
    message: 'bye',
    retry: 'later',
    retryAfterMs: 1500,
  }
  const first = await connected(t, 'json')
  first.say(error)
  first.socket.close(1012)
  assert.deepEqual(await first.recorder.ended, {
    code: 'shutting_down',
    message: 'bye',
    retryAfterMs: 1500,
    retry: 'later',
  })
  const second = await connected(t, 'json')
  second.say(error)
  second.say(live)
  second.socket.close(1012)
  assert.equal((await second.recorder.ended).code, 'lost')
})

for (const encoding of ['json', 'proto'] as const) {
  test(`in ${encoding}, an error about a subscription is not the reason of a later loss, also if the subscription was closed meanwhile`, async (t) => {
    for (const isClosed of [false, true]) {
      const { socket, recorder, connection, say } = await connected(t, encoding)
      if (isClosed) connection.unsubscribe?.(2)
      say({ kind: 'error', ref: 2, code: 'no_route', message: 'no route', retry: 'no', retryAfterMs: 0 })
      await until('told', () => recorder.frames.length === 1)
      socket.terminate()
      assert.equal((await recorder.ended).code, 'lost')
    }
  })
}

test('an unreadable frame ends the connection', async (t) => {
  const { socket, recorder } = await connected(t, 'json')
  socket.send('{"live":')
  const { code, retry, unreadable } = await recorder.ended
  assert.deepEqual([code, retry, unreadable], ['bad_frame', 'no', true])
})

test('a closed port and a server that is not a gateway are lost connections', async (t) => {
  const server = createServer((_request, response) => response.writeHead(404, { connection: 'close' }).end())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  for (const url of ['http://127.0.0.1:1', `http://127.0.0.1:${port}`]) {
    const recorder = new Recorder()
    openWebSocket(jsonCodec)(url, wishes, recorder, systemClock())
    const { code, message } = await recorder.ended
    assert.equal(code, 'lost')
    assert.match(message, /^no connection to .*: Received network error or non-101 status code/)
  }
})

/**
 * A server that completes the handshake of RFC 6455 and answers nothing more, and its connections.
 */
async function deafServer(t: TestContext) {
  const sockets: Duplex[] = []
  const server = createServer()
  server.on('upgrade', ({ headers }, socket) => {
    sockets.push(socket)
    const key = `${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
    const accept = createHash('sha1').update(key).digest('base64')
    const head = `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}`
    const protocol = `Sec-WebSocket-Protocol: ${headers['sec-websocket-protocol']}`
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${head}\r\n${protocol}\r\n\r\n`)
    socket.on('error', () => {}).resume()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { sockets, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

for (const ending of ['closed', 'silent']) {
  test(`the connection of a WebSocket that is ${ending} ends though the other side does not answer`, async (t) => {
    const { sockets, url } = await deafServer(t)
    const clock = new ManualClock()
    const made: globalThis.WebSocket[] = []
    class Seen extends globalThis.WebSocket {
      constructor(url: string, subprotocol: string) {
        super(url, subprotocol)
        made.push(this)
      }
    }
    const open = openWebSocket(jsonCodec, Seen)
    // Two sockets at the same time have separate connections.
    const [first, second] = [new Recorder(), new Recorder()]
    const connections = [first, second].map((recorder) => open(url, [], recorder, clock))
    await until('connected', () => sockets.length === 2)
    const ended = () => sockets.filter(({ readableEnded }) => readableEnded).length
    await until('open', () => made.every(({ readyState }) => readyState === 1))
    if (ending === 'closed') connections[0]!.close()
    else await clock.advance(10_000)
    await clock.advance(1999)
    assert.equal(ended(), 0)
    await clock.advance(1)
    const now = ending === 'closed' ? 1 : 2
    await until('ended', () => ended() === now)
    connections[1]!.close()
    await clock.advance(2000)
    await until('both ended', () => ended() === 2)
  })
}

test('nothing listens for a connection any more once it has ended, whether it was made or not', async (t) => {
  const clock = new ManualClock()
  const isWatched = () => hasSubscribers('undici:client:sendHeaders') || hasSubscribers('undici:request:create')
  const recorder = new Recorder()
  const nobody = createServer().listen(0, '127.0.0.1')
  await once(nobody, 'listening')
  const { port } = nobody.address() as AddressInfo
  nobody.close()
  openWebSocket(jsonCodec)(`http://127.0.0.1:${port}`, [], recorder, clock)
  assert.ok(isWatched())
  await recorder.ended
  await clock.advance(2000)
  assert.ok(!isWatched())
  const { url, sockets } = await deafServer(t)
  openWebSocket(jsonCodec)(url, [], recorder, clock).close()
  await clock.advance(2000)
  assert.ok(!isWatched())
  const connection = openWebSocket(jsonCodec)(url, [], recorder, clock)
  await until('connected', () => sockets.length === 1)
  assert.ok(!isWatched())
  connection.close()
})

test("a caller's own WebSocket is terminated where possible: when its close is answered, or 2 s later", async () => {
  const clock = new ManualClock()
  const made: { onclose?: () => void }[] = []
  const ended: string[] = []
  class Own {
    onclose?: () => void
    constructor() {
      made.push(this)
    }
    close() {
      ended.push('close')
    }
    terminate() {
      ended.push('terminate')
    }
  }
  for (const isAnswered of [true, false]) {
    ended.length = 0
    const open = openWebSocket(jsonCodec, Own as never)
    open('http://one', [], new Recorder(), clock).close()
    if (isAnswered) made.at(-1)!.onclose!()
    assert.deepEqual(ended, isAnswered ? ['close', 'terminate'] : ['close'])
    await clock.advance(1999)
    assert.equal(ended.includes('terminate'), isAnswered)
    await clock.advance(60_000)
    assert.deepEqual(ended, ['close', 'terminate'])
  }
})

test('a platform without WebSocket reports a loss, after the call that opens the connection', async (t) => {
  const clock = new ManualClock()
  const make = () => {
    const recorder = new Recorder()
    const connection = openWebSocket(jsonCodec)('http://127.0.0.1:1', wishes, recorder, clock)
    assert.deepEqual(recorder.ends, [])
    return { recorder, connection }
  }
  const own = Object.getOwnPropertyDescriptor(globalThis, 'WebSocket')!
  t.after(() => Object.defineProperty(globalThis, 'WebSocket', own))
  const forbidden = () => {
    throw new DOMException('an insecure connection may not be opened', 'SecurityError')
  }
  for (const value of [forbidden, undefined]) {
    Object.defineProperty(globalThis, 'WebSocket', { ...own, value })
    const [lost, left] = [make(), make()]
    left.connection.close()
    await clock.advance(0)
    assert.deepEqual([lost.recorder.ends.length, left.recorder.ends.length], [1, 0])
  }
})

test('a silent gateway is pinged after its heartbeat, and lost when it does not answer', async (t) => {
  const { recorder, clock, received, say } = await connected(t, 'json')
  say({ ...welcome, heartbeatMs: 5000 })
  await until('welcomed', () => recorder.frames.length === 1)
  await clock.advance(5000)
  await until('pinged', () => received.length === 3)
  assert.deepEqual(fromJson(received[2]!.toString()), { kind: 'ping', t: 0 })
  say({ kind: 'pong', t: 0, nowUs: 1, after: '' })
  await until('answered', () => recorder.frames.length === 2)
  await clock.advance(5000)
  assert.deepEqual(recorder.ends, [])
  await clock.advance(10_000)
  assert.deepEqual(recorder.codes, ['lost'])
})

/** Opens one connection after the other, which go silent once these refs of two are live. */
const successive = (t: TestContext) => {
  const clock = new ManualClock()
  const open = openWebSocket(jsonCodec)
  const again = async (...refs: number[]) => {
    const all = await connected(t, 'json', clock, open)
    all.say({ ...welcome, heartbeatMs: 5000 })
    for (const ref of refs) all.say({ kind: 'live', ref })
    await until('welcomed', () => all.recorder.frames.length === 1 + refs.length)
    await clock.advance(5000)
    await until('pinged', () => all.received.length === 3)
    return all
  }
  const givesUpAfter = async (ms: number, ...refs: number[]) => {
    const { recorder } = await again(...refs)
    await clock.advance(ms - 1)
    assert.deepEqual(recorder.codes, [])
    await clock.advance(1)
    assert.deepEqual(recorder.codes, ['lost'])
  }
  return { clock, again, givesUpAfter }
}

test('an answer may queue after a large event: the next connection waits longer for it, until one arrives soon', async (t) => {
  const { clock, again, givesUpAfter } = successive(t)
  for (const ms of [10_000, 40_000, 160_000, 160_000]) await givesUpAfter(ms)
  const late = await again()
  await clock.advance(56_000)
  late.say(live)
  await until('it has come', () => late.recorder.frames.length === 2)
  await givesUpAfter(112_000)
  const soon = await again()
  soon.say({ kind: 'pong', t: 0, nowUs: 1, after: '' })
  await until('answered', () => soon.recorder.frames.length === 2)
  await givesUpAfter(10_000)
})

test('a connection on which everything missed has arrived waits no longer than the first', async (t) => {
  const { givesUpAfter } = successive(t)
  await givesUpAfter(10_000, 1, 2)
  await givesUpAfter(10_000, 1, 2)
  await givesUpAfter(40_000, 1)
  await givesUpAfter(160_000, 2)
  await givesUpAfter(10_000, 2, 1)
})

test('a socket without `welcome` is given up', async (t) => {
  const { recorder, clock } = await connected(t, 'json')
  await clock.advance(9999)
  assert.deepEqual(recorder.ends, [])
  await clock.advance(1)
  assert.deepEqual(recorder.codes, ['lost'])
})

test('nothing is reported after close, not even its end', async (t) => {
  const { socket, recorder, connection, say } = await connected(t, 'json')
  say(live)
  connection.close()
  await once(socket, 'close')
  assert.deepEqual([recorder.kinds, recorder.ends], [[], []])
})
