import type { Socket } from 'node:net'
import { clientFrame, opcode } from '../../src/bench/load/websocket-frames.ts'
import { encodeToken } from '../../src/wire/token.ts'
import { type Aim, ask, flood, frameHead, get, json, post, send, sendAll, stay, webSocket } from './sockets.ts'

/** What an attacker without rights may do to a gateway with its defaults. Each is a process of its own, and bounded in what it opens. */
export interface Attack {
  readonly about: string
  /** That it has at once at most: each may take what docs/operations.md says. */
  readonly sessions: number
  /** It needs a log with something in it. */
  readonly history?: true
  begin(aim: Aim): void
}

const subscriptions = 1000
/** Records, of any subject, that a question for last events may have to look at. */
export const historyRecords = 120_000
/** A subject has at most so many bytes. */
const subjectBytes = 255
const fragments = 60_000
const second = 1000

const times = (count: number, run: (i: number) => void): void => {
  for (let i = 0; i < count; i++) run(i)
}
/** Patterns that match nothing, so that whoever looks for an event looks at all. */
const pattern = (i: number): string => `z${i}.>`
const longPattern = (i: number): string => `z${i}.`.padEnd(subjectBytes - 2, '*.').replace(/\.*$/, '.>')
/** Positions of streams that this gateway does not have. */
const foreignToken = (count: number): string =>
  encodeToken(
    Array.from({ length: count }, (_, partition) => ({
      nameHash: 0x77777777,
      incarnationHash: 0x33333333,
      partition,
      offset: 1,
      generation: 7,
    })),
  )
const subscribe = (ref: number, subject: string, more: object = {}): Buffer =>
  json({ subscribe: { ref, subject, ...more } })
const unsubscribe = (ref: number): Buffer => json({ unsubscribe: { ref } })

function* subscribes(of: (i: number) => string, more: object = {}): Generator<Buffer> {
  for (let i = 1; i <= subscriptions; i++) yield subscribe(i, of(i), more)
}

function* unsubscribes(): Generator<Buffer> {
  for (let i = 1; i <= subscriptions; i++) yield unsubscribe(i)
}

function lastAgain(socket: Socket): void {
  sendAll(socket, subscribes(longPattern, { last: 1 }), () => {
    sendAll(socket, unsubscribes(), () => lastAgain(socket))
  })
}

/** Of the fragment of one byte with this number. */
function fragmentHead(i: number): Buffer {
  const code = i === 0 ? opcode.text : opcode.continuation
  return frameHead(i === fragments - 1 ? 0x80 | code : code, 1)
}

function trickle(socket: Socket): void {
  const timer = setInterval(() => send(socket, Buffer.from(' ')), second)
  socket.on('close', () => clearInterval(timer))
}

