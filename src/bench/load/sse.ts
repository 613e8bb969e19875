import type { Conversation, Listener } from './conversation.ts'
import { ChunkedReader, headerOf, readHead } from './http-head.ts'
import { dueUsOf, findPayload, numberOf } from './payload.ts'

/** The dialect of an SSE server (WHATWG HTML, "Server-sent events"). */
export interface StreamDialect {
  /** Returns path and query of a subscription that resumes after `token`; '' = from now on. */
  path(subject: string, token: string): string
  /** Returns header lines, each ending in CRLF. */
  headers(subject: string, token: string): string
  /** Handles a named event. An unnamed event is a delivery. */
  named(listener: Listener, name: string, data: string): void
}

const nothing = Buffer.alloc(0)
const blockEnd = Buffer.from('\n\n')
const lineFeed = 0x0a
const idField = Buffer.from('id: ')
const eventField = Buffer.from('event: ')

export class SseConversation implements Conversation {
  readonly #listener: Listener
  readonly #dialect: StreamDialect
  readonly #chunks = new ChunkedReader()
  /** The received part of the head; undefined once it is complete. */
  #head: Buffer | undefined = nothing
  #chunked = false
  /** The start of a block whose end has not arrived. */
  #carry: Buffer = nothing

  constructor(listener: Listener, dialect: StreamDialect) {
    this.#listener = listener
    this.#dialect = dialect
  }

  begin(): void {
    const { subject, token, authority } = this.#listener
    const path = this.#dialect.path(subject, token)
    const headers = `Host: ${authority}\r\nAccept: text/event-stream\r\n${this.#dialect.headers(subject, token)}`
    this.#listener.send(`GET ${path} HTTP/1.1\r\n${headers}\r\n`)
  }

  take(bytes: Buffer): void {
    if (this.#head === undefined) this.#body(bytes)
    else this.#accept(Buffer.concat([this.#head, bytes]))
  }

  #accept(bytes: Buffer): void {
    this.#head = bytes
    const head = readHead(bytes)
    if (head === undefined) return
    if (head.status !== 200) {
      throw new Error(`expected 200 for an event stream, got ${JSON.stringify(bytes.toString('latin1', 0, 300))}`)
    }
    this.#chunked = /chunked/i.test(headerOf(head, 'transfer-encoding') ?? '')
    this.#head = undefined
    if (head.end < bytes.length) this.#body(bytes.subarray(head.end))
  }

  #body(bytes: Buffer): void {
    if (this.#chunked) this.#chunks.take(bytes, this.#piece)
    else this.#piece(bytes, 0, bytes.length)
  }

  readonly #piece = (chunk: Buffer, from: number, to: number): void => {
    let [bytes, start, end] = [chunk, from, to]
    if (this.#carry.length > 0) {
      bytes = Buffer.concat([this.#carry, chunk.subarray(from, to)])
      ;[start, end] = [0, bytes.length]
      this.#carry = nothing
    }
    for (;;) {
      const at = bytes.indexOf(blockEnd, start)
      if (at < 0 || at + blockEnd.length > end) break
      this.#block(bytes, start, at)
      start = at + blockEnd.length
    }
    if (start < end) this.#carry = Buffer.from(bytes.subarray(start, end))
  }

  /**
   * Handles a block's lines in bytes [start, end). The id may be before or after the other lines.
   */
  #block(bytes: Buffer, start: number, end: number): void {
    let name = ''
    let idStart = -1
    let idEnd = -1
    let last = start
    for (let at = start; at < end; at = last + 1) {
      last = bytes.indexOf(lineFeed, at)
      if (last < 0 || last > end) last = end
      if (begins(bytes, at, idField)) {
        idStart = at + idField.length
        idEnd = last
      } else if (begins(bytes, at, eventField)) name = bytes.toString('latin1', at + eventField.length, last)
    }
    if (name !== '') this.#dialect.named(this.#listener, name, bytes.toString('utf8', start, end))
    else {
      const at = findPayload(bytes, start, end)
      if (at >= 0) this.#listener.event(dueUsOf(bytes, at), numberOf(bytes, at))
    }
    if (idStart >= 0) this.#listener.position(bytes, idStart, idEnd)
  }
}

function begins(bytes: Buffer, at: number, field: Buffer): boolean {
  for (let i = 0; i < field.length; i++) if (bytes[at + i] !== field[i]) return false
  return true
}
