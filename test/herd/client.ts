import { connect, type Socket } from 'node:net'

/** How long a client may take from connecting until all of its subscriptions are live, ms. */
const patienceMs = 90_000
/** RFC 6455's own example: the server only hashes it. */
const websocketKey = 'dGhlIHNhbXBsZSBub25jZQ=='
/** Masked with zeros: a client's frames must be masked, its payload may stay as it is. */
const noMask = Buffer.alloc(4)
const endOfHead = '\r\n\r\n'
const opcode = { text: 1, close: 8, ping: 9, pong: 10 } as const
/** All reads of this process land here in turn. */
const readBuffer = Buffer.allocUnsafe(256 * 1024)
const nothing = Buffer.alloc(0)

/** One subject as its client has it, over all of its connections. */
export interface TrackedSubscription {
  readonly subject: string
  /** Where it goes on; empty before its first connection. */
  token: string
  /** Number of the event that comes next. */
  next: number
}

export interface Tally {
  events: number
  /** Numbers that were passed over, and such that came again or late. */
  missing: number
  repeated: number
  gaps: number
  /** Connections that ended without being asked to, and error frames. */
  broken: number
}

export const tally = (): Tally => ({ events: 0, missing: 0, repeated: 0, gaps: 0, broken: 0 })

interface DeliveryFrame {
  readonly after: string
  readonly event: { readonly subject: string; readonly data: { readonly n: string } }
}

/**
 * A WebSocket client that follows several subjects and comes back with their positions: JSON frames on a bare socket, so that ten
 * thousand fit into one process and cost little.
 */
export class HerdClient {
  readonly followed: readonly TrackedSubscription[]
  readonly #bySubject: Map<string, TrackedSubscription>
  readonly #tally: Tally
  #socket: Socket | undefined
  #upgraded = false
  #rest: Buffer = nothing
  /** Subscriptions that are not live yet. */
  #left = 0
  #settled: ((error?: Error) => void) | undefined

  constructor(subjects: readonly string[], told: Tally) {
    this.followed = subjects.map((subject) => ({ subject, token: '', next: 0 }))
    this.#bySubject = new Map(this.followed.map((each) => [each.subject, each]))
    this.#tally = told
  }

  /** Resolves to how long it took until all is live, ms; subscribes where it stood when it left. */
  async come(port: number): Promise<number> {
    const startedMs = performance.now()
    let deadline: NodeJS.Timeout | undefined
    try {
      await new Promise<void>((resolve, reject) => {
        this.#settled = (error) => (error === undefined ? resolve() : reject(error))
        deadline = setTimeout(() => this.#fail(new Error(`not live within ${patienceMs} ms`)), patienceMs)
        this.#connect(port)
      })
      return performance.now() - startedMs
    } finally {
      clearTimeout(deadline)
      this.#settled = undefined
    }
  }

  leave(): void {
    const socket = this.#socket
    this.#socket = undefined
    socket?.destroy()
  }

  #connect(port: number): void {
    this.#upgraded = false
    this.#rest = nothing
    this.#left = this.followed.length
    const onread = {
      buffer: readBuffer,
      callback: (bytes: number) => {
        if (this.#socket === socket) this.#read(readBuffer.subarray(0, bytes))
        return true
      },
    }
    const socket = connect({ host: '127.0.0.1', port, onread }, () => {
      const upgrade = `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${websocketKey}\r\n`
      socket.write(`GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\n${upgrade}\r\n`)
    })
    this.#socket = socket
    const gone = (error?: Error) => {
      if (this.#socket === socket) this.#fail(error ?? new Error('the gateway closed the connection'))
    }
    socket.on('error', gone).on('close', () => gone())
  }

  #fail(error: Error): void {
    this.#tally.broken++
    this.leave()
    this.#settled?.(error)
  }

  #read(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let at = this.#upgraded ? 0 : this.#accept(bytes)
    while (at >= 0) {
      const end = this.#frame(bytes, at)
      if (end < 0) break
      at = end
    }
    if (this.#socket !== undefined)
      this.#rest = at === bytes.length ? nothing : Buffer.from(bytes.subarray(Math.max(0, at)))
  }

  /** Returns where the frames begin; -1 = the answer is not complete. */
  #accept(bytes: Buffer): number {
    const end = bytes.indexOf(endOfHead)
    if (end < 0) return -1
    const status = bytes.toString('latin1', 9, 12)
    if (status !== '101') {
      this.#fail(new Error(`expected to be accepted, got ${status}`))
      return bytes.length
    }
    this.#upgraded = true
    const frames = this.followed.map(({ subject, token }, i) => {
      const after = token === '' ? {} : { after: [token] }
      return textFrame(JSON.stringify({ subscribe: { ref: i + 1, subject, ...after } }))
    })
    this.#socket?.write(Buffer.concat(frames))
    return end + endOfHead.length
  }

  /** Takes the frame at `at`, which servers don't mask; returns its end, -1 where it is not complete. */
  #frame(bytes: Buffer, at: number): number {
    if (at + 2 > bytes.length) return -1
    let length = bytes[at + 1]! & 127
    let start = at + 2
    if (length === 126) {
      start += 2
      if (start > bytes.length) return -1
      length = bytes.readUInt16BE(at + 2)
    } else if (length === 127) {
      start += 8
      if (start > bytes.length) return -1
      length = Number(bytes.readBigUInt64BE(at + 2))
    }
    if (start + length > bytes.length) return -1
    const code = bytes[at]! & 15
    if (code === opcode.text) this.#message(JSON.parse(bytes.toString('utf8', start, start + length)))
    else if (code === opcode.ping) this.#socket?.write(controlFrame(opcode.pong))
    else if (code === opcode.close) this.#fail(new Error('the gateway closed the connection'))
    return start + length
  }

  #message(frame: Record<string, unknown>): void {
    if (frame.delivery !== undefined) this.#deliver(frame.delivery as DeliveryFrame)
    else if (frame.live !== undefined) {
      if (--this.#left === 0) this.#settled?.()
    } else if (frame.subscribed !== undefined) {
      const { ref, after } = frame.subscribed as { ref: number; after: string }
      const followed = this.followed[ref - 1]!
      if (followed.token === '') followed.token = after
    } else if (frame.gap !== undefined) this.#tally.gaps++
    else if (frame.error !== undefined) this.#fail(new Error(JSON.stringify(frame.error)))
  }

  #deliver({ after, event }: DeliveryFrame): void {
    // A pattern is followed alone.
    const followed = this.#bySubject.get(event.subject) ?? this.followed[0]!
    const number = Number(event.data.n)
    const told = this.#tally
    told.events++
    followed.token = after
    if (number < followed.next) told.repeated++
    else {
      told.missing += number - followed.next
      followed.next = number + 1
    }
  }
}

function textFrame(text: string): Buffer {
  const payload = Buffer.from(text)
  const head = payload.length < 126 ? Buffer.from([0x80 | opcode.text, 0x80 | payload.length]) : Buffer.alloc(4)
  if (payload.length >= 126) {
    head[0] = 0x80 | opcode.text
    head[1] = 0x80 | 126
    head.writeUInt16BE(payload.length, 2)
  }
  return Buffer.concat([head, noMask, payload])
}

function controlFrame(code: number): Buffer {
  return Buffer.concat([Buffer.from([0x80 | code, 0x80]), noMask])
}
