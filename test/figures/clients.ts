import type { Socket } from 'node:net'
import { carillonConversations } from '../../src/bench/carillon/conversations.ts'
import type { Conversation, Listener } from '../../src/bench/load/conversation.ts'
import { authorityOf, type Endpoint, openSocket } from '../../src/bench/load/socket.ts'

/** Clients of the measurements: one connection each, which does not come back. */
const conversations = {
  'ws-proto': carillonConversations['ws-protobuf'],
  'ws-json': carillonConversations['ws-json'],
  sse: carillonConversations['sse-json'],
  poll: carillonConversations['poll-json'],
} as const
export type Transport = keyof typeof conversations
export const transports = Object.keys(conversations) as Transport[]

/** How long it may take until the subscription is in force, ms. */
const patienceMs = 10_000

export interface ClientOptions {
  readonly port: number
  readonly transport: Transport
  readonly subject: string
  readonly onEvent: (dueUs: number, number: number) => void
  /** The connection has gone, not by `close`. */
  readonly onGone: (error: Error) => void
}

/** Connects; resolves when the subscription is in force. */
export function openClient(options: ClientOptions): Promise<Client> {
  return new Promise((resolve, reject) => {
    const client = new Client(options, (error) => {
      clearTimeout(deadline)
      if (error === undefined) resolve(client)
      else reject(error)
    })
    const deadline = setTimeout(() => {
      client.close()
      reject(new Error(`expected to be accepted within ${patienceMs} ms, got no answer`))
    }, patienceMs)
  })
}

export class Client implements Listener {
  readonly subject: string
  readonly authority: string
  token = ''
  readonly #options: ClientOptions
  readonly #socket: Socket
  readonly #conversation: Conversation
  #opened: ((error?: Error) => void) | undefined
  #closed = false

  constructor(options: ClientOptions, opened: (error?: Error) => void) {
    const endpoint: Endpoint = { host: '127.0.0.1', port: options.port, tls: false }
    this.#options = options
    this.#opened = opened
    this.subject = options.subject
    this.authority = authorityOf(endpoint)
    this.#conversation = conversations[options.transport](this)
    this.#socket = openSocket({
      endpoint,
      opened: () => this.#conversation.begin(),
      bytes: (bytes) => this.#take(bytes),
      gone: (why) => this.#gone(new Error(why)),
    })
  }

  close(): void {
    this.#closed = true
    this.#socket.destroy()
  }

  // Listener

  send(bytes: Uint8Array | string): void {
    this.#socket.write(bytes)
  }

  live(): void {
    this.#opened?.()
    this.#opened = undefined
  }

  event(dueUs: number, number: number): void {
    this.#options.onEvent(dueUs, number)
  }

  position(bytes: Uint8Array, start: number, end: number): void {
    // Only polls ask with it; the others would make a string of each delivery for nothing.
    if (this.#options.transport === 'poll') this.token = Buffer.from(bytes.subarray(start, end)).toString('latin1')
  }

  gap(): void {}

  #take(bytes: Buffer): boolean {
    try {
      if (!this.#closed) this.#conversation.take(bytes)
    } catch (error) {
      this.#gone(error as Error)
    }
    return true
  }

  #gone(error: Error): void {
    if (this.#closed) return
    this.close()
    if (this.#opened === undefined) this.#options.onGone(error)
    else this.#opened(error)
    this.#opened = undefined
  }
}
