import { findPayload, numberOf } from '../../src/bench/load/payload.ts'
import { subjectName } from '../../src/bench/load/subjects.ts'
import type { Delivery, ServerFrame } from '../../src/wire/frames.ts'
import type { Transport } from '../figures/delivery.ts'
import { type Connection, open } from './connection.ts'
import { FollowerAccount, type Tally } from './follower-account.ts'

/** A client as users have it: it follows a subject, or all of them, over many connections, from its own position. */

export interface Wish {
  readonly port: number
  readonly transport: Transport
  /** The number of a subject; undefined: all of them. */
  readonly subject: number | undefined
  /** It starts with so many events of the past; undefined: at the head. */
  readonly last: number | undefined
  /** It is there before the first event. */
  readonly fromFirst: boolean
}

/** Of the events of the run. */
export const run = 'soak'
const prefix = `bench.${run}.s`
const everything = `bench.${run}.>`

export class Follower {
  readonly wish: Wish
  readonly account: FollowerAccount
  /** Requests that were refused, and the last reason: none of what it asks for may be. */
  static refused = 0
  static refusal = ''
  readonly #onGone: (follower: Follower) => void
  /** Everything that was known at the last `subscribed`, or what SSE and poll say of everything. */
  #base: string | undefined
  /** The newest position in each partition since. */
  readonly #positions = new Map<number, string>()
  #connection: Connection | undefined
  /** Frames that it reads on for: below that it has read what came in one piece. */
  #credit = Number.POSITIVE_INFINITY

  constructor(wish: Wish, tally: Tally, onGone: (follower: Follower) => void) {
    this.wish = wish
    this.account = new FollowerAccount(tally, wish.fromFirst)
    this.#onGone = onGone
  }

  get connected(): boolean {
    return this.#connection !== undefined
  }

  /** It knows where it stands: from here on nothing may be missed. */
  get placed(): boolean {
    return this.#base !== undefined
  }

  connect(): void {
    const { port, transport, subject, last } = this.wish
    const after = [...(this.#base === undefined ? [] : [this.#base]), ...this.#positions.values()]
    // SSE says positions of several partitions once a second.
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

  /** Reads about so many frames more, then nothing until it is called again; what it has read too much is taken off. */
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

  /** Each delivery has a position; else they come by themselves. */
  get #separate(): boolean {
    return this.wish.transport === 'ws-proto' || this.wish.transport === 'ws-json'
  }

  #position(token: string): void {
    this.#base = token
    this.#positions.clear()
  }
}
