import { type LimitName, LimitReached } from '../base/limits.ts'
import type { Random } from '../base/random.ts'
import { retryLaterMs } from '../base/retry-later.ts'
import type { GatewayInstruments } from '../telemetry/instruments.ts'
import type { SessionLimits } from './options.ts'

/**
 * What the parts of a session take of memory, bytes: measured and rounded up. test/session/account-sizes.test.ts measures them again.
 */
export const sizes = {
  /** With its transport's part and the socket's. */
  session: 3072,
  /** Beside its subject's text, and where that is not ASCII, its bytes. */
  subscription: 345,
  bytes: 48,
  /** Its part in one partition, and what that has of its subject or pattern, and of each token of a pattern. */
  leg: 140,
  subject: 165,
  pattern: 200,
  token: 140,
  /** One partition that is read, with its main reader. */
  track: 800,
  /** A subscription that is catching up in one partition, or waits for its turn. */
  reader: 340,
  /** Of a token, kept for a partition to come. */
  position: 160,
  /** A control frame that waits, beside its bytes. */
  frame: 300,
  /** An event that `last` has found, until it is given. */
  found: 64,
  /** Its subject, beside its text, while others are looked for. */
  foundSubject: 110,
} as const

const mib = 1 << 20

/** What all sessions of a gateway take, and may. */
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

  /** Whether so many bytes more may be taken. */
  fits(bytes: number): boolean {
    return this.#instruments.sessionBytes + bytes <= this.#limits.maxTotalSessionMiB * mib
  }

  count(bytes: number): void {
    this.#instruments.sessionBytes += bytes
  }

  /** Throws `overloaded` where there is no room for so many subscriptions, of which some are patterns. */
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

  /** Where the gateway has no room. */
  noRoom(): LimitReached {
    return this.full('maxTotalSessionMiB', `${this.#limits.maxTotalSessionMiB} MiB of sessions`)
  }

  /** Of all sessions together: another gateway may have room. */
  full(limit: 'maxSessions' | 'maxTotalSubscriptions' | 'maxTotalPatterns' | 'maxTotalSessionMiB', said: string) {
    const message = `this gateway takes ${said} at most (limits.${limit}) and has no room: try again later, or another one`
    return this.refusal(limit, message)
  }

  refusal(limit: LimitName, message: string): LimitReached {
    return new LimitReached(limit, 'overloaded', message, { retryAfterMs: retryLaterMs(this.#random) })
  }
}

/**
 * What one session takes, in bytes, of `limits.maxSessionBytes` and of what all may take together. What it asks for is taken or refused as a
 * whole; what was taken is given back by whoever took it, and all of it when the session has ended and left
 * its places.
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

  /** Which limit stands against so many bytes more; undefined = there is room. */
  refusal(bytes: number): LimitReached | undefined {
    if (this.#fitsSession(bytes)) return this.#totals.fits(bytes) ? undefined : this.#totals.noRoom()
    const said = `a session may take ${this.#totals.maxSessionBytes} bytes of memory (limits.maxSessionBytes) and asks for more`
    const advice = 'subscribe to fewer subjects, use narrower patterns, read what is sent, or open another session'
    return this.#totals.refusal('maxSessionBytes', `${said}: ${advice}`)
  }

  /** Throws the refusal where there is no room. */
  ensure(bytes: number): void {
    const refusal = this.refusal(bytes)
    if (refusal !== undefined) throw refusal
  }

  /** Takes them, or throws the refusal. */
  take(bytes: number): void {
    this.ensure(bytes)
    this.charge(bytes)
  }

  /** Takes them where there is room. */
  tryTake(bytes: number): boolean {
    const fits = this.#fitsSession(bytes) && this.#totals.fits(bytes)
    if (fits) this.charge(bytes)
    return fits
  }

  #fitsSession(bytes: number): boolean {
    return this.#bytes + bytes <= this.#totals.maxSessionBytes
  }

  /** Takes what room was required for, or what is no choice of its client's. */
  charge(bytes: number): void {
    if (this.#closed) return
    this.#bytes += bytes
    this.#totals.count(bytes)
  }

  give(bytes: number): void {
    this.charge(-bytes)
  }

  /** Its session is over: nothing is taken or given any more, until all is given back. */
  close(): void {
    this.#closed = true
  }

  giveBack(): void {
    this.#totals.count(-this.#bytes)
    this.#bytes = 0
  }
}
