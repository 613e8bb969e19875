import { eventToJson } from './event-json.ts'
import type { ServerFrame } from './frames.ts'
import { serverFrameBody } from './json.ts'

/**
 * Frames as server-sent events (WHATWG HTML, "Server-sent events"). A delivery is an unnamed
 * event; any other frame is an event named after its kind. The transport writes `id:` lines
 * before them. sse-parser.ts decodes them.
 */

const encoder = /* @__PURE__ */ new TextEncoder()

/**
 * Name of the event that carries only a position. Some clients ignore a block that has only an
 * id.
 */
export const positionEvent = 'after'

/**
 * A comment that keeps a connection alive. No blank line and no `retry:` follow it: once an id
 * has come, some clients make an event of every blank line and fail on its empty data.
 */
export const comment: Uint8Array = /* @__PURE__ */ encoder.encode(':\n')

export function encodeServerFrame(frame: ServerFrame): Uint8Array {
  if (frame.kind !== 'delivery') return encoder.encode(`event: ${frame.kind}\ndata: ${serverFrameBody(frame)}\n\n`)
  const { stream, partition, offset, event } = frame
  const position = `"stream":${JSON.stringify(stream ?? '')},"partition":${partition},"offset":${offset}`
  return encoder.encode(`data: {${position},"event":${eventToJson(event)}}\n\n`)
}

/** Returns the line that a session puts before a frame. */
export function idLine(token: string): string {
  return `id: ${token}\n`
}

/** Returns a stream's first block: the position it starts from, and the heartbeat interval. */
export function openingBlock(token: string, heartbeatMs: number): string {
  return `event: ${positionEvent}\ndata: {"heartbeatMs":${heartbeatMs}}\n${idLine(token)}\n`
}

/** Returns a block that renews the position while nothing else is written. */
export function positionBlock(token: string): string {
  return `event: ${positionEvent}\ndata: {}\n${idLine(token)}\n`
}

/** Returns the first line of a block, with the client's delay before it reconnects, ms. */
export function retryLine(ms: number): string {
  return `retry: ${Math.ceil(ms)}\n`
}
