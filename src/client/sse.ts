import { frameOfEvent, type ServerSentEvent, SseParser } from '../wire/sse-parser.ts'
import { readBody } from './body.ts'
import type { Handlers, Open, Refusal, SubscribeRequest } from './connection.ts'
import { httpConnection } from './http-connection.ts'
import type { Ask } from './network.ts'
import { refusal, refusalOf } from './refusal.ts'
import type { Silence } from './silence.ts'

/** Most characters of one event: a gateway's largest event in base64, and its JSON. */
const maxEventLength = 32 * 1024 * 1024
/**
 * Limit for the first byte of a stream, ms. A gateway writes at once, and a proxy that holds that
 * back would hold back events too.
 */
const openMs = 10_000
/** Limit for later silence, ms, if the gateway does not send `heartbeatMs`. */
const silenceMs = 60_000
/** Allowance on top of two heartbeats, ms, if the gateway sends `heartbeatMs`. */
const graceMs = 10_000

/** Opens `GET /v1/sse` with fetch instead of EventSource, which hides positions and refusals. */
export const openSse =
  (ask: Ask): Open =>
  (gateway, requests, handlers, clock) =>
    httpConnection(gateway, handlers, clock, async (silence, isOver, signal) => {
      silence.start(openMs)
      const init = { signal: signal(), headers: { accept: 'text/event-stream' } }
      return read(await ask(streamUrl(gateway, requests), init), handlers, silence, isOver)
    })

function streamUrl(gateway: string, requests: readonly SubscribeRequest[]): string {
  const query = new URLSearchParams(requests.map(({ subject }) => ['subject', subject]))
  const { after = [], last, policy } = requests[0] ?? {}
  for (const each of after) query.append('after', each)
  if (last !== undefined) query.set('last', String(last))
  if (policy !== undefined) query.set('policy', policy)
  return `${gateway}/v1/sse?${query}`
}

/** Resolves with the reason when the stream has ended. */
async function read(response: Response, handlers: Handlers, silence: Silence, isOver: () => boolean): Promise<Refusal> {
  if (response.status !== 200 || response.body === null) return refusalOf(response)
  let refused: Refusal | undefined
  let position = ''
  const onEvent = (event: ServerSentEvent) => {
    if (isOver()) return
    const frame = frameOfEvent(event)
    if (frame?.kind === 'error') refused = refusal(frame)
    if (frame?.kind === 'after') {
      if (frame.heartbeatMs !== undefined) silence.start(2 * frame.heartbeatMs + graceMs)
    } else if (frame !== undefined) handlers.frame(frame)
    if (event.lastEventId === position || isOver()) return
    position = event.lastEventId
    handlers.position(position)
  }
  const parser = new SseParser(onEvent, maxEventLength)
  let isFirst = true
  await readBody(response, silence, (piece) => {
    if (isFirst) silence.start(silenceMs)
    isFirst = false
    parser.feed(piece)
  })
  return refused ?? { code: 'closed', message: 'the stream ended', retryAfterMs: parser.retryMs ?? 0, retry: 'later' }
}
