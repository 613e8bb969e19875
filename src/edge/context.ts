import type { LoopClock } from '../base/clock.ts'
import { CarillonError, type ErrorCode } from '../base/errors.ts'
import { FairSlots } from '../base/fair-slots.ts'
import type { LimitName, Refusals } from '../base/limits.ts'
import type { Random } from '../base/random.ts'
import type { TimingWheel } from '../base/wheel.ts'
import type { Grant, Identify } from '../identity/grant.ts'
import type { Outlet, Session, SessionOpener } from '../session/outlet.ts'
import type { LimitedLogger } from '../telemetry/logger.ts'
import type { Event, Published } from '../wire/frames.ts'
import type { EdgeOptions } from './options.ts'
import { CutPenalties } from './penalties.ts'

/** Writes published events to the broker. */
export interface EventPublisher {
  /**
   * Resolves with each event's position, in order, once the broker has stored all of them durably.
   * Checks all events before it writes any. Rejects with a CarillonError.
   */
  publish(events: readonly Event[], grant: Grant, options: { traceparent?: string }): Promise<Published[]>
}

/** File descriptors of this process. Each connection uses one. */
export interface Descriptors {
  /**
   * Maximum number for client connections. The gateway keeps the rest, to reach its broker and to
   * answer its operators.
   */
  readonly forClients: number
  /** Returns whether one can be opened now: neither the process nor the host is at its limit. */
  canOpen(): boolean
}

/** What the edge needs from the rest of the gateway. */
export interface EdgeContracts {
  readonly sessions: SessionOpener
  readonly publisher: EventPublisher
  readonly identify: Identify
  readonly clock: LoopClock
  readonly random: Random
  readonly logger: LimitedLogger
  /** Counts refusals by limit. */
  readonly refusals: Refusals
  readonly descriptors: Descriptors
  /**
   * Calls `known` once the streams are known, or once waiting for them has no point. Returns a
   * function that cancels the call.
   */
  whenKnown(known: () => void): () => void
}

/** Counters that the metrics read. */
export interface EdgeCounters {
  /** Connections that are not WebSockets. */
  httpConnections: number
  websockets: number
  /** Number of refused requests by error code. */
  readonly refused: Partial<Record<ErrorCode, number>>
}

/** Silence after which a body loses its slot to one that needs a slot, ms. */
const silentBodyMs = 100

/** State that the handlers of one edge share. */
export class EdgeContext {
  readonly options: EdgeOptions
  readonly contracts: EdgeContracts
  readonly wheel: TimingWheel
  readonly counters: EdgeCounters = { httpConnections: 0, websockets: 0, refused: {} }
  /** Slots for request bodies that are being read. */
  readonly bodies: FairSlots
  /** Penalties of addresses whose connections are cut repeatedly. */
  readonly penalties: CutPenalties
  /**
   * Open sessions, and publish requests that wait for the broker. A graceful end waits for both.
   */
  sessions = 0
  publishes = 0
  #closing = false
  readonly #onClose: (() => void)[] = []

  constructor(options: EdgeOptions, contracts: EdgeContracts, wheel: TimingWheel) {
    this.options = options
    this.contracts = contracts
    this.wheel = wheel
    const { clock, random } = contracts
    this.bodies = new FairSlots(options.maxBodies, silentBodyMs, clock)
    const held = (address: string) => this.countCut('maxCutsPerSecond', address)
    this.penalties = new CutPenalties({ clock, random, wheel, maxCutsPerSecond: options.maxCutsPerSecond, held })
    this.onClose(() => this.penalties.end())
  }

  close(): void {
    this.#closing = true
    for (const task of this.#onClose.splice(0)) task()
  }

  /** Adds a task to run when the edge closes. */
  onClose(task: () => void): void {
    this.#onClose.push(task)
  }

  /** Number of connections of all kinds. Each uses a file descriptor. */
  get connections(): number {
    return this.counters.httpConnections + this.counters.websockets
  }

  /** True if a graceful end has nothing to wait for. */
  get idle(): boolean {
    return this.sessions === 0 && this.publishes === 0
  }

  /**
   * Throws `shutting_down` once the edge closes: requests on kept-alive connections arrive until
   * the end.
   */
  admit(): void {
    if (this.#closing)
      throw new CarillonError('shutting_down', 'the gateway is going away: reconnect, here or elsewhere')
  }

  /**
   * Opens a session. The caller must call `closeSession` for it exactly once. Throws what
   * `SessionOpener.open` throws.
   */
  openSession(outlet: Outlet, grant: Grant): Session {
    this.admit()
    const session = this.contracts.sessions.open(outlet, grant)
    this.sessions++
    return session
  }

  closeSession(session: Session, reason: 'client' | 'lost' | 'answered'): void {
    this.sessions--
    session.closed(reason)
  }

  /** Counts a refused request; `who` is the client's address. */
  countRefusal(error: CarillonError, who: string): void {
    const { code } = error
    this.counters.refused[code] = (this.counters.refused[code] ?? 0) + 1
    this.contracts.refusals.note(error, { who, atUs: this.contracts.clock.nowUs() })
  }

  /** Counts a client, by its address, that a limit cut off without an answer or made wait. */
  countCut(limit: LimitName, who: string): void {
    this.contracts.refusals.count(limit, { who, atUs: this.contracts.clock.nowUs() })
  }
}
