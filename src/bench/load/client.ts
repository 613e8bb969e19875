import type { Socket } from 'node:net'
import type { Conversation, Converse, Listener } from './conversation.ts'
import { authorityOf, type Endpoint, openSocket } from './socket.ts'

/** Longest token that is kept, bytes. */
const maxTokenBytes = 64

/** What a client tells its crowd. */
export interface ClientHost {
  readonly converse: Converse
  readonly localAddress: string | undefined
  /** Monotonic time of the bytes that are being read, µs. */
  readonly nowUs: number
  /** Monotonic time, µs. */
  clockUs(): number
  /** Bytes are about to be read. */
  reading(): void
  event(client: Client, dueUs: number, number: number): void
  /** All that was missed has come. */
  live(client: Client): void
  gap(client: Client): void
  /** The connection has gone, not by `leave`. */
  gone(client: Client, why: string): void
}

/** Which of the clients it is, and of which subject. */
export interface ClientPlace {
  readonly index: number
  readonly subject: string
  readonly subjectIndex: number
  /** It stops reading now and then. */
  readonly slow: boolean
}

/** One client over all of its connections: its subject, where it stands, what it has had. */
export class Client implements Listener {
  readonly index: number
  readonly subject: string
  readonly subjectIndex: number
  readonly slow: boolean
  /** The number of the event that comes next. */
  next = 0
  /** Since when it is live, monotonic µs; Infinity = it is not. */
  liveUs = Number.POSITIVE_INFINITY
  /** When it began to come, or lost what it had, monotonic µs; 0 while it is live. */
  begunUs = 0
  /** A gap was told since the last event: numbers that are passed over now were not lost in silence. */
  toldGap = false
  /** How often it has changed its gateway. */
  moves = 0
  authority = ''
  readonly #host: ClientHost
  readonly #token: Buffer
  #tokenBytes = 0
  #socket: Socket | undefined
  #conversation: Conversation | undefined
  #paused = false

  constructor(host: ClientHost, { index, subject, subjectIndex, slow }: ClientPlace) {
    this.#host = host
    this.index = index
    this.subject = subject
    this.subjectIndex = subjectIndex
    this.slow = slow
    this.#token = Buffer.alloc(maxTokenBytes)
  }

  get connected(): boolean {
    return this.#socket !== undefined
  }

  get token(): string {
    return this.#token.toString('latin1', 0, this.#tokenBytes)
  }

  come(endpoint: Endpoint, nowUs: number): void {
    this.leave(nowUs)
    if (this.begunUs === 0) this.begunUs = nowUs
    this.authority = authorityOf(endpoint)
    const conversation = this.#host.converse(this)
    this.#conversation = conversation
    const socket = openSocket({
      endpoint,
      localAddress: this.#host.localAddress,
      opened: () => {
        if (this.#socket === socket) this.#guard(() => conversation.begin())
      },
      bytes: (bytes) => {
        if (this.#socket === socket) this.#take(bytes)
        return !this.#paused
      },
      gone: (why) => {
        if (this.#socket === socket) this.#lose(why)
      },
    })
    this.#socket = socket
  }

  /** Without a word, as networks do it. */
  leave(nowUs: number): void {
    if (this.liveUs !== Number.POSITIVE_INFINITY) this.begunUs = nowUs
    const socket = this.#socket
    this.#socket = undefined
    this.#conversation = undefined
    this.liveUs = Number.POSITIVE_INFINITY
    socket?.destroy()
  }

  /** Reads nothing until it resumes: the network's buffers fill. */
  pause(): void {
    this.#paused = true
    this.#socket?.pause()
  }

  resume(): void {
    this.#paused = false
    this.#socket?.resume()
  }

  // Listener

  send(bytes: Uint8Array | string): void {
    this.#socket?.write(bytes)
  }

  live(): void {
    if (this.liveUs !== Number.POSITIVE_INFINITY) return
    this.liveUs = this.#host.nowUs
    this.#host.live(this)
  }

  event(dueUs: number, number: number): void {
    this.#host.event(this, dueUs, number)
  }

  position(bytes: Uint8Array, start: number, end: number): void {
    if (end - start > maxTokenBytes)
      throw new Error(`expected a token of at most ${maxTokenBytes} bytes, got ${end - start}`)
    for (let i = start, at = 0; i < end; i++, at++) this.#token[at] = bytes[i]!
    this.#tokenBytes = end - start
  }

  gap(): void {
    this.toldGap = true
    this.#host.gap(this)
  }

  #take(bytes: Buffer): void {
    this.#host.reading()
    try {
      this.#conversation!.take(bytes)
    } catch (error) {
      this.#lose(error instanceof Error ? error.message : String(error))
    }
  }

  #guard(run: () => void): void {
    this.#host.reading()
    run()
  }

  #lose(why: string): void {
    this.leave(this.#host.clockUs())
    this.#host.gone(this, why)
  }
}