export const attacks = {
  'last-request': {
    about: 'a GET of 15 KB with 889 patterns and last=1000, on four connections',
    sessions: 4,
    history: true,
    begin({ port }) {
      const query = Array.from({ length: 889 }, (_, i) => `subject=${encodeURIComponent(pattern(i))}`).join('&')
      const request = get(`/v1/poll?${query}&last=1000&wait=0`)
      times(4, () => ask(port, request))
    },
  },
  'last-subscribe': {
    about: 'subscribe {last: 1} to 1000 of the longest patterns in each of four sessions, repeatedly',
    sessions: 4,
    history: true,
    begin({ port }) {
      times(4, () =>
        webSocket(port, (socket) => {
          socket.resume()
          lastAgain(socket)
        }),
      )
    },
  },
  'subscribe-flood': {
    about: 'subscribe and unsubscribe frames as fast as four sockets accept them',
    sessions: 4,
    begin({ port }) {
      const pairs = Buffer.concat(Array(500).fill(Buffer.concat([subscribe(1, '*.*.*.>'), unsubscribe(1)])))
      times(4, () =>
        webSocket(port, (socket) => {
          socket.resume()
          flood(socket, pairs)
        }),
      )
    },
  },
  fragments: {
    about: 'WebSocket messages of 60,000 fragments of one byte, on four sockets',
    sessions: 4,
    begin({ port }) {
      const text = JSON.stringify({ ping: { t: 1 } }).padEnd(fragments)
      const message = Buffer.concat(Array.from(text, (byte, i) => Buffer.concat([fragmentHead(i), Buffer.from(byte)])))
      times(4, () => webSocket(port, (socket) => flood(socket.resume(), message)))
    },
  },
  'json-pings': {
    about: 'JSON pings as fast as four sockets accept them',
    sessions: 4,
    begin({ port }) {
      const pings = Buffer.concat(Array(1000).fill(json({ ping: { t: 1 } })))
      times(4, () => webSocket(port, (socket) => flood(socket.resume(), pings)))
    },
  },
  'carried-positions': {
    about: '1000 positions of unknown streams in each of 1000 subscriptions of six sessions',
    sessions: 6,
    begin({ port }) {
      const after = [foreignToken(1000)]
      times(6, () =>
        webSocket(port, (socket) => {
          socket.resume()
          sendAll(
            socket,
            subscribes((i) => `c.x${i}`, { after }),
          )
        }),
      )
    },
  },
  'waiting-frames': {
    about: 'twenty sockets that read nothing while answers of up to 1000 positions wait for them',
    sessions: 20,
    begin({ port }) {
      const pair = Buffer.concat([subscribe(1, 'c.x', { after: [foreignToken(1000)] }), unsubscribe(1)])
      times(20, () => webSocket(port, (socket) => flood(socket, pair)))
    },
  },
  'unfinished-messages': {
    about: '300 sockets, each with 1.05 MB of a message that never ends',
    sessions: 300,
    begin({ port }) {
      const begun = Buffer.concat([frameHead(0x80 | opcode.text, 1_100_000), Buffer.alloc(1_050_000, 0x20)])
      times(300, () => webSocket(port, (socket) => send(socket.resume(), begun)))
    },
  },
  'everything-often': {
    about: 'four sessions that read, with 1000 subscriptions to > each',
    sessions: 4,
    begin({ port }) {
      times(4, () =>
        webSocket(port, (socket) => {
          socket.resume()
          sendAll(
            socket,
            subscribes(() => '>'),
          )
        }),
      )
    },
  },
  'pongs-only': {
    about: '100 sockets that subscribe to >, send pongs and read nothing',
    sessions: 100,
    begin({ port }) {
      const pong = clientFrame(opcode.pong, Buffer.alloc(0))
      times(100, () =>
        webSocket(port, (socket) => {
          send(socket, subscribe(1, '>'))
          const timer = setInterval(() => send(socket, pong), second)
          socket.on('close', () => clearInterval(timer))
        }),
      )
    },
  },
  'never-subscribe': {
    about: '1000 sessions that never subscribe',
    sessions: 1000,
    begin({ port }) {
      times(1000, (i) => setTimeout(webSocket, 2 * i, port, (socket: Socket) => socket.resume()))
    },
  },
  'silent-admin': {
    about: '64 silent sockets on the admin listener',
    sessions: 0,
    begin({ admin }) {
      times(64, () => stay(admin, (socket) => socket.resume()))
    },
  },
  'slow-bodies': {
    about: '64 POST bodies that arrive at a byte a second',
    sessions: 0,
    begin({ port }) {
      const head = post('/v1/publish', '{', 200_000)
      times(64, () =>
        stay(port, (socket) => {
          send(socket.resume(), head)
          trickle(socket)
        }),
      )
    },
  },
  'deep-json': {
    about: 'polls with JSON that is 20,000 levels deep, on four connections',
    sessions: 0,
    begin({ port }) {
      const deep = '['.repeat(20_000) + ']'.repeat(20_000)
      times(4, () => ask(port, post('/v1/poll', `{"subjects":["a"],"wait":${deep}}`)))
    },
  },
  'connection-churn': {
    about: 'up to 600 connections a second that the client cuts: at once, in the handshake, or during a request',
    sessions: 30,
    begin({ port }) {
      const poll = get('/v1/poll?subject=nobody.x&wait=20000')
      times(10, () => stay(port, (socket) => socket.resetAndDestroy()))
      times(10, () => webSocket(port, (socket) => socket.resetAndDestroy()))
      times(10, () =>
        stay(port, (socket) => {
          send(socket, poll)
          setTimeout(() => socket.resetAndDestroy(), 20)
        }),
      )
    },
  },
} as const satisfies Record<string, Attack>

export type AttackName = keyof typeof attacks
export const attackNames = Object.keys(attacks) as AttackName[]
