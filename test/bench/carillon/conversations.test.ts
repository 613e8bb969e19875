import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { PollConversation, sseDialect } from '../../../src/bench/carillon/http.ts'
import { jsonDialect, protoDialect } from '../../../src/bench/carillon/websocket.ts'
import type { Conversation, Listener } from '../../../src/bench/load/conversation.ts'
import { ChunkedReader, readHead } from '../../../src/bench/load/http-head.ts'
import { eventText } from '../../../src/bench/load/payload.ts'
import { SseConversation } from '../../../src/bench/load/sse.ts'
import { WebSocketConversation } from '../../../src/bench/load/websocket.ts'
import { makeEvent, type ServerFrame } from '../../../src/wire/frames.ts'
import { encodeServerFrame as jsonFrame } from '../../../src/wire/json.ts'
import { encodeServerFrame as protoFrame } from '../../../src/wire/proto.ts'

/** What a conversation told its client, in short. */
class Told implements Listener {
  readonly subject = 'a.b'
  readonly authority = 'h:1'
  readonly followed = [this]
  token = ''
  readonly said: string[] = []
  readonly sent: string[] = []
  send(bytes: Uint8Array | string): void {
    this.sent.push(typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('latin1'))
  }
  live(): void {
    this.said.push('live')
  }
  find(): number {
    return 0
  }
  event(dueUs: number, number: number): void {
    this.said.push(`event ${dueUs} ${number}`)
  }
  position(bytes: Uint8Array, start: number, end: number): void {
    this.token = Buffer.from(bytes).toString('latin1', start, end)
    this.said.push(`at ${this.token}`)
  }
  gap(): void {
    this.said.push('gap')
  }
}

/** Feeds `bytes` cut into pieces of `size`. */
function heard(make: (told: Told) => Conversation, bytes: Buffer, size: number): Told {
  const told = new Told()
  const conversation = make(told)
  conversation.begin()
  for (let at = 0; at < bytes.length; at += size) {
    const piece = Buffer.from(bytes.subarray(at, at + size))
    conversation.take(piece)
    piece.fill(0)
  }
  return told
}

const anyCut = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 41, max: 2000 }))
const event = makeEvent({ subject: 'a.b', contentType: 'application/json', data: eventText(123_456, 7, 300) })
const frames: ServerFrame[] = [
  { kind: 'subscribed', ref: 1, after: 'AAAA' },
  { kind: 'live', ref: 1 },
  { kind: 'delivery', after: 'BBBB', stream: undefined, partition: 3, offset: 5000, event, refs: undefined },
  { kind: 'pong', t: 1, nowUs: 2, after: 'CCCC' },
  {
    kind: 'gap',
    refs: undefined,
    stream: 'events',
    partition: 3,
    from: 1,
    to: 2,
    n: 2,
    reason: 'budget',
    certain: true,
    after: 'DDDD',
  },
]
const expected = ['at AAAA', 'live', 'event 123456 7', 'at BBBB', 'gap', 'at DDDD']

function message(code: number, payload: Uint8Array): Buffer {
  const short = payload.length < 126
  const head = short ? Buffer.from([0x80 | code, payload.length]) : Buffer.alloc(4)
  if (!short) {
    head[0] = 0x80 | code
    head[1] = 126
    head.writeUInt16BE(payload.length, 2)
  }
  return Buffer.concat([head, payload])
}

const upgraded = Buffer.from('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n')

for (const [name, dialect, encode, code] of [
  ['JSON', jsonDialect, jsonFrame, 1],
  ['protobuf', protoDialect, protoFrame, 2],
] as const) {
  test(`a WebSocket client of ${name} tells deliveries, positions, gaps and when it is live, wherever the bytes are cut`, () => {
    const bytes = Buffer.concat([upgraded, ...frames.map((frame) => message(code, encode(frame)))])
    fc.assert(
      fc.property(anyCut, (size) => {
        const told = heard((listener) => new WebSocketConversation(listener, dialect), bytes, size)
        assert.deepEqual(told.said, expected)
      }),
    )
  })
}

test('an error frame and a close end the conversation with their reason', () => {
  const ws = (frame: Buffer) =>
    heard((listener) => new WebSocketConversation(listener, jsonDialect), Buffer.concat([upgraded, frame]), 9999)
  const error: ServerFrame = {
    kind: 'error',
    ref: 1,
    code: 'no_route',
    message: 'nowhere',
    retry: 'no',
    retryAfterMs: 0,
  }
  assert.throws(() => ws(message(1, jsonFrame(error))), /no_route: nowhere/)
  assert.throws(() => ws(message(8, Buffer.from([0x03, 0xf4, 0x62, 0x79, 0x65]))), /closed the connection \(1012 bye\)/)
  assert.throws(
    () =>
      heard((listener) => new WebSocketConversation(listener, jsonDialect), Buffer.from('HTTP/1.1 503 No\r\n\r\n'), 9),
    /expected 101/,
  )
})

test('a ping is answered', () => {
  const bytes = Buffer.concat([upgraded, message(9, Buffer.from('x'))])
  const told = heard((listener) => new WebSocketConversation(listener, jsonDialect), bytes, 9999)
  assert.equal(told.sent.at(-1), '\x8a\x81\0\0\0\0x')
})

function chunked(parts: readonly string[]): Buffer {
  return Buffer.from(parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join(''), 'latin1')
}

test('a stream of events tells deliveries and positions, wherever chunks and bytes are cut', () => {
  const data = `data: {"event":{"data":${eventText(123_456, 7, 300)}}}\n\n`
  const text = `retry: 5\n\nevent: after\ndata: {}\nid: AAAA\n\n:\n\nid: BBBB\n${data}event: gap\ndata: {}\nid: DDDD\n\n`
  const head = Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
  fc.assert(
    fc.property(anyCut, fc.integer({ min: 1, max: 600 }), (size, chunk) => {
      const parts: string[] = []
      for (let at = 0; at < text.length; at += chunk) parts.push(text.slice(at, at + chunk))
      const bytes = Buffer.concat([head, chunked(parts)])
      const told = heard((listener) => new SseConversation(listener, sseDialect), bytes, size)
      assert.deepEqual(told.said, ['live', 'at AAAA', 'event 123456 7', 'at BBBB', 'gap', 'at DDDD'])
    }),
  )
})

test('polls follow each other from the position that each answer gives', () => {
  const answer = (body: string) => Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  const delivery = `{"delivery":{"event":{"data":${eventText(5, 1, 100)}}}}`
  const second = `{"delivery":{"event":{"data":${eventText(6, 2, 100)}}}}`
  const bytes = Buffer.concat([
    answer('{"frames":[],"after":"AAAA"}'),
    answer(`{"frames":[${delivery},${second}],"after":"BBBB"}`),
  ])
  fc.assert(
    fc.property(anyCut, (size) => {
      const told = heard((listener) => new PollConversation(listener), bytes, size)
      assert.deepEqual(told.said, ['at AAAA', 'live', 'event 5 1', 'event 6 2', 'at BBBB'])
      assert.deepEqual(
        told.sent.map((request) => /after=(\w*)/.exec(request)?.[1]),
        [undefined, 'AAAA', 'BBBB'],
      )
    }),
  )
})

test('what is no HTTP and what is no chunk is refused', () => {
  assert.throws(() => readHead(Buffer.from('SSH-2.0\r\n\r\n')), /expected an HTTP answer/)
  assert.throws(() => readHead(Buffer.alloc(20_000)), /expected an HTTP head/)
  assert.throws(() => new ChunkedReader().take(Buffer.from('zz\r\n'), () => {}), /size of a chunk/)
})
