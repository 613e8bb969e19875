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

/** Where published events go. */
export interface EventPublisher {
  /**
   * Resolves with each event's position, in order, once the broker has all of them durably. Checks everything before it writes
   * anything; rejects with a CarillonError.
   */
  publish(events: readonly Event[], grant: Grant, options: { traceparent?: string }): Promise<Published[]>
}

/** Descriptors of this process, of which each connection takes one. */
export interface Descriptors {
  /** How many connections of clients may have in all; the rest is the gateway's own, to reach its broker and answer its operators. */
  readonly forClients: number
  /** One can be opened now: neither the process nor the host is at its limit. */
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
  /** Counted in. */
  readonly refusals: Refusals
  readonly descriptors: Descriptors
  /** `known` runs once it is known what can be subscribed to, or there is no point in waiting for that; the result cancels it. */
  whenKnown(known: () => void): () => void
}

/** Plain numbers that an instrument reads. */
export interface EdgeCounters {
  /** Connections that are not WebSockets. */
  httpConnections: number
  websockets: number
  /** Requests refused, by code. */
  readonly refused: Partial<Record<ErrorCode, number>>
}

/** A body of which nothing came for so long gives its place to one that has none, ms. */
const silentBodyMs = 100

/** What the handlers of one edge share. */
export class EdgeContext {
  readonly options: EdgeOptions
  readonly contracts: EdgeContracts
  readonly wheel: TimingWheel
  readonly counters: EdgeCounters = { httpConnections: 0, websockets: 0, refused: {} }
  /** Bodies that are being read. */
  readonly bodies: FairSlots
  /** Of addresses from which connections are cut again and again. */
  readonly penalties: CutPenalties
  /** Sessions that are open, and publish requests that wait for the broker: what a graceful end waits for. */
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

  /** Runs when it closes. */
  onClose(task: () => void): void {
    this.#onClose.push(task)
  }

  /** Of all kinds; each takes a descriptor. */
  get connections(): number {
    return this.counters.httpConnections + this.counters.websockets
  }

  /** Nothing is under way that a graceful end would wait for. */
  get idle(): boolean {
    return this.sessions === 0 && this.publishes === 0
  }

  /** Throws `shutting_down` once the edge closes: kept-alive connections bring requests until the end. */
  admit(): void {
    if (this.#closing)
      throw new CarillonError('shutting_down', 'the gateway is going away; connect again, here or elsewhere')
  }

  /** Opens a session; whoever opens it calls `closeSession` once. Throws what `SessionOpener.open` throws. */
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

  /** A request that is refused; `who` asked. */
  countRefusal(error: CarillonError, who: string): void {
    const { code } = error
    this.counters.refused[code] = (this.counters.refused[code] ?? 0) + 1
    this.contracts.refusals.note(error, { who, atUs: this.contracts.clock.nowUs() })
  }

  /** Somebody who is cut off without an answer, or has to wait for one. */
  countCut(limit: LimitName, who: string): void {
    this.contracts.refusals.count(limit, { who, atUs: this.contracts.clock.nowUs() })
  }
}
