import { errors, type Msg, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node'
import type { Random } from '../../../src/base/random.ts'
import type { Process, VirtualTime } from '../virtual-time.ts'
import { received, type WireMessage } from './jetstream-messages.ts'

/** The server as a connection sees it. */
export interface ServerEnd {
  readonly process: Process
  /** Whether the server accepts connections. */
  readonly isUp: boolean
  opened(connection: ModelConnection): void
  closed(connection: ModelConnection): void
  published(connection: ModelConnection, message: Sent): void
}

/** A message that a client publishes. */
export interface Sent {
  readonly subject: string
  readonly payload: Buffer
  /** Encoded, including the empty line; absent = none. */
  readonly headers?: Uint8Array | undefined
  readonly reply: string
}

/** Publish options of the client library. */
interface PublishOptions {
  readonly reply?: string
  readonly headers?: { encode(): Uint8Array }
}

/** The network between one gateway and the server. */
export class Line {
  latencyMs = 6
  readonly process: Process
  readonly time: VirtualTime
  readonly server: ServerEnd
  readonly random: Random
  readonly connections = new Set<ModelConnection>()
  /** `frozen`: messages wait. `refused`: connections fail. */
  away: 'frozen' | 'refused' | undefined

  constructor(time: VirtualTime, process: Process, server: ServerEnd, random: Random) {
    this.time = time
    this.process = process
    this.server = server
    this.random = random
  }

  latency(): number {
    return this.random.next() * this.latencyMs
  }

  setAway(away: boolean): void {
    if (away === (this.away !== undefined)) return
    this.away = away ? (this.random.next() < 0.5 ? 'frozen' : 'refused') : undefined
    for (const connection of [...this.connections]) {
      if (this.away === 'refused') connection.cut('read ECONNRESET')
      else if (this.away === 'frozen') connection.freeze()
      else connection.thaw()
    }
  }

  /** Connects as the client library does. */
  dial({ timeout = 2000 }: NodeConnectionOptions): Promise<NatsConnection> {
    return new Promise((resolve, reject) => {
      const { process, server, time, away } = this
      if (away === 'frozen') {
        process.after(timeout, () => reject(new errors.TimeoutError()))
        return
      }
      time.add(server.process, this.latency(), () => {
        const refused = away === 'refused' || !server.isUp
        const connection = refused ? undefined : new ModelConnection(this)
        if (connection !== undefined) server.opened(connection)
        time.add(process, this.latency(), () => {
          if (connection === undefined) reject(new Error('connect ECONNREFUSED'))
          else resolve(connection as unknown as NatsConnection)
        })
      })
    })
  }
}

interface Question {
  readonly resolve: (message: Msg) => void
  readonly reject: (error: Error) => void
  readonly cancel: () => void
}

type Callback = (error: Error | null, message: Msg) => void

/**
 * Interval of the client library's pings, ms, and the number of unanswered ones that it allows.
 */
const pingMs = 2000
const maxPingsOut = 2

/**
 * One connection to the server, with the part of the client library's contract that the adapter
 * uses. Each direction keeps its order.
 */
export class ModelConnection {
  readonly options = { inboxPrefix: '_INBOX' }
  readonly info = { version: '2.11.0', max_payload: 1 << 20 }
  readonly features = { get: () => ({ ok: true, min: '' }) }
  readonly line: Line
  /** Subjects with interest, as the server knows them. */
  readonly interest = new Set<string>()
  readonly #subscriptions = new Map<string, Callback>()
  readonly #questions = new Map<string, Question>()
  readonly #ended = Promise.withResolvers<undefined | Error>()
  /** Arrival time of the last message in transit, for each direction. */
  readonly #arrives = { up: 0, down: 0 }
  /** Messages that arrived while the line was frozen; undefined = it is not frozen. */
  #frozen: (() => void)[] | undefined
  #isClosed = false
  #count = 0

  constructor(line: Line) {
    this.line = line
    line.connections.add(this)
  }

  // The client library's side

  publish(subject: string, payload: string | Uint8Array = '', { reply = '', headers }: PublishOptions = {}): void {
    if (this.#isClosed) throw new errors.ClosedConnectionError()
    const sent: Sent = { subject, payload: Buffer.from(payload), headers: headers?.encode(), reply }
    this.#up(() => this.line.server.published(this, sent), headers !== undefined)
  }

  subscribe(subject: string, { callback }: { callback: Callback }): { unsubscribe(): void } {
    if (this.#isClosed) throw new errors.ClosedConnectionError()
    this.#subscriptions.set(subject, callback)
    this.#up(() => this.interest.add(subject))
    return {
      unsubscribe: () => {
        this.#subscriptions.delete(subject)
        if (!this.#isClosed) this.#up(() => this.interest.delete(subject))
      },
    }
  }

  request(subject: string, payload: Uint8Array, { timeout }: { timeout: number }): Promise<Msg> {
    if (this.#isClosed) return Promise.reject(new errors.ClosedConnectionError())
    const reply = `_INBOX.questions.${++this.#count}`
    return new Promise((resolve, reject) => {
      const late = () => {
        this.#questions.delete(reply)
        reject(new errors.TimeoutError())
      }
      this.#questions.set(reply, { resolve, reject, cancel: this.line.process.after(timeout, late) })
      this.publish(subject, payload, { reply })
    })
  }

  flush(): Promise<void> {
    if (this.#isClosed) return Promise.reject(new errors.ClosedConnectionError())
    return new Promise((resolve) => this.#up(() => this.#down(resolve)))
  }

  isClosed(): boolean {
    return this.#isClosed
  }

  closed(): Promise<undefined | Error> {
    return this.#ended.promise
  }

  /** Returns an iterator that yields nothing and ends with the connection. */
  status(): AsyncIterable<never> {
    const next = () => this.#ended.promise.then(() => ({ value: undefined, done: true }) as const)
    return { [Symbol.asyncIterator]: () => ({ next }) }
  }

  close(): Promise<void> {
    this.#end(undefined)
    return Promise.resolve()
  }

  // The server's side

  send(message: WireMessage): void {
    this.#down(() => this.#received(message))
  }

  /** Ends the connection after the messages in transit. */
  end(problem: string): void {
    this.#down(() => this.#end(new Error(problem)))
  }

  /** Ends the connection. Messages in transit are lost. */
  cut(problem: string): void {
    this.line.time.add(this.line.process, 0, () => this.#end(new Error(problem)))
  }

  // The line

  freeze(): void {
    if (this.#frozen !== undefined) return
    const held: (() => void)[] = []
    this.#frozen = held
    this.line.process.after((maxPingsOut + 1) * pingMs, () => {
      if (this.#frozen === held) this.#end(new Error('stale connection'))
    })
  }

  thaw(): void {
    const held = this.#frozen ?? []
    this.#frozen = undefined
    for (const each of held) each()
  }

  /** A sent record arrives even if the connection ends after it. */
  #up(arrived: () => void, isRecord = false): void {
    this.#travel('up', this.line.server.process, arrived, isRecord)
  }

  #down(arrived: () => void): void {
    this.#travel('down', this.line.process, arrived)
  }

  #travel(way: 'up' | 'down', to: Process, arrived: () => void, isRecord = false): void {
    const { time } = this.line
    this.#arrives[way] = Math.max(this.#arrives[way], time.nowMs + this.line.latency())
    time.add(to, this.#arrives[way] - time.nowMs, () => {
      if (this.#isClosed && !isRecord) return
      if (this.#frozen !== undefined) this.#frozen.push(() => time.add(to, 0, () => !this.#isClosed && arrived()))
      else arrived()
    })
  }

  #received(message: WireMessage): void {
    const { to } = message
    const made = received(message, this.line.random.next() < 0.9 ? 1 : 2)
    const question = this.#questions.get(to)
    if (question === undefined) {
      const callback = this.#subscriptions.get(to) ?? this.#subscriptions.get(`${to.slice(0, to.lastIndexOf('.'))}.*`)
      callback?.(null, made)
      return
    }
    this.#questions.delete(to)
    question.cancel()
    question.resolve(made)
  }

  #end(error: Error | undefined): void {
    if (this.#isClosed) return
    this.#isClosed = true
    const { line } = this
    line.connections.delete(this)
    line.time.add(line.server.process, line.latency(), () => line.server.closed(this))
    this.#subscriptions.clear()
    for (const { reject, cancel } of this.#questions.values()) {
      cancel()
      reject(new errors.ClosedConnectionError())
    }
    this.#questions.clear()
    this.#ended.resolve(error)
  }
}
