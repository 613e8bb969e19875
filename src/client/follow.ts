import { type Random, systemRandom } from '../base/random.ts'
import type { Delivery, Gap, ServerFrame } from '../wire/frames.ts'
import { Backoff } from './backoff.ts'
import type { Connection, Handlers, Open, Refusal } from './connection.ts'
import { openPoll } from './poll.ts'
import { Positions } from './positions.ts'
import { openSse } from './sse.ts'
import { openWebSocket } from './websocket.ts'

export const transports: Readonly<Record<'ws' | 'ws-proto' | 'sse' | 'poll', Open>> = {
  ws: openWebSocket('json'),
  'ws-proto': openWebSocket('proto'),
  sse: openSse,
  poll: openPoll,
}
export type TransportName = keyof typeof transports

export interface FollowOptions {
  /** `http://127.0.0.1:8080` */
  readonly gateway: string
  readonly transport: TransportName
  /** Where to start: tokens, `earliest`, `latest`, `@time`; none = latest. */
  readonly after: readonly string[]
  readonly random?: Random
}

/** What a follower is told, synchronously and in order. */
export interface Listener {
  /** Each event once, over all reconnects. */
  event(delivery: Delivery): void
  gap(gap: Gap): void
  /** Everything that was missed has been told. */
  live(): void
  /** The connection was lost or refused; another attempt follows after `pauseMs`. */
  waiting(refused: Refusal | undefined, pauseMs: number): void
  /** It can't go on: the gateway refuses this request for ever. */
  ended(refused: Refusal): void
}

/** Follows subjects until it is closed: reconnects by itself, with back-off, and goes on where it stopped. */
export class Follower {
  readonly #subjects: readonly string[]
  readonly #options: FollowOptions
  readonly #listener: Listener
  readonly #positions: Positions
  readonly #backoff: Backoff
  readonly #joining = new Set<number>()
  #connection: Connection | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #closed = false

  constructor(subjects: readonly string[], options: FollowOptions, listener: Listener) {
    this.#subjects = subjects
    this.#options = options
    this.#listener = listener
    this.#positions = new Positions(subjects)
    this.#backoff = new Backoff(options.random ?? systemRandom)
    this.#connect()
  }

  /** Where it stands: `after` of a later one; undefined while nothing is known. */
  token(): string | undefined {
    return this.#positions.token()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#connection?.close()
  }

  #connect(): void {
    const { gateway, transport } = this.#options
    const shared = transport === 'sse' || transport === 'poll'
    const together = shared ? this.#positions.token() : undefined
    const wishes = this.#subjects.map((subject, i) => {
      const known = shared ? together : this.#positions.after(i + 1)
      return { ref: i + 1, subject, after: known === undefined ? this.#options.after : [known] }
    })
    for (const { ref } of wishes) this.#joining.add(ref)
    const handlers: Handlers = {
      frame: (frame) => this.#frame(frame),
      position: (token) => this.#position(token),
      closed: (refused) => this.#lost(refused),
    }
    this.#connection = transports[transport](gateway, wishes, handlers)
  }

  #frame(frame: ServerFrame): void {
    if (this.#closed) return
    switch (frame.kind) {
      case 'subscribed':
        this.#backoff.reset()
        this.#positions.subscribed(frame.ref, frame.after)
        break
      case 'delivery':
        if (this.#positions.take(frame)) this.#listener.event(frame)
        break
      case 'gap':
        this.#positions.gap(frame)
        this.#listener.gap(frame)
        break
      case 'live':
        this.#joining.delete(frame.ref)
        if (frame.ref === 0 || this.#joining.size === 0) this.#listener.live()
        break
      case 'error':
        // About one subscription: the connection goes on without it, so it is opened anew, or given up.
        if (frame.ref !== undefined && frame.ref > 0) this.#refusedRef(frame)
        break
    }
  }

  #refusedRef({ code, message, retryAfterMs }: { code: string; message: string; retryAfterMs: number }): void {
    this.#connection?.close()
    this.#lost({
      code,
      message,
      retryAfterMs,
      final: !['stream_missing', 'broker_unavailable', 'internal'].includes(code),
    })
  }

  #position(token: string): void {
    this.#backoff.reset()
    this.#positions.together(token)
  }

  #lost(refused: Refusal | undefined): void {
    if (this.#closed) return
    if (refused?.final) {
      this.close()
      this.#listener.ended(refused)
      return
    }
    const pauseMs = this.#backoff.next(refused?.retryAfterMs ?? 0)
    this.#listener.waiting(refused, pauseMs)
    this.#timer = setTimeout(() => this.#connect(), pauseMs)
  }
}
