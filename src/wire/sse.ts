import { eventToJson } from './event-json.ts'
import type { ServerFrame } from './frames.ts'
import { serverFrameBody } from './json.ts'

/**
 * Frames as server-sent events (WHATWG HTML, "Server-sent events"). A delivery is an unnamed event, any other frame an event
 * of its kind's name; the transport writes `id:` lines before them. sse-parser.ts reads them back.
 */

const encoder = /* @__PURE__ */ new TextEncoder()

/** Names the event that says a position and nothing else; some clients ignore a block that has only an id. */
export const positionEvent = 'after'

/**
 * A comment: what a connection is kept alive with. No blank line follows it, nor a `retry:` of its own: some clients make an event of
 * every blank line once an id has come, and fail on its empty data.
 */
export const comment: Uint8Array = /* @__PURE__ */ encoder.encode(':\n')

export function encodeServerFrame(frame: ServerFrame): Uint8Array {
  if (frame.kind !== 'delivery') return encoder.encode(`event: ${frame.kind}\ndata: ${serverFrameBody(frame)}\n\n`)
  const { stream, partition, offset, event } = frame
  const position = `"stream":${JSON.stringify(stream ?? '')},"partition":${partition},"offset":${offset}`
  return encoder.encode(`data: {${position},"event":${eventToJson(event)}}\n\n`)
}

/** The line that a session puts before a frame. */
export function idLine(token: string): string {
  return `id: ${token}\n`
}

/** How a stream opens: the position from which it goes on, and after how long a silence a heartbeat comes. */
export function openingBlock(token: string, heartbeatMs: number): string {
  return `event: ${positionEvent}\ndata: {"heartbeatMs":${heartbeatMs}}\n${idLine(token)}\n`
}

/** How a stream renews its position while nothing else is written. */
export function positionBlock(token: string): string {
  return `event: ${positionEvent}\ndata: {}\n${idLine(token)}\n`
}

/** How long the client is to wait before it connects again, ms: the first line of a block. */
export function retryLine(ms: number): string {
  return `retry: ${Math.ceil(ms)}\n`
}
