import assert from 'node:assert/strict'
import test from 'node:test'
import type { Converse, Listener } from '../../src/bench/load/conversation.ts'
import { eventText } from '../../src/bench/load/payload.ts'
import { peerConversations } from './conversations.ts'

/** What a client was told, of bytes that come in pieces of `step`. */
function told(converse: Converse, bytes: Buffer, step: number): { events: number[]; lives: number; sent: string } {
  const said = { events: [] as number[], lives: 0, sent: '' }
  const listener: Listener = {
    subject: 'bench.x.s0000001',
    authority: 'localhost:1',
    token: '',
    followed: [],
    find: () => 0,
    send: (data) => {
      said.sent += Buffer.from(data as string).toString('latin1')
    },
    live: () => {
      said.lives++
    },
    event: (_, number) => said.events.push(number),
    position() {},
    gap() {},
  }
  const conversation = converse(listener)
  conversation.begin()
  for (let at = 0; at < bytes.length; at += step) conversation.take(Buffer.from(bytes.subarray(at, at + step)))
  return said
}

/** A server's WebSocket frames behind its handshake. */
function framed(...payloads: (string | Buffer)[]): Buffer {
  const frames = payloads.map((payload) => {
    const bytes = Buffer.from(payload as string)
    const head = Buffer.from(
      bytes.length > 125 ? [0x82, 126, bytes.length >> 8, bytes.length & 255] : [0x82, bytes.length],
    )
    return Buffer.concat([head, bytes])
  })
  return Buffer.concat([Buffer.from('HTTP/1.1 101 Switching Protocols\r\n\r\n'), ...frames])
}

const event = (number: number) => eventText(1000, number, 512)
const message = (number: number) => `MSG bench.x.s0000001 1 512\r\n${event(number)}\r\n`

test('messages of nats-server are found wherever frames and reads cut them', () => {
  const stream = `INFO {"x":1}\r\nPONG\r\n${message(0)}PING\r\n${message(1)}${message(2)}`
  const frames = framed(stream.slice(0, 300), stream.slice(300, 900), stream.slice(900))
  for (const step of [1, 7, 4096]) {
    const { events, lives, sent } = told(peerConversations.nats, frames, step)
    assert.deepEqual(events, [0, 1, 2])
    assert.equal(lives, 1)
    assert.match(sent, /SUB bench\.x\.s0000001 1\r\n.*PONG\r\n/s)
  }
})

test("socket.io's packets are answered, and its events told", () => {
  const packets = ['0{"sid":"a"}', '40{"sid":"b"}', '42["live"]', '2', `42["event",${event(4)}]`]
  const { events, lives, sent } = told(peerConversations.socketio, framed(...packets), 4096)
  assert.deepEqual([events, lives], [[4], 1])
  assert.match(sent, /40.*42\["subscribe","bench\.x\.s0000001"\].*3/s)
})

test('several publications of Centrifugo in one frame are all told, and its pings answered', () => {
  const push = (number: number) => `{"push":{"channel":"c","pub":{"data":${event(number)},"offset":1}}}`
  const frames = framed('{"id":1,"connect":{}}', '{"id":2,"subscribe":{}}', `${push(0)}\n${push(1)}`, '{}')
  const { events, lives, sent } = told(peerConversations.centrifugo, frames, 4096)
  assert.deepEqual([events, lives], [[0, 1], 1])
  assert.ok(sent.endsWith('{}'))
})

test('a plain server says when the subscription is in force', () => {
  assert.deepEqual(told(peerConversations.plain, framed('live', event(0)), 4096).events, [0])
  assert.equal(told(peerConversations.plain, framed('live', event(0)), 4096).lives, 1)
})
