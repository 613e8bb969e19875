import { type Clock, systemClock } from '../base/clock.ts'
import { type Random, systemRandom } from '../base/random.ts'
import type { Delivery, Gap, ServerFrame } from '../wire/frames.ts'
import { Backoff } from './backoff.ts'
import type { Connection, Handlers, Open, Refusal } from './connection.ts'
import { openPoll } from './poll.ts'
import { Positions } from './positions.ts'
import { refusal } from './refusal.ts'
import { openSse } from './sse.ts'
import { openWebSocket } from './websocket.ts'

const transports: Readonly<Record<'ws' | 'ws-proto' | 'sse' | 'poll', Open>> = {
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
  /** Closes the follower. */
  readonly signal?: AbortSignal
  /** Instead of the transport's own, for tests. */
  readonly open?: Open
  readonly random?: Random
  readonly clock?: Clock
}

/** What a follower is told, synchronously and in order. None of them may throw. */
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
  readonly #clock: Clock
  readonly #open: Open
  /** SSE and poll: all subjects stand at one token. */
  readonly #together: boolean
  readonly #joining = new Set<number>()
  #connection: Connection | undefined
  #cancelRetry: (() => void) | undefined
  #paused = false
  #closed = false

  constructor(subjects: readonly string[], options: FollowOptions, listener: Listener) {
    this.#subjects = subjects
    this.#options = options
    this.#listener = listener
    this.#positions = new Positions(subjects)
    this.#backoff = new Backoff(options.random ?? systemRandom)
    this.#clock = options.clock ?? systemClock()
    this.#open = options.open ?? transports[options.transport]
    this.#together = options.transport === 'sse' || options.transport === 'poll'
    options.signal?.addEventListener('abort', () => this.close())
    if (options.signal?.aborted) this.#closed = true
    else this.#connect()
  }

  /** Where it stands: `after` of a later one; undefined while nothing is known. */
  token(): string | undefined {
    return this.#positions.token()
  }

  /** Lets go of the connection, for a listener that can't keep up; `resume` goes on where it stopped. */
  pause(): void {
    this.#cancelRetry?.()
    this.#connection?.close()
    this.#paused = true
  }

  resume(): void {
    if (!this.#paused || this.#closed) return
    this.#paused = false
    this.#connect()
  }

  /** Nothing is told after it. */
  close(): void {
    this.#closed = true
    this.#cancelRetry?.()
    this.#connection?.close()
  }

  #connect(): void {
    const together = this.#together ? this.#positions.token() : undefined
    const wishes = this.#subjects.map((subject, i) => {
      const known = this.#together ? together : this.#positions.after(i + 1)
      return { ref: i + 1, subject, after: known === undefined ? this.#options.after : [known] }
    })
    this.#positions.connecting(this.#together)
    for (const { ref } of wishes) this.#joining.add(ref)
    const handlers: Handlers = {
      frame: (frame) => this.#frame(frame),
      position: (token) => this.#position(token),
      closed: (refused) => this.#lost(refused),
    }
    this.#connection = this.#open(this.#options.gateway, wishes, handlers, this.#clock)
  }

  #frame(frame: ServerFrame): void {
    if (this.#closed || this.#paused) return
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
        this.#positions.live(frame.ref)
        if (frame.ref === 0 || this.#joining.size === 0) this.#listener.live()
        break
      case 'pong':
        if (frame.after !== '') this.#positions.renew(frame.after)
        break
      case 'error':
        // About one subscription: the connection goes on without it, so it is opened anew, or given up.
        if (frame.ref === undefined || frame.ref === 0) break
        this.#connection?.close()
        this.#lost(refusal(frame.code, frame.message, frame.retryAfterMs))
        break
    }
  }

  #position(token: string): void {
    if (this.#closed || this.#paused) return
    this.#backoff.reset()
    this.#positions.together(token)
  }

  #lost(refused: Refusal | undefined): void {
    if (this.#closed || this.#paused) return
    if (refused?.final) {
      this.close()
      this.#listener.ended(refused)
      return
    }
    const pauseMs = this.#backoff.next(refused?.retryAfterMs ?? 0)
    this.#cancelRetry = this.#clock.after(pauseMs, () => this.#connect())
    this.#listener.waiting(refused, pauseMs)
  }
}
