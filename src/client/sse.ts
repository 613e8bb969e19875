import { frameOfEvent, type ServerSentEvent, SseParser } from '../wire/sse-parser.ts'
import { readBody } from './body.ts'
import type { Handlers, Open, Refusal, SubscribeRequest } from './connection.ts'
import { httpConnection } from './http-connection.ts'
import type { Ask } from './network.ts'
import { refusal, refusalOf } from './refusal.ts'
import type { Silence } from './silence.ts'

/** Characters of one event, at most: the largest event of a gateway in base64, and its JSON. */
const maxEventLength = 32 * 1024 * 1024
/** A stream on which nothing has come within this time is given up, ms: a gateway writes at once, and a proxy that holds that back holds back events. */
const openMs = 10_000
/** The same once something has come, of a gateway that does not say its `heartbeatMs`. */
const silenceMs = 60_000
/** Once it says it, a silence of two heartbeats and this much is too long, ms. */
const graceMs = 10_000

/** `GET /v1/sse`: an EventSource of our own, whose position and refusals can be seen. */
export const openSse =
  (ask: Ask): Open =>
  (gateway, wishes, handlers, clock) =>
    httpConnection(gateway, handlers, clock, async (silence, isOver, signal) => {
      silence.start(openMs)
      const init = { signal: signal(), headers: { accept: 'text/event-stream' } }
      return read(await ask(streamUrl(gateway, wishes), init), handlers, silence, isOver)
    })

function streamUrl(gateway: string, wishes: readonly SubscribeRequest[]): string {
  const query = new URLSearchParams(wishes.map(({ subject }) => ['subject', subject]))
  const { after = [], last, policy } = wishes[0] ?? {}
  for (const each of after) query.append('after', each)
  if (last !== undefined) query.set('last', String(last))
  if (policy !== undefined) query.set('policy', policy)
  return `${gateway}/v1/sse?${query}`
}

/** Resolves when the stream has ended, with the reason. */
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
