import type { Published } from '../../src/bench/load/account.ts'
import { answer } from '../../src/bench/process/child.ts'
import { conversations, type Transport } from '../figures/delivery.ts'
import { misbehave } from './faulty-client.ts'
import { Follower, type Wish } from './follower.ts'
import { type Tally, tally } from './follower-account.ts'

/** The process that holds the followers: connects them, closes and opens connections all the time, and keeps some slow. */

export interface LoadOptions {
  readonly port: number
  readonly clients: number
  readonly subjects: number
  /** Connections closed a second, and as many opened. */
  readonly churn: number
  /** Of the clients. */
  readonly slowShare: number
  /** Clients that read nothing for a while. */
  readonly silent: number
  /** Of a silent one's silence, s. */
  readonly silentSeconds: number
  /** Wrong and useless requests a second. */
  readonly faultyRequests: number
}

export interface LoadReport extends Omit<Tally, 'gaps' | 'account'> {
  /** Given twice: a broken promise. */
  readonly repeated: number
  /** Passed over, or not given by the end, outside of any gap: a broken promise. */
  readonly lost: number
  readonly gaps: readonly (readonly [string, number])[]
  readonly followers: number
  readonly connected: number
  /** Connections so far. */
  readonly opened: number
  readonly closed: number
  /** Connections that the gateway ended: of those that read, and of slow and silent ones. */
  readonly gone: number
  readonly goneSlow: number
  /** Requests of followers that were refused. */
  readonly refused: number
  /** The last of them. */
  readonly refusal: string
  /** Followers that are not at the end yet, once it is known. */
  readonly waiting: number
}

const tickMs = 100
/** One that closed comes back within this time, ms; one that was cut, too. */
const maxAwayMs = 2000
/** Of those that come back, these do as somebody new: another subject, no position. */
const newShare = 0.2
/** Of those that close, these do without a goodbye. */
const abruptShare = 0.5
/** New ones begin with the last events, at times. */
const lastShare = 0.3
const lastEvents = 3
/** A slow one reads so many frames a tick, for so long, and then as it pleases for as long. */
const trickle = 4
const trickleSeconds = 60
/** Polls are a request for each event: few of them. */
const shares: Record<Transport, number> = { 'ws-proto': 0.3, 'ws-json': 0.3, sse: 0.3, poll: 0.1 }

class Load {
  readonly all = tally()
  opened = 0
  closed = 0
  gone = 0
  goneSlow = 0
  readonly #options: LoadOptions
  #followers: Follower[] = []
  readonly #slow: Follower[] = []
  readonly #silent: Follower[] = []
  #timer: NodeJS.Timeout | undefined
  #startMs = 0
  #lastMs = 0
  #closing = 0
  #misbehaving = 0
  #over = false

  constructor(options: LoadOptions) {
    this.#options = options
    const { clients, subjects, slowShare, silent } = options
    for (let i = 0; i < clients; i++) {
      this.#followers.push(this.#add({ subject: i % subjects, transport: transportOf(i, clients), last: undefined }))
    }
    for (let i = 0; i < Math.round(clients * slowShare); i++) this.#slow.push(this.#wide(i))
    for (let i = 0; i < silent; i++) this.#silent.push(this.#wide(i))
  }

  /** How many do not know yet where they stand. */
  get unplaced(): number {
    return this.#everyone().filter(({ placed }) => !placed).length
  }

  /** From here on they come and go. */
  churn(): void {
    this.#startMs = performance.now()
    this.#lastMs = this.#startMs
    this.#timer = setInterval(() => this.#tick(), tickMs)
  }

  /** Of what is published, where it is known; what has not come yet is lost only at the `end`. */
  report(published?: Published, end?: 'end'): LoadReport {
    const { gaps, account, ...numbers } = this.all
    const everyone = this.#everyone()
    const { counts = new Uint32Array(), unknown = [] } = published ?? {}
    const judged = end === undefined ? [] : everyone
    const standings = judged.flatMap((each) => each.account.standings(subjectsOf(each, counts), counts))
    const { lost, late } = account.lacking(standings, { counts, unknown })
    return {
      ...numbers,
      repeated: account.repeated,
      lost: lost + late,
      gaps: [...gaps],
      followers: everyone.length,
      connected: everyone.filter(({ connected }) => connected).length,
      opened: this.opened,
      closed: this.closed,
      gone: this.gone,
      goneSlow: this.goneSlow,
      refused: Follower.refused,
      refusal: Follower.refusal,
      waiting: published === undefined ? 0 : everyone.filter((each) => !hasAll(each, counts)).length,
    }
  }

