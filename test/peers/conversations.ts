import type { Conversation, Converse, Listener } from '../../src/bench/load/conversation.ts'
import { dueUsOf, findPayload, headBytes, numberOf } from '../../src/bench/load/payload.ts'
import { SseConversation, type StreamDialect } from '../../src/bench/load/sse.ts'
import { type Dialect, type Send, WebSocketConversation } from '../../src/bench/load/websocket.ts'

/** How each peer's clients talk. An event is found by its payload, wherever in a message it stands. */

/** Tells of all events in bytes [start, end); false where there was none. */
function tellEvents(listener: Listener, bytes: Buffer, start: number, end: number): boolean {
  let at = findPayload(bytes, start, end)
  if (at < 0) return false
  for (; at >= 0; at = findPayload(bytes, at + headBytes, end)) listener.event(dueUsOf(bytes, at), numberOf(bytes, at))
  return true
}

/** The subject is in the request; the dialect must be made for each connection then. */
function perConnection(make: (subject: string) => Dialect): Converse {
  return (listener): Conversation => new WebSocketConversation(listener, make(listener.subject))
}

/** `bare` and `ws`: they say `live` when the subscription is in force. */
const plain = perConnection((subject) => ({
  path: `/?${encodeURIComponent(subject)}`,
  headers: '',
  opened() {},
  message(listener, bytes, start, end) {
    if (!tellEvents(listener, bytes, start, end)) listener.live()
    return undefined
  },
}))

/** Engine.IO 4 and Socket.IO 5, without polling first: each message is a packet, its type the first character. */
const socketio: Dialect = {
  path: '/socket.io/?EIO=4&transport=websocket',
  headers: '',
  opened() {},
  message(listener, bytes, start, end) {
    if (tellEvents(listener, bytes, start, end)) return undefined
    const packet = bytes.toString('latin1', start, end)
    if (packet.startsWith('0')) return '40'
    if (packet === '2') return '3'
    if (packet.startsWith('40')) return `42${JSON.stringify(['subscribe', listener.subject])}`
    if (packet !== '42["live"]') {
      throw new Error(`expected a packet of this benchmark, got ${JSON.stringify(packet.slice(0, 100))}`)
    }
    listener.live()
    return undefined
  },
}

const lineFeed = 0x0a
const carriageReturn = 0x0d
const nothing = Buffer.alloc(0)

/** The NATS client protocol: lines, `MSG SUBJECT SID BYTES` with a payload behind it; a WebSocket message holds any piece of it. */
class NatsDialect implements Dialect {
  readonly path = '/'
  readonly headers = ''
  #carry: Buffer = nothing
  #answer = ''

  opened({ subject }: Listener, send: Send): void {
    const connect = { verbose: false, pedantic: false, lang: 'bench', version: '1', protocol: 1, echo: false }
    send(Buffer.from(`CONNECT ${JSON.stringify(connect)}\r\nSUB ${subject} 1\r\nPING\r\n`))
  }

  message(listener: Listener, chunk: Buffer, from: number, to: number): Uint8Array | undefined {
    this.#answer = ''
    let bytes = chunk.subarray(from, to)
    if (this.#carry.length > 0) bytes = Buffer.concat([this.#carry, bytes])
    let at = 0
    for (;;) {
      const next = this.#operation(listener, bytes, at)
      if (next < 0) break
      at = next
    }
    this.#carry = at === bytes.length ? nothing : Buffer.from(bytes.subarray(at))
    return this.#answer === '' ? undefined : Buffer.from(this.#answer)
  }

  /** Returns where the next one begins; -1 = this one is not complete. */
  #operation(listener: Listener, bytes: Buffer, at: number): number {
    const line = bytes.indexOf(lineFeed, at)
    if (line < 0) return -1
    switch (bytes[at]) {
      case 0x4d: {
        const end = line + 1 + lengthBefore(bytes, line) + 2
        if (end > bytes.length) return -1
        tellEvents(listener, bytes, line + 1, end)
        return end
      }
      case 0x50:
        // PING or PONG
        if (bytes[at + 1] === 0x49) this.#answer += 'PONG\r\n'
        else listener.live()
        return line + 1
      case 0x2d:
        throw new Error(`nats-server said ${bytes.toString('latin1', at, line)}`)
      default:
        return line + 1
    }
  }
}

/** The decimal number at the end of a line. */
function lengthBefore(bytes: Buffer, lineEnd: number): number {
  let value = 0
  let weight = 1
  for (let i = lineEnd - (bytes[lineEnd - 1] === carriageReturn ? 2 : 1); bytes[i]! >= 0x30; i--, weight *= 10) {
    value += (bytes[i]! - 0x30) * weight
  }
  return value
}

/** nchan: the channel is in the path; what was published to it before comes first, so the answer to the handshake is enough. */
const nchan = perConnection((subject) => ({
  path: `/sub/${subject}`,
  headers: '',
  opened: (listener) => listener.live(),
  message(listener, bytes, start, end) {
    tellEvents(listener, bytes, start, end)
    return undefined
  },
}))

const centrifugoPing = Buffer.from('{}')
const newLine = 0x0a

/** Whether one of the lines in bytes [start, end) is this one. */
function hasLine(bytes: Buffer, start: number, end: number, line: Buffer): boolean {
  for (let at = bytes.indexOf(line, start); at >= 0 && at < end; at = bytes.indexOf(line, at + 1)) {
    const behind = at + line.length
    if ((at === start || bytes[at - 1] === newLine) && (behind === end || bytes[behind] === newLine)) return true
  }
  return false
}

/** Centrifugo's JSON protocol: replies and pushes, one a line; `{}` is a ping and its answer. */
const centrifugo: Dialect = {
  path: '/connection/websocket',
  headers: '',
  opened({ subject }, send) {
    send(`{"id":1,"connect":{}}\n${JSON.stringify({ id: 2, subscribe: { channel: subject } })}`)
  },
  message(listener, bytes, start, end) {
    const hasEvents = tellEvents(listener, bytes, start, end)
    // Of a frame with events only a ping is of interest, which may stand anywhere among them.
    if (hasEvents && !hasLine(bytes, start, end, centrifugoPing)) return undefined
    const text = bytes.toString('utf8', start, end)
    if (!hasEvents && text.includes('"error"')) throw new Error(`Centrifugo said ${text}`)
    if (text.split('\n').includes('{}')) return '{}'
    if (text.includes('"id":2')) listener.live()
    return undefined
  },
}

/** Mercure 1.0: a stream of events whose head is the answer; it sends a comment at once. */
const mercureStream: StreamDialect = {
  path: (subject) => `/.well-known/mercure?match=${encodeURIComponent(subject)}`,
  headers: () => '',
  named() {},
}

class MercureConversation extends SseConversation {
  readonly #said: Listener

  constructor(listener: Listener) {
    super(listener, mercureStream)
    this.#said = listener
  }

  override take(bytes: Buffer): void {
    super.take(bytes)
    this.#said.live()
  }
}

export const peerConversations = {
  plain,
  socketio: (listener) => new WebSocketConversation(listener, socketio),
  nats: (listener) => new WebSocketConversation(listener, new NatsDialect()),
  nchan,
  centrifugo: (listener) => new WebSocketConversation(listener, centrifugo),
  mercure: (listener) => new MercureConversation(listener),
} as const satisfies Record<string, Converse>
