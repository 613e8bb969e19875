import { serverFrameFromJson } from '../wire/json.ts'
import { readBody } from './body.ts'
import type { Open, Refusal } from './connection.ts'
import type { Ask } from './network.ts'
import { lost, refusalOf, unreadable } from './refusal.ts'
import { Silence, silent } from './silence.ts'

/** How long the gateway may hold a poll, ms. */
const waitMs = 25_000
/** An answer that has not begun so long after that, or whose next byte is as late, will not come, ms. */
const graceMs = 15_000

interface Answer {
  readonly frames: readonly unknown[]
  /** All that was missed has been told. */
  readonly live: boolean
  readonly after: string
}

/** `POST /v1/poll`, over and over. */
export const openPoll =
  (ask: Ask): Open =>
  (gateway, wishes, handlers, clock) => {
    // One a request: fetch lets go of a signal only when the garbage collector says so.
    let asking = new AbortController()
    let over = false
    const silence = new Silence(clock, () => end(lost(gateway, silent)))
    const subjects = wishes.map(({ subject }) => subject)
    const { policy } = wishes[0] ?? {}
    let { after = [], last } = wishes[0] ?? {}
    let live = false
    const close = () => {
      over = true
      silence.stop()
      asking.abort()
    }
    const end = (refused: Refusal) => {
      if (over) return
      close()
      handlers.closed(refused)
    }
    const take = (answer: Answer) => {
      for (const each of answer.frames) {
        const frame = serverFrameFromJson(each)
        if (frame !== undefined && !over) handlers.frame(frame)
      }
      if (over) return
      after = [answer.after]
      last = undefined
      handlers.position(answer.after)
      if (live || !answer.live) return
      live = true
      handlers.frame({ kind: 'live', ref: 0 })
    }
    const loop = async (): Promise<Refusal> => {
      for (;;) {
        silence.start(waitMs + graceMs)
        asking = new AbortController()
        const response = await ask(`${gateway}/v1/poll`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ subjects, after, last, policy, wait: waitMs, until: live ? undefined : 'live' }),
          signal: asking.signal,
        })
        if (response.status !== 200) return refusalOf(response)
        let text = ''
        const decoder = new TextDecoder()
        await readBody(response, silence, (piece) => {
          text += decoder.decode(piece, { stream: true })
        })
        take(JSON.parse(text) as Answer)
        if (over) return lost(gateway, 'left')
      }
    }
    loop().then(end, (error: unknown) => end(unreadable(error) ?? lost(gateway, error)))
    return { close }
  }
