import { frameOfEvent, SseParser } from '../wire/sse-parser.ts'
import type { Open, Refusal } from './connection.ts'
import { refusal, refusalOf } from './refusal.ts'

/** Characters of one event, at most: the largest event of a gateway in base64, and its JSON. */
const maxEventLength = 32 * 1024 * 1024

/** `GET /v1/sse`: an EventSource of our own, whose position and refusals can be seen. */
export const openSse: Open = (gateway, wishes, handlers) => {
  const abort = new AbortController()
  let refused: Refusal | undefined
  const read = async (): Promise<void> => {
    const query = new URLSearchParams(wishes.map(({ subject }) => ['subject', subject]))
    for (const after of wishes[0]?.after ?? []) query.append('after', after)
    const response = await fetch(`${gateway}/v1/sse?${query}`, { signal: abort.signal })
    if (response.status !== 200 || response.body === null) {
      refused = await refusalOf(response)
      return
    }
    const parser = new SseParser((event) => {
      if (abort.signal.aborted) return
      const frame = frameOfEvent(event)
      if (frame?.kind === 'error') refused = refusal(frame.code, frame.message, frame.retryAfterMs)
      if (frame !== undefined && frame.kind !== 'after') handlers.frame(frame)
      if (parser.lastEventId !== '') handlers.position(parser.lastEventId)
    }, maxEventLength)
    for await (const chunk of response.body) parser.feed(chunk)
    refused ??= { code: 'closed', message: 'the stream ended', retryAfterMs: parser.retryMs ?? 0, final: false }
  }
  read()
    .catch(() => {})
    .finally(() => {
      if (!abort.signal.aborted) handlers.closed(refused)
    })
  return { close: () => abort.abort() }
}
