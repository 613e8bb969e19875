import { CarillonError } from '../base/errors.ts'
import type { ServerFrame } from './frames.ts'
import { readServerFrame } from './json.ts'
import { JsonFields } from './json-fields.ts'
import { positionEvent } from './sse.ts'

/** One dispatched event. */
export interface ServerSentEvent {
  /** `message` if the stream gave no name. */
  readonly type: string
  readonly data: string
  /** The stream's last id, which may come from an earlier event. */
  readonly lastEventId: string
}

/**
 * Maximum length of a line, and of all data of one event, in UTF-16 units. Gateways send far
 * less.
 */
const defaultMaxLength = 16 * 1024 * 1024

/**
 * Parses a text/event-stream in chunks cut at any place, by the rules of WHATWG HTML
 * ("Interpreting an event stream"). As they require, an event that is unfinished when the stream
 * ends is dropped.
 */
export class SseParser {
  /** The `Last-Event-ID` to send on reconnect. It changes when an event is complete. */
  lastEventId = ''
  /** The stream's reconnection time, ms; undefined until the stream sets it. */
  retryMs: number | undefined = undefined
  readonly #onEvent: (event: ServerSentEvent) => void
  readonly #maxLength: number
  // Replaces ill-formed bytes and drops a leading byte order mark, as the rules require.
  readonly #decoder = new TextDecoder('utf-8')
  /** Pieces of an unfinished line. */
  #pending: string[] = []
  #pendingLength = 0
  /** The last chunk ended with CR: an LF that follows is part of the same line break. */
  #afterCr = false
  #id = ''
  #type = ''
  #data: string[] = []
  #dataLength = 0

  constructor(onEvent: (event: ServerSentEvent) => void, maxLength = defaultMaxLength) {
    this.#onEvent = onEvent
    this.#maxLength = maxLength
  }

  /**
   * Calls `onEvent` for each event that the chunk completes. Throws `frame_too_large` at the
   * limit.
   */
  feed(chunk: Uint8Array): void {
    const text = this.#decoder.decode(chunk, { stream: true })
    if (text === '') return
    let start = this.#afterCr && text.charCodeAt(0) === 0x0a ? 1 : 0
    this.#afterCr = false
    for (;;) {
      const end = lineEnd(text, start)
      if (end === -1) break
      this.#line(this.#completed(text.slice(start, end)))
      start = end + 1
      if (text.charCodeAt(end) !== 0x0d) continue
      if (start === text.length) this.#afterCr = true
      else if (text.charCodeAt(start) === 0x0a) start++
    }
    this.#hold(text.slice(start))
  }

  #hold(piece: string): void {
    if (piece === '') return
    this.#pending.push(piece)
    this.#pendingLength += piece.length
    if (this.#pendingLength > this.#maxLength) throw this.#tooLong()
  }

  #completed(piece: string): string {
    if (this.#pending.length === 0) return piece
    const line = this.#pending.join('') + piece
    this.#pending = []
    this.#pendingLength = 0
    return line
  }

  #line(line: string): void {
    if (line === '') {
      this.#dispatch()
      return
    }
    const colon = line.indexOf(':')
    if (colon === 0) return
    const name = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(line.charCodeAt(colon + 1) === 0x20 ? colon + 2 : colon + 1)
    this.#field(name, value)
  }

  #field(name: string, value: string): void {
    switch (name) {
      case 'data':
        this.#data.push(value)
        this.#dataLength += value.length + 1
        if (this.#dataLength > this.#maxLength) throw this.#tooLong()
        break
      case 'event':
        this.#type = value
        break
      case 'id':
        if (!value.includes('\0')) this.#id = value
        break
      case 'retry':
        if (/^[0-9]+$/.test(value)) this.retryMs = Number(value)
        break
    }
  }

  #dispatch(): void {
    this.lastEventId = this.#id
    const type = this.#type === '' ? 'message' : this.#type
    const data = this.#data
    this.#type = ''
    this.#data = []
    this.#dataLength = 0
    if (data.length > 0) this.#onEvent({ type, data: data.join('\n'), lastEventId: this.#id })
  }

  #tooLong(): CarillonError {
    return new CarillonError(
      'frame_too_large',
      `expected events of at most ${this.#maxLength} characters in the stream`,
    )
  }
}

/**
 * Returns the index of the next CR or LF; -1 = none. A single pass keeps a stream of only CRs
 * cheap.
 */
function lineEnd(text: string, start: number): number {
  for (let i = start; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x0a || code === 0x0d) return i
  }
  return -1
}

/**
 * A position without an event. A stream opens with one, and sends others to renew its position.
 */
export interface PositionFrame {
  readonly kind: 'after'
  readonly after: string
  /** In the opening frame: the stream sends something at least this often, ms. */
  readonly heartbeatMs?: number
}

/**
 * Decodes one event of a stream to a gateway's frame. Returns undefined for a kind that this
 * version doesn't know. Throws `bad_frame`.
 */
export function frameOfEvent(event: ServerSentEvent): ServerFrame | PositionFrame | undefined {
  if (event.type === positionEvent) return positionOf(event)
  const frame = readServerFrame(event.type === 'message' ? 'delivery' : event.type, parsed(event.data))
  return frame?.kind === 'delivery' ? { ...frame, after: event.lastEventId } : frame
}

function positionOf({ data, lastEventId }: ServerSentEvent): PositionFrame {
  const heartbeatMs = new JsonFields(parsed(data), positionEvent, 'bad_frame').uint32('heartbeatMs')
  return { kind: 'after', after: lastEventId, ...(heartbeatMs === 0 ? {} : { heartbeatMs }) }
}

function parsed(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    throw new CarillonError('bad_frame', 'expected JSON as the data of a server-sent event, got other text')
  }
}
