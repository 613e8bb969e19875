import type { Published } from '../../src/bench/load/account.ts'
import { answer } from '../../src/bench/process/child.ts'
import { conversations, type Transport } from '../figures/delivery.ts'
import { misbehave } from './faulty-client.ts'
import { Follower, type Wish } from './follower.ts'
import { type Tally, tally } from './follower-account.ts'

/**
 * Entry point of a process that holds the followers. It connects them, keeps closing and opening
 * connections, and makes some read slowly.
 */

export interface LoadOptions {
  readonly port: number
  readonly clients: number
  readonly subjects: number
  /** Connections closed a second, and as many opened. */
  readonly churn: number
  /** Share of the clients that read slowly. */
  readonly slowShare: number
  /** Clients that read nothing for a while. */
  readonly silent: number
  /** Length of a silent period, s. */
  readonly silentSeconds: number
  /** Invalid and useless requests a second. */
  readonly faultyRequests: number
}

export interface LoadReport extends Omit<Tally, 'gaps' | 'account'> {
  /** Events delivered twice: a broken promise. */
  readonly repeated: number
  /** Events skipped, or not delivered by the end, without a gap: a broken promise. */
  readonly lost: number
  readonly gaps: readonly (readonly [string, number])[]
  readonly followers: number
  readonly connected: number
  /** Connections opened since the start. */
  readonly opened: number
  readonly closed: number
  /**
   * Connections that the gateway ended: of clients that read (`gone`), and of slow and silent
   * ones (`goneSlow`).
   */
  readonly gone: number
  readonly goneSlow: number
  /** Followers' requests that were refused. */
  readonly refused: number
  /** The last refusal. */
  readonly refusal: string
  /** Followers that have not reached the end, once the end is known. */
  readonly waiting: number
}

const tickMs = 100
/** Longest time before a closed or cut client reconnects, ms. */
const maxAwayMs = 2000
/** Share of reconnecting clients that start as a new client: another subject, no position. */
const newShare = 0.2
/** Share of closing clients that drop the connection without a close frame. */
const abruptShare = 0.5
/** Share of new clients that start with the last events. */
const lastShare = 0.3
const lastEvents = 3
/**
 * Slow clients alternate: for a period they read this many frames a tick, then for the same
 * period at full speed.
 */
const trickle = 4
const trickleSeconds = 60
/** Transports by share. Polling takes a request for each event, so few clients poll. */
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

  /** Number of followers without a position. */
  get unplaced(): number {
    return this.#everyone().filter(({ placed }) => !placed).length
  }

  /** Starts the churn. */
  churn(): void {
    this.#startMs = performance.now()
    this.#lastMs = this.#startMs
    this.#timer = setInterval(() => this.#tick(), tickMs)
  }

  /**
   * Returns counts, against the published events where they are known. Events that have not
   * arrived count as lost only at the `end`.
   */
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

  /** Ends the churn and makes every client read to the end. */
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
    // On a busy host a tick is late: this one makes up for the lost time.
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