  /** No more churn: everybody reads, to the end. */
  settle(): void {
    clearInterval(this.#timer)
    this.#over = true
    for (const each of this.#everyone()) {
      each.readOn(Number.POSITIVE_INFINITY)
      if (!each.connected) this.#connect(each)
    }
  }

  end(published: Published): LoadReport {
    const report = this.report(published, 'end')
    for (const each of this.#everyone()) each.close(true)
    return report
  }

  #everyone(): Follower[] {
    return [...this.#followers, ...this.#slow, ...this.#silent]
  }

  #add(wish: Pick<Wish, 'subject' | 'transport' | 'last'>, fromFirst = true): Follower {
    const { port } = this.#options
    const follower = new Follower({ ...wish, port, fromFirst }, this.all, (gone) => {
      if (gone.wish.subject === undefined) this.goneSlow++
      else this.gone++
      this.#later(gone)
    })
    this.#connect(follower)
    return follower
  }

  #wide(i: number): Follower {
    return this.#add({ subject: undefined, transport: (['ws-proto', 'sse'] as const)[i % 2]!, last: undefined })
  }

  #connect(follower: Follower): void {
    this.opened++
    follower.connect()
  }

  #later(follower: Follower): void {
    setTimeout(() => {
      if (!follower.connected && (this.#over || this.#everyone().includes(follower))) this.#connect(follower)
    }, Math.random() * maxAwayMs)
  }

  #tick(): void {
    const now = performance.now()
    // On a busy host a tick comes late: it makes up for it.
    const seconds = (now - this.#lastMs) / 1000
    this.#lastMs = now
    const { churn, faultyRequests, port, silentSeconds } = this.#options
    for (this.#closing += churn * seconds; this.#closing >= 1; this.#closing--) this.#closeOne()
    for (this.#misbehaving += faultyRequests * seconds; this.#misbehaving >= 1; this.#misbehaving--) misbehave(port)
    const isNow = (everySeconds: number) => Math.floor((now - this.#startMs) / 1000 / everySeconds) % 2 === 0
    const isTrickling = isNow(trickleSeconds)
    for (const each of this.#slow) each.readOn(isTrickling ? trickle : Number.POSITIVE_INFINITY)
    const isSilent = isNow(silentSeconds)
    for (const each of this.#silent) each.readOn(isSilent ? 0 : Number.POSITIVE_INFINITY)
  }

  #closeOne(): void {
    const index = Math.floor(Math.random() * this.#followers.length)
    const follower = this.#followers[index]!
    if (!follower.connected) return
    this.closed++
    follower.close(Math.random() < abruptShare)
    if (Math.random() >= newShare) {
      this.#later(follower)
      return
    }
    const { subjects } = this.#options
    const last = Math.random() < lastShare ? lastEvents : undefined
    const wish = { subject: Math.floor(Math.random() * subjects), transport: follower.wish.transport, last }
    this.#followers[index] = this.#add(wish, false)
  }
}

function transportOf(i: number, clients: number): Transport {
  let left = i
  for (const transport of Object.keys(conversations) as Transport[]) {
    left -= shares[transport] * clients
    if (left < 0) return transport
  }
  return 'sse'
}

function subjectsOf({ wish }: Follower, counts: Uint32Array): Iterable<number> {
  return wish.subject === undefined ? counts.keys() : [wish.subject]
}

function hasAll(follower: Follower, counts: Uint32Array): boolean {
  for (const subject of subjectsOf(follower, counts)) if (!follower.account.has(subject, counts[subject]!)) return false
  return true
}

let load: Load | undefined

const handlers = {
  start: (options: LoadOptions): void => {
    load = new Load(options)
  },
  unplaced: (_: null): number => load!.unplaced,
  churn: (_: null): void => load!.churn(),
  report: (published: Published | null): LoadReport => load!.report(published ?? undefined),
  settle: (_: null): void => load!.settle(),
  end: (published: Published): LoadReport => load!.end(published),
}
export type ClientHandlers = typeof handlers

answer(handlers)
