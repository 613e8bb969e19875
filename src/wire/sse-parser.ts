import { CarillonError } from '../base/errors.ts'
import type { ServerFrame } from './frames.ts'
import { readServerFrame } from './json.ts'
import { JsonFields } from './json-fields.ts'
import { positionEvent } from './sse.ts'

/** One dispatched event. */
export interface ServerSentEvent {
  /** `message` where the stream gave no name. */
  readonly type: string
  readonly data: string
  /** The last id of the stream so far: that of an earlier event where this one has none. */
  readonly lastEventId: string
}

/** Longest line, and all data of one event, in UTF-16 units: well above what a gateway sends. */
const defaultMaxLength = 16 * 1024 * 1024

/**
 * Reads a text/event-stream as it arrives, cut anywhere, by the rules of WHATWG HTML ("Interpreting an event stream"). What
 * stands unfinished when the stream ends is dropped, as they say.
 */
export class SseParser {
  /** What to send as `Last-Event-ID` on reconnecting; it moves when an event is complete. */
  lastEventId = ''
  /** The stream's reconnection time, ms; undefined until it has named one. */
  retryMs: number | undefined = undefined
  readonly #onEvent: (event: ServerSentEvent) => void
  readonly #maxLength: number
  // It replaces ill-formed bytes and drops a byte order mark at the start, as the rules want.
  readonly #decoder = new TextDecoder('utf-8')
  /** The pieces of a line that has not ended. */
  #pending: string[] = []
  #pendingLength = 0
  /** The last chunk ended with CR: an LF that follows belongs to it. */
  #afterCr = false
  #id = ''
  #type = ''
  #data: string[] = []
  #dataLength = 0

  constructor(onEvent: (event: ServerSentEvent) => void, maxLength = defaultMaxLength) {
    this.#onEvent = onEvent
    this.#maxLength = maxLength
  }

  /** Calls `onEvent` for each event that the chunk completes. Throws `frame_too_large` at the limit. */
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

/** Index of the next CR or LF; -1 = none. One pass, so that a stream of CRs alone costs no more. */
function lineEnd(text: string, start: number): number {
  for (let i = start; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x0a || code === 0x0d) return i
  }
  return -1
}

/** A position and nothing else: how a stream opens, and renews it. */
export interface PositionFrame {
  readonly kind: 'after'
  readonly after: string
  /** Where the stream opens: something comes at least this often, ms. */
  readonly heartbeatMs?: number
}

/** The gateway's frame that an event of its stream is; undefined for a kind that this version does not know. Throws `bad_frame`. */
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
