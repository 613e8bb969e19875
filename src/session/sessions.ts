import { CarillonError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import type { Grant } from '../identity/grant.ts'
import { encodeControl } from '../wire/control.ts'
import type { Welcome } from '../wire/frames.ts'
import { sizes, Totals } from './account.ts'
import { ClientSession, type SessionContext } from './client-session.ts'
import type { Outlet, Session, SessionOpener } from './outlet.ts'

export interface SessionsOptions {
  /** Maximum sessions at once, over all transports. */
  readonly maxSessions: number
  readonly welcome: Omit<Welcome, 'kind' | 'nowUs'>
}

/** Sessions ended before the event loop runs again. */
const endedPerTurn = 256
/**
 * Maximum delay that a client is asked for at shutdown, so that not all reconnect at once, ms.
 */
const spreadMs = 2000

/** Admits sessions up to a limit, and ends them all when the gateway shuts down. */
export class Sessions implements SessionOpener {
  readonly #options: SessionsOptions
  readonly #context: SessionContext
  readonly #random: Random
  readonly #sessions = new Set<ClientSession>()
  #lastId = 0
  #draining = false

  constructor(options: SessionsOptions, context: Omit<SessionContext, 'onEnded' | 'totals'>, random: Random) {
    this.#options = options
    this.#random = random
    this.#context = {
      ...context,
      totals: new Totals(context.limits, context.instruments, random),
      onEnded: (session, reason) => {
        this.#sessions.delete(session)
        const { instruments } = this.#context
        instruments.sessions[session.outlet.transport]--
        instruments.ended[reason]++
      },
    }
  }

  get size(): number {
    return this.#sessions.size
  }

  open(outlet: Outlet, grant: Grant): Session {
    if (this.#draining) throw this.#goingAway()
    const { maxSessions } = this.#options
    const { totals } = this.#context
    if (this.#sessions.size >= maxSessions) throw totals.full('maxSessions', `${maxSessions} sessions`)
    if (!totals.fits(sizes.session)) throw totals.noRoom()
    const session = new ClientSession({ id: ++this.#lastId, outlet, grant }, this.#context)
    this.#sessions.add(session)
    this.#context.instruments.sessions[outlet.transport]++
    this.#context.instruments.opened[outlet.transport]++
    if (outlet.transport === 'websocket') this.#greet(session)
    return session
  }

  /**
   * Moves all sessions' subscriptions to where their subjects are now: a stream has more
   * partitions.
   */
  replaceAll(): void {
    for (const session of [...this.#sessions]) session.replace()
  }

  /** Ends every session with `shutting_down`; resolves when all are ended. */
  async drain(): Promise<void> {
    this.#draining = true
    let ended = 0
    for (const session of [...this.#sessions]) {
      session.end(this.#goingAway())
      if (++ended % endedPerTurn === 0) await this.#turn()
    }
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#context.clock.turn(resolve))
  }

  #greet(session: ClientSession): void {
    const { outlet } = session
    const frame = { kind: 'welcome', ...this.#options.welcome, nowUs: this.#context.clock.nowUs() } as const
    outlet.write(encodeControl(outlet.encoding, frame), 'control', session)
  }

  #goingAway(): CarillonError {
    const retryAfterMs = Math.ceil(this.#random.next() * spreadMs)
    return new CarillonError('shutting_down', 'this gateway is going away: reconnect, here or elsewhere', {
      retryAfterMs,
    })
  }
}
