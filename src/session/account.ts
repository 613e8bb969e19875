import { type LimitName, LimitReached } from '../base/limits.ts'
import type { Random } from '../base/random.ts'
import { retryLaterMs } from '../base/retry-later.ts'
import type { GatewayInstruments } from '../telemetry/instruments.ts'
import type { SessionLimits } from './options.ts'

/**
 * Memory cost of each part of a session, bytes: measured and rounded up.
 * test/session/account-sizes.test.ts measures them again.
 */
export const sizes = {
  /** A session, including its transport state and its socket. */
  session: 3072,
  /** A subscription, excluding its subject's text and, if that is not ASCII, its byte string. */
  subscription: 345,
  /** The byte string of a subject that is not ASCII, excluding the bytes. */
  bytes: 48,
  /**
   * A subscription's leg in one partition. An exact subject adds `subject`; a pattern adds
   * `pattern`, and a `token` for each of its tokens.
   */
  leg: 140,
  subject: 165,
  pattern: 200,
  token: 140,
  /** One partition that a session reads, including its main reader. */
  track: 800,
  /** The side reader of a subscription that catches up in one partition, or queues to do so. */
  reader: 340,
  /** A token's position, kept for a partition that the session does not read yet. */
  position: 160,
  /** A queued control frame, excluding its bytes. */
  frame: 300,
  /** An event found by `last`, until it is delivered. */
  found: 64,
  /** The subject of such an event, excluding its text, until the search ends. */
  foundSubject: 110,
} as const

const mib = 1 << 20

/** Memory, subscriptions and patterns of all sessions of a gateway, and their limits. */
export class Totals {
  readonly #limits: SessionLimits
  readonly #instruments: GatewayInstruments
  readonly #random: Random

  constructor(limits: SessionLimits, instruments: GatewayInstruments, random: Random) {
    this.#limits = limits
    this.#instruments = instruments
    this.#random = random
  }

  get maxSessionBytes(): number {
    return this.#limits.maxSessionBytes
  }

  /** Returns whether `bytes` more fit into the memory limit of all sessions. */
  fits(bytes: number): boolean {
    return this.#instruments.sessionBytes + bytes <= this.#limits.maxTotalSessionMiB * mib
  }

  count(bytes: number): void {
    this.#instruments.sessionBytes += bytes
  }

  /**
   * Throws `overloaded` if the gateway has no room for `subscriptions` more, of which `patterns`
   * are patterns.
   */
  requireRoom(subscriptions: number, patterns: number): void {
    const { maxTotalSubscriptions, maxTotalPatterns } = this.#limits
    const now = this.#instruments
    if (now.subscriptions + subscriptions > maxTotalSubscriptions) {
      throw this.full('maxTotalSubscriptions', `${maxTotalSubscriptions} subscriptions`)
    }
    if (patterns > 0 && now.patterns + patterns > maxTotalPatterns) {
      throw this.full('maxTotalPatterns', `${maxTotalPatterns} patterns`)
    }
  }

  /** Returns the refusal for a gateway whose session memory is used up. */
  noRoom(): LimitReached {
    return this.full('maxTotalSessionMiB', `${this.#limits.maxTotalSessionMiB} MiB of sessions`)
  }

  /** Returns the refusal for a limit over all sessions: another gateway may have room. */
  full(limit: 'maxSessions' | 'maxTotalSubscriptions' | 'maxTotalPatterns' | 'maxTotalSessionMiB', limited: string) {
    const message = `this gateway accepts at most ${limited} (limits.${limit}) and is full: retry later, or use another gateway`
    return this.refusal(limit, message)
  }

  refusal(limit: LimitName, message: string): LimitReached {
    return new LimitReached(limit, 'overloaded', message, { retryAfterMs: retryLaterMs(this.#random) })
  }
}

/**
 * Bytes that one session holds, counted against `limits.maxSessionBytes` and against the limit of
 * all sessions. A request is granted or refused as a whole. Each part returns what it took. A
 * session that has ended and left its hubs returns the rest at once.
 */
export class Account {
  readonly #totals: Totals
  #bytes = 0
  #closed = false

  constructor(totals: Totals) {
    this.#totals = totals
  }

  get bytes(): number {
    return this.#bytes
  }

  /**
   * Returns the refusal by the limit that `bytes` more would exceed; undefined = there is room.
   */
  refusal(bytes: number): LimitReached | undefined {
    if (this.#fitsSession(bytes)) return this.#totals.fits(bytes) ? undefined : this.#totals.noRoom()
    const problem = `a session may use ${this.#totals.maxSessionBytes} bytes of memory (limits.maxSessionBytes) and needs more`
    const advice = 'subscribe to fewer subjects, use narrower patterns, read what is sent, or open another session'
    return this.#totals.refusal('maxSessionBytes', `${problem}: ${advice}`)
  }

  /** Throws the refusal if `bytes` more do not fit. */
  ensure(bytes: number): void {
    const refusal = this.refusal(bytes)
    if (refusal !== undefined) throw refusal
  }

  /** Charges `bytes`, or throws the refusal. */
  take(bytes: number): void {
    this.ensure(bytes)
    this.charge(bytes)
  }

  /** Charges `bytes` if they fit. False = they do not. */
  tryTake(bytes: number): boolean {
    const fits = this.#fitsSession(bytes) && this.#totals.fits(bytes)
    if (fits) this.charge(bytes)
    return fits
  }

  #fitsSession(bytes: number): boolean {
    return this.#bytes + bytes <= this.#totals.maxSessionBytes
  }

  /**
   * Charges `bytes` unchecked: their room was ensured before, or the client did not cause them.
   */
  charge(bytes: number): void {
    if (this.#closed) return
    this.#bytes += bytes
    this.#totals.count(bytes)
  }

  give(bytes: number): void {
    this.charge(-bytes)
  }

  /**
   * Ends accounting when the session ends: calls have no effect until `giveBack` returns
   * everything.
   */
  close(): void {
    this.#closed = true
  }

  giveBack(): void {
    this.#totals.count(-this.#bytes)
    this.#bytes = 0
  }
}
