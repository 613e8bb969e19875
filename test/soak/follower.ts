import { findPayload, numberOf } from '../../src/bench/load/payload.ts'
import { subjectName } from '../../src/bench/load/subjects.ts'
import type { Delivery, ServerFrame } from '../../src/wire/frames.ts'
import type { Transport } from '../figures/delivery.ts'
import { type Connection, open } from './connection.ts'
import { FollowerAccount, type Tally } from './follower-account.ts'

/**
 * A client like a user's: it follows one subject, or all, across many connections from its own
 * position.
 */

export interface Wish {
  readonly port: number
  readonly transport: Transport
  /** Number of the subject; undefined = all subjects. */
  readonly subject: number | undefined
  /** Number of past events to start with; undefined = start at the head. */
  readonly last: number | undefined
  /** true = the follower subscribes before the first event. */
  readonly fromFirst: boolean
}

/** Run name in the events. */
export const run = 'soak'
const prefix = `bench.${run}.s`
const everything = `bench.${run}.>`

export class Follower {
  readonly wish: Wish
  readonly account: FollowerAccount
  /** Refused requests and the last reason. No valid request may be refused. */
  static refused = 0
  static refusal = ''
  readonly #onGone: (follower: Follower) => void
  /** The whole position at the last `subscribed` frame, or the last one that SSE or poll sent. */
  #base: string | undefined
  /** The newest position in each partition since then. */
  readonly #positions = new Map<number, string>()
  #connection: Connection | undefined
  /**
   * Frames that the follower may still read. Below 0, one chunk contained more frames than
   * allowed.
   */
  #credit = Number.POSITIVE_INFINITY

  constructor(wish: Wish, tally: Tally, onGone: (follower: Follower) => void) {
    this.wish = wish
    this.account = new FollowerAccount(tally, wish.fromFirst)
    this.#onGone = onGone
  }

  get connected(): boolean {
    return this.#connection !== undefined
  }

  /** Whether the follower has a position. From then on it must not miss anything. */
  get placed(): boolean {
    return this.#base !== undefined
  }

  connect(): void {
    const { port, transport, subject, last } = this.wish
    const after = [...(this.#base === undefined ? [] : [this.#base]), ...this.#positions.values()]
    // SSE sends positions of several partitions once a second.
    this.account.connected(transport === 'sse' && subject === undefined)
    const wanted = {
      port,
      transport,
      subject: subject === undefined ? everything : subjectName(prefix, subject),
      after,
      last: after.length === 0 ? last : undefined,
    }
    this.#connection = open(wanted, {
      frame: (frame) => this.#frame(frame),
      position: (token) => this.#position(token),
      read: () => {
        if (--this.#credit <= 0) this.#connection?.pause()
      },
      gone: () => {
        this.#connection = undefined
        this.#onGone(this)
      },
    })
  }

  close(abrupt: boolean): void {
    this.#connection?.close(abrupt)
    this.#connection = undefined
  }

  /**
   * Reads about `count` more frames, then nothing until the next call. Subtracts frames read in
   * excess.
   */
  readOn(count: number): void {
    const isFree = this.#credit === Number.POSITIVE_INFINITY
    this.#credit = Math.min(count, (isFree ? 0 : this.#credit) + count)
    if (this.#credit > 0) this.#connection?.resume()
    else this.#connection?.pause()
  }

  #frame(frame: ServerFrame): void {
    switch (frame.kind) {
      case 'subscribed':
        this.#position(frame.after)
        break
      case 'delivery':
        this.#delivery(frame)
        break
      case 'gap':
        this.account.gap(frame.partition, frame.reason)
        if (frame.after !== '' && this.#separate) this.#positions.set(frame.partition, frame.after)
        break
      case 'error':
        Follower.refused++
        Follower.refusal = `${frame.code}: ${frame.message}`
        break
    }
  }

  #delivery({ event, partition, offset, after }: Delivery): void {
    const data = Buffer.from(event.data.buffer, event.data.byteOffset, event.data.length)
    const number = numberOf(data, findPayload(data, 0, data.length))
    this.account.event(Number(event.subject.slice(prefix.length)), number, partition, offset)
    if (this.#separate) this.#positions.set(partition, after)
  }

  /** true = each delivery carries a position; false = positions arrive separately. */
  get #separate(): boolean {
    return this.wish.transport === 'ws-proto' || this.wish.transport === 'ws-json'
  }

  #position(token: string): void {
    this.#base = token
    this.#positions.clear()
  }
}
