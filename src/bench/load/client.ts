import type { Socket } from 'node:net'
import type { Conversation, Converse, Listener } from './conversation.ts'
import type { FollowedSubject } from './followed.ts'
import { authorityOf, type Endpoint, openSocket } from './socket.ts'
import { subjectDigits } from './subjects.ts'

/** What a client tells the one that holds it. */
export interface ClientHost {
  readonly converse: Converse
  readonly localAddress: string | undefined
  /** Monotonic time of the bytes that are being read, µs. */
  readonly nowUs: number
  /** Monotonic time, µs. */
  clockUs(): number
  /** Bytes are about to be read. */
  reading(): void
  event(client: Client, followed: FollowedSubject, dueUs: number, number: number): void
  /** All that was missed has come. */
  live(client: Client): void
  gap(client: Client): void
  /** The connection has gone, not by `leave`. */
  gone(client: Client, why: string): void
}

/** Which of the clients it is, and what it follows. */
export interface ClientPlace {
  readonly index: number
  readonly followed: readonly FollowedSubject[]
  /** It stops reading now and then. */
  readonly slow: boolean
}

/** One client over all of its connections. */
export class Client implements Listener {
  readonly index: number
  readonly followed: readonly FollowedSubject[]
  readonly slow: boolean
  /** Since when it is live, monotonic µs; Infinity = it is not. */
  liveUs = Number.POSITIVE_INFINITY
  /** When it began to come, or lost what it had, monotonic µs; 0 while it is live. */
  begunUs = 0
  /** How often it has changed its gateway. */
  moves = 0
  authority = ''
  readonly #host: ClientHost
  /** What stands before a subject's number. */
  readonly #prefix: string
  /** Subscriptions that are not live yet. */
  #left = 0
  #socket: Socket | undefined
  #conversation: Conversation | undefined
  #paused = false

  constructor(host: ClientHost, { index, followed, slow }: ClientPlace) {
    this.#host = host
    this.index = index
    this.followed = followed
    this.slow = slow
    this.#prefix = this.subject.slice(0, -subjectDigits)
  }

  get connected(): boolean {
    return this.#socket !== undefined
  }

  get token(): string {
    return this.followed[0]!.token
  }

  get subject(): string {
    return this.followed[0]!.subject
  }

  come(endpoint: Endpoint, nowUs: number): void {
    this.leave(nowUs)
    if (this.begunUs === 0) this.begunUs = nowUs
    this.authority = authorityOf(endpoint)
    this.#left = this.followed.length
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
    if (this.liveUs !== Number.POSITIVE_INFINITY || --this.#left > 0) return
    this.liveUs = this.#host.nowUs
    this.#host.live(this)
  }

  find(bytes: Buffer, start: number, end: number): number {
    const at = bytes.indexOf(this.#prefix, start, 'latin1') + this.#prefix.length
    const index = Number(bytes.toString('latin1', at, Math.min(end, at + subjectDigits)))
    const of = this.followed.findIndex(({ subjectIndex }) => subjectIndex === index)
    if (of < 0) throw new Error(`expected an event of a subject of this client, got one of number ${index}`)
    return of
  }

  event(dueUs: number, number: number, of = 0): void {
    this.#host.event(this, this.followed[of]!, dueUs, number)
  }

  position(bytes: Uint8Array, start: number, end: number, of = 0): void {
    this.followed[of]!.stand(bytes, start, end)
  }

  gap(): void {
    for (const each of this.followed) each.toldGap = true
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
