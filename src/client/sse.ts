import { frameOfEvent, type ServerSentEvent, SseParser } from '../wire/sse-parser.ts'
import { readBody } from './body.ts'
import type { Handlers, Open, Refusal, SubscribeRequest } from './connection.ts'
import type { Ask } from './network.ts'
import { lost, refusal, refusalOf, unreadable } from './refusal.ts'
import { Silence, silent } from './silence.ts'

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
  (gateway, wishes, handlers, clock) => {
    const abort = new AbortController()
    let over = false
    const close = () => {
      over = true
      silence.stop()
      abort.abort()
    }
    const end = (refused: Refusal) => {
      if (over) return
      close()
      handlers.closed(refused)
    }
    const silence = new Silence(clock, () => end(lost(gateway, silent)))
    silence.start(openMs)
    const { signal } = abort
    ask(streamUrl(gateway, wishes), { signal, headers: { accept: 'text/event-stream' } })
      .then((response) => read(response, handlers, silence, signal))
      .then(end, (error: unknown) => end(unreadable(error) ?? lost(gateway, error)))
    return { close }
  }

function streamUrl(gateway: string, wishes: readonly SubscribeRequest[]): string {
  const query = new URLSearchParams(wishes.map(({ subject }) => ['subject', subject]))
  const { after = [], last, policy } = wishes[0] ?? {}
  for (const each of after) query.append('after', each)
  if (last !== undefined) query.set('last', String(last))
  if (policy !== undefined) query.set('policy', policy)
  return `${gateway}/v1/sse?${query}`
}

/** Resolves when the stream has ended, with the reason. */
async function read(response: Response, handlers: Handlers, silence: Silence, signal: AbortSignal): Promise<Refusal> {
  if (response.status !== 200 || response.body === null) return refusalOf(response)
  let refused: Refusal | undefined
  let position = ''
  const onEvent = (event: ServerSentEvent) => {
    if (signal.aborted) return
    const frame = frameOfEvent(event)
    if (frame?.kind === 'error') refused = refusal(frame)
    if (frame?.kind === 'after') {
      if (frame.heartbeatMs !== undefined) silence.start(2 * frame.heartbeatMs + graceMs)
    } else if (frame !== undefined) handlers.frame(frame)
    if (event.lastEventId === position || signal.aborted) return
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
