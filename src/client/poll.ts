import { serverFrameFromJson } from '../wire/json.ts'
import { readBody } from './body.ts'
import type { Open } from './connection.ts'
import { httpConnection } from './http-connection.ts'
import type { Ask } from './network.ts'
import { answerWith, lost, refusalOf } from './refusal.ts'

/** Time for which the gateway may hold a poll, ms. */
const waitMs = 25_000
/** Limit beyond `waitMs` for the answer's first byte, and between later bytes, ms. */
const graceMs = 15_000

interface Answer {
  readonly frames: readonly unknown[]
  /** All missed events have been sent. */
  readonly live: boolean
  readonly after: string
}

/** Opens a connection that repeats `POST /v1/poll`. */
export const openPoll =
  (ask: Ask): Open =>
  (gateway, requests, handlers, clock) => {
    const subjects = requests.map(({ subject }) => subject)
    const { policy } = requests[0] ?? {}
    let { after = [], last } = requests[0] ?? {}
    let live = false
    const take = (answer: Answer, isOver: () => boolean) => {
      for (const each of answer.frames) {
        const frame = serverFrameFromJson(each)
        if (frame !== undefined && !isOver()) handlers.frame(frame)
      }
      if (isOver()) return
      after = [answer.after]
      last = undefined
      handlers.position(answer.after)
      if (live || !answer.live) return
      live = true
      handlers.frame({ kind: 'live', ref: 0 })
    }
    return httpConnection(gateway, handlers, clock, async (silence, isOver, signal) => {
      for (;;) {
        silence.start(waitMs + graceMs)
        const response = await ask(`${gateway}/v1/poll`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ subjects, after, last, policy, wait: waitMs, until: live ? undefined : 'live' }),
          signal: signal(),
        })
        if (response.status !== 200) return refusalOf(response)
        let text = ''
        const decoder = new TextDecoder()
        await readBody(response, silence, (piece) => {
          text += decoder.decode(piece, { stream: true })
        })
        take(answerWith<Answer>('frames', text), isOver)
        if (isOver()) return lost(gateway, 'left')
      }
    })
  }
