import { type ClientRequest, get, type IncomingMessage, request } from 'node:http'
import { WebSocket } from 'ws'
import type { ServerFrame } from '../../src/wire/frames.ts'
import { decodeServerFrame as decodeJson, serverFrameFromJson } from '../../src/wire/json.ts'
import { decodeServerFrame as decodeProto, encodeClientFrame } from '../../src/wire/proto.ts'
import { frameOfEvent, SseParser } from '../../src/wire/sse-parser.ts'
import type { Transport } from '../figures/delivery.ts'

/** One connection of a follower, over whichever transport. Nothing is told after `close`. */
export interface Connection {
  /** `abrupt`: without a goodbye. */
  close(abrupt: boolean): void
  /** Stops reading from the socket, and goes on; not of polls. */
  pause(): void
  resume(): void
}

export interface Listener {
  frame(frame: ServerFrame): void
  /** SSE and poll: the position of everything together, behind what was told so far. */
  position(token: string): void
  /** A frame was read. */
  read(): void
  /** It ended, not by `close`. */
  gone(): void
}

export interface Wanted {
  readonly port: number
  readonly transport: Transport
  readonly subject: string
  /** Tokens. */
  readonly after: readonly string[]
  readonly last: number | undefined
}

/** How long a poll waits, ms. */
const waitMs = 25_000
/** Characters of one server-sent event. */
const maxEventLength = 1024 * 1024

export function open(wanted: Wanted, listener: Listener): Connection {
  if (wanted.transport === 'sse') return openSse(wanted, listener)
  if (wanted.transport === 'poll') return openPoll(wanted, listener)
  return openWebSocket(wanted, listener)
}

function openWebSocket({ port, transport, subject, after, last }: Wanted, listener: Listener): Connection {
  const isProto = transport === 'ws-proto'
  const protocol = isProto ? 'carillon.v1.proto' : 'carillon.v1.json'
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/ws`, protocol, { perMessageDeflate: false })
  let over = false
  const end = () => {
    if (over) return
    over = true
    socket.terminate()
    listener.gone()
  }
  socket.on('open', () => {
    const subscribe = { ref: 1, subject, after, ...(last === undefined ? {} : { last }) }
    socket.send(isProto ? encodeClientFrame({ kind: 'subscribe', ...subscribe }) : JSON.stringify({ subscribe }))
  })
  socket.on('message', (data: Buffer) => {
    if (over) return
    const frame = isProto ? decodeProto(data) : decodeJson(data)
    if (frame !== undefined) listener.frame(frame)
    listener.read()
  })
  socket.on('error', end)
  socket.on('close', end)
  return {
    close(abrupt) {
      over = true
      if (abrupt || socket.readyState !== WebSocket.OPEN) socket.terminate()
      else socket.close(1000)
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
  }
}

function openSse({ port, subject, after, last }: Wanted, listener: Listener): Connection {
  const query = new URLSearchParams([['subject', subject], ...after.map((token) => ['after', token])])
  if (last !== undefined) query.set('last', String(last))
  let over = false
  let body: IncomingMessage | undefined
  let position = ''
  const end = () => {
    if (!over) listener.gone()
    over = true
  }
  const parser = new SseParser((event) => {
    if (over) return
    const frame = frameOfEvent(event)
    if (frame !== undefined && frame.kind !== 'after') listener.frame(frame)
    listener.read()
    if (event.lastEventId === position || over) return
    position = event.lastEventId
    listener.position(position)
  }, maxEventLength)
  const asking = get({ host: '127.0.0.1', port, path: `/v1/sse?${query}`, agent: false }, (response) => {
    body = response
    response.on('data', (chunk: Buffer) => {
      if (!over) parser.feed(chunk)
    })
    response.on('close', end)
  })
  asking.on('error', end)
  return {
    close() {
      over = true
      asking.destroy()
    },
    pause: () => void body?.pause(),
    resume: () => void body?.resume(),
  }
}

interface Answer {
  readonly frames: readonly unknown[]
  readonly after: string
}

function openPoll({ port, subject, after: start, last }: Wanted, listener: Listener): Connection {
  let over = false
  let after = start
  let asking: ClientRequest
  const end = () => {
    if (!over) listener.gone()
    over = true
  }
  const take = ({ frames, after: token }: Answer) => {
    for (const each of frames) {
      const frame = serverFrameFromJson(each)
      if (frame !== undefined && !over) listener.frame(frame)
    }
    if (over) return
    after = [token]
    listener.position(token)
    listener.read()
    if (!over) ask()
  }
  const ask = () => {
    const query = new URLSearchParams([['subject', subject], ...after.map((token) => ['after', token])])
    query.set('wait', String(waitMs))
    if (last !== undefined && after.length === 0) query.set('last', String(last))
    const answered = (response: IncomingMessage) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => {
        if (over) return
        if (response.statusCode === 200) take(JSON.parse(Buffer.concat(chunks).toString()) as Answer)
        else end()
      })
    }
    asking = request({ host: '127.0.0.1', port, path: `/v1/poll?${query}` }, answered)
    asking.on('error', end)
    asking.end()
  }
  ask()
  return {
    close() {
      over = true
      asking.destroy()
    },
    pause() {},
    resume() {},
  }
}
