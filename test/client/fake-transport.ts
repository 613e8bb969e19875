import type { Connection, Handlers, Open, Refusal, SubscribeRequest, Transport } from '../../src/client/connection.ts'
import type { Environment, Happening, TabMeeting } from '../../src/client/environment.ts'
import { type Delivery, makeEvent } from '../../src/wire/frames.ts'
import { encodePosition, logOf } from '../../src/wire/token.ts'

const log = logOf('events', 'one')
export const token = (offset: number, generation = 0) => encodePosition({ ...log, partition: 0, offset, generation })

export function delivery(subject: string, offset: number, refs?: number[]): Delivery {
  return { kind: 'delivery', after: token(offset + 1), partition: 0, offset, event: makeEvent({ subject }), refs }
}

export const refused = (code: string, retryAfterMs = 0, retry: Refusal['retry'] = 'later'): Refusal => ({
  code,
  message: `it is ${code}`,
  retryAfterMs,
  retry,
})

/** One connection that the test plays. */
export interface Opened {
  readonly url: string
  readonly transport: string
  readonly wishes: readonly SubscribeRequest[]
  readonly handlers: Handlers
  /** Later calls: subscriptions, unsubscribed refs, `check`. */
  readonly asked: unknown[]
  closed: boolean
}

/** Transports whose connections the test plays. */
export class FakeNet {
  readonly opened: Opened[] = []

  get last(): Opened {
    return this.opened.at(-1)!
  }

  transport(name: string, separate = true): Transport {
    const open: Open = (url, wishes, handlers): Connection => {
      const one: Opened = { url, transport: name, wishes, handlers, asked: [], closed: false }
      this.opened.push(one)
      const close = () => {
        one.closed = true
      }
      if (!separate) return { close }
      return {
        subscribe: (wish) => one.asked.push(wish),
        unsubscribe: (ref) => one.asked.push(ref),
        check: () => one.asked.push('check'),
        close,
      }
    }
    return { name, separate, open }
  }
}

/** A page that the test controls. */
export class FakeEnvironment implements Environment {
  isOnline = true
  readonly tabs: TabMeeting | undefined
  readonly #watchers = new Set<(what: Happening) => void>()

  constructor(tabs?: TabMeeting) {
    this.tabs = tabs
  }

  online(): boolean {
    return this.isOnline
  }

  watch(happened: (what: Happening) => void): () => void {
    this.#watchers.add(happened)
    return () => this.#watchers.delete(happened)
  }

  happens(what: Happening): void {
    if (what === 'online' || what === 'offline') this.isOnline = what === 'online'
    for (const happened of this.#watchers) happened(what)
  }
}
