import { serverFrameFromJson } from '../wire/json.ts'
import type { Open } from './connection.ts'
import { refusalOf } from './refusal.ts'

/** How long the gateway may hold a poll, ms. */
const waitMs = 25_000

/** `POST /v1/poll`, over and over. */
export const openPoll: Open = (gateway, wishes, handlers) => {
  const abort = new AbortController()
  let after = wishes[0]?.after ?? []
  const poll = async (): Promise<boolean> => {
    const response = await fetch(`${gateway}/v1/poll`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ subjects: wishes.map(({ subject }) => subject), after, wait: waitMs }),
      signal: abort.signal,
    })
    if (response.status !== 200) {
      handlers.closed(await refusalOf(response))
      return false
    }
    const answer = (await response.json()) as { frames: unknown[]; after: string }
    for (const each of answer.frames) {
      const frame = serverFrameFromJson(each)
      if (frame !== undefined && !abort.signal.aborted) handlers.frame(frame)
    }
    after = [answer.after]
    if (!abort.signal.aborted) handlers.position(answer.after)
    return true
  }
  const loop = async (): Promise<void> => {
    try {
      while (!abort.signal.aborted && (await poll()));
    } catch {
      if (!abort.signal.aborted) handlers.closed(undefined)
    }
  }
  void loop()
  return { close: () => abort.abort() }
}
