import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Random, systemRandom } from '../../base/random.ts'
import { Account, type Published } from './account.ts'
import { Client, type ClientHost } from './client.ts'
import type { Converse } from './conversation.ts'
import { FollowedSubject } from './followed.ts'
import { Latencies, type LatencyCounts } from './latencies.ts'
import { monotonicUs } from './payload.ts'
import type { Endpoint } from './socket.ts'
import { subjectName } from './subjects.ts'

/** Connections that are being opened at once: above it a gateway's queue of new connections is what is measured. */
const maxHandshakes = 200
/** In a storm: all that the listen queues of most hosts take. */
const maxStormHandshakes = 2000
/** How long a client that lost its connection waits before it comes back, at most, ms. */
const returnMs = 1000
/** Slow clients read nothing for so long, and then all there is for so long, ms. */
const slow = { pauseMs: 5000, readMs: 250 } as const
const tickMs = 50
/** Those who come back within a time begin each so many ms, and so many at once where this process comes late to it: hosts of their own would not meet. */
const arrivalTickMs = 5
const maxArrivals = 50
/** Node tells the time from one look to the next; what is above this is delay. */
const loopPeriodMs = 10
/** Reasons of lost connections that are kept. */
const maxReasons = 5

export interface ClientsOptions {
  readonly endpoints: readonly Endpoint[]
  /** The number of its first client; decides the gateway that each comes to. */
  readonly first: number
  /** The subjects of the clients, one client's after the other's. */
  readonly subjects: Uint32Array
  /** Subjects that each client follows; one where it is not given. */
  readonly each?: number
  /** What stands before a subject's number. */
  readonly prefix: string
  readonly localAddress: string | undefined
  /** Each so-manieth client reads slowly; 0 = none. */
  readonly slowEvery: number
}

/** What has happened since the last report. */
export interface ClientsReport {
  readonly connected: number
  readonly live: number
  /** Of all events that came. */
  readonly arrivals: LatencyCounts
  /** Bytes read. */
  readonly bytes: number
  readonly broken: number
  readonly gaps: number
}

/** What has happened in all. */
export interface ClientsResult {
  /** Of events that were due in the window: to who was live, to who had missed them, to slow readers. */
  readonly live: LatencyCounts
  readonly caughtUp: LatencyCounts
  readonly slow: LatencyCounts
  /** From beginning to come until being live; and from losing the connection until being live again. */
  readonly coming: LatencyCounts
  readonly returning: LatencyCounts
  readonly repeated: number
  readonly gaps: number
  /** Connections that ended without being asked to, the first reasons, and attempts that failed. */
  readonly broken: number
  readonly reasons: readonly string[]
  readonly refused: number
  readonly loopDelayP99Ms: number
  readonly loopDelayMaxMs: number
}

/** How all came back. */
export interface Arrival {
  /** From the first connection until the last one was begun, ms. */
  readonly begunMs: number
  /** From the first connection until the last client was live, ms. */
  readonly allLiveMs: number
}

/** The clients of one process: connects them, keeps them connected, counts and times what they get. */
export class Clients implements ClientHost {
  readonly converse: Converse
  readonly localAddress: string | undefined
  nowUs = 0
  readonly #options: ClientsOptions
  readonly #random: Random
  readonly #clients: Client[]
  readonly #account = new Account()
  readonly #arrivals = new Latencies()
  readonly #live = new Latencies()
  readonly #caughtUp = new Latencies()
  readonly #slow = new Latencies()
  readonly #coming = new Latencies()
  readonly #returning = new Latencies()
  readonly #loop = monitorEventLoopDelay({ resolution: loopPeriodMs })
  readonly #reasons = new Set<string>()
  /** Clients that are to come, the next one last, and how many are on their way. */
  #waiting: Client[] = []
  #underWay = new Set<Client>()
  #atOnce = maxHandshakes
  /** Each client's first time. */
  readonly #met = new Set<Client>()
  #settled: (() => void) | undefined
  #liveCount = 0
  #broken = 0
  #refused = 0
  #gaps = 0
  #told = { broken: 0, gaps: 0, bytes: 0 }
  #bytes = 0
  #fromUs = Number.POSITIVE_INFINITY
  #toUs = Number.POSITIVE_INFINITY
  #churnPerTick = 0
  #churned = 0
  #churnOwed = 0
  #slowSinceMs = 0

  constructor(converse: Converse, options: ClientsOptions, random: Random = systemRandom) {
    this.converse = converse
    this.localAddress = options.localAddress
    this.#options = options
    this.#random = random
    const { first, subjects, each = 1, prefix, slowEvery } = options
    this.#clients = Array.from({ length: subjects.length / each }, (_, i) => {
      const index = first + i
      const slow = slowEvery > 0 && index % slowEvery === slowEvery - 1
      const own = Array.from(subjects.subarray(i * each, (i + 1) * each))
      return new Client(this, {
        index,
        slow,
        followed: own.map((subject) => new FollowedSubject(subjectName(prefix, subject), subject)),
      })
    })
    setInterval(() => this.#tick(), tickMs).unref()
    this.#loop.enable()
  }

  /** Resolves when all are live. */
  connect(): Promise<void> {
    return this.#comeAll(maxHandshakes)
  }

  /** All lose their connections and come back at once; resolves when all are live. */
  storm(): Promise<void> {
    for (const client of this.#clients) this.#leave(client)
    return this.#comeAll(maxStormHandshakes)
  }

  /** All lose their connections, and do not come back by themselves. */
  leave(): void {
    for (const client of this.#clients) {
      this.#leave(client)
      client.begunUs = 0
    }
  }

  /** All who are away come back, spread over so many ms; resolves when all are live. */
  async come(withinMs: number): Promise<Arrival> {
    const away = this.#clients.filter((client) => !client.connected)
    const startMs = performance.now()
    this.#atOnce = Number.POSITIVE_INFINITY
    const settled = new Promise<void>((resolve) => {
      this.#settled = resolve
    })
    for (let begun = 0; begun < away.length; ) {
      const share = Math.min(1, (performance.now() - startMs + arrivalTickMs) / withinMs)
      const due = Math.ceil(away.length * share)
      const most = begun + maxArrivals
      for (const end = Math.min(due, most); begun < end; begun++) this.#enqueue(away[begun]!)
      if (begun < away.length) await sleep(due > most ? 0 : arrivalTickMs)
    }
    const begunMs = performance.now() - startMs
    await settled
    return { begunMs, allLiveMs: performance.now() - startMs }
  }

  /** From now on so many clients a second leave and come back; 0 = none. */
  churn(perSecond: number): void {
    this.#churnPerTick = (perSecond * tickMs) / 1000
  }

  /** Events due from `fromUs` until before `toUs` (monotonic) are measured; the loop's delay from now on. */
  window({ fromUs, toUs }: { fromUs: number; toUs: number }): void {
    this.#fromUs = fromUs
    this.#toUs = toUs
    for (const each of [this.#live, this.#caughtUp, this.#slow]) each.clear()
    this.#loop.reset()
  }

  /** The window ends earlier. */
  endWindow(toUs: number): void {
    this.#toUs = Math.min(this.#toUs, toUs)
  }

  /** Slow clients read as others do: what is left has to come. */
  hurry(): void {
    this.#slowSinceMs = Number.POSITIVE_INFINITY
    for (const client of this.#clients) if (client.slow) client.resume()
  }

  lacking(published: Published): { late: number; lost: number; told: number } {
    return this.#account.lacking(
      this.#clients.flatMap(({ followed }) => followed),
      published,
    )
  }

  report(): ClientsReport {
    const arrivals = this.#arrivals.toCounts()
    this.#arrivals.clear()
    const { broken, gaps, bytes } = this.#told
    this.#told = { broken: this.#broken, gaps: this.#gaps, bytes: this.#bytes }
    return {
      connected: this.#clients.reduce((sum, client) => sum + (client.connected ? 1 : 0), 0),
      live: this.#liveCount,
      arrivals,
      bytes: this.#bytes - bytes,
      broken: this.#broken - broken,
      gaps: this.#gaps - gaps,
    }
  }

  result(): ClientsResult {
    return {
      live: this.#live.toCounts(),
      caughtUp: this.#caughtUp.toCounts(),
      slow: this.#slow.toCounts(),
      coming: this.#coming.toCounts(),
      returning: this.#returning.toCounts(),
      repeated: this.#account.repeated,
      gaps: this.#gaps,
      broken: this.#broken,
      reasons: [...this.#reasons],
      refused: this.#refused,
      loopDelayP99Ms: Math.max(0, this.#loop.percentile(99) / 1e6 - loopPeriodMs),
      loopDelayMaxMs: Math.max(0, this.#loop.max / 1e6 - loopPeriodMs),
    }
  }

  // ClientHost

  reading(): void {
    this.nowUs = this.clockUs()
  }

  clockUs(): number {
    return performance.now() * 1000 + monotonicOffsetUs
  }

  event(client: Client, followed: FollowedSubject, dueUs: number, number: number): void {
    this.#account.event(followed, number)
    const us = this.nowUs - dueUs
    this.#arrivals.record(us)
    if (dueUs < this.#fromUs || dueUs >= this.#toUs) return
    if (client.slow) this.#slow.record(us)
    else if (dueUs >= client.liveUs) this.#live.record(us)
    else this.#caughtUp.record(us)
  }

  live(client: Client): void {
    this.#liveCount++
    const times = this.#met.has(client) ? this.#returning : this.#coming
    this.#met.add(client)
    times.record(client.liveUs - client.begunUs)
    client.begunUs = 0
    this.#underWay.delete(client)
    this.#next()
  }

  gap(_: Client): void {
    this.#gaps++
  }

  gone(client: Client, why: string): void {
    if (this.#underWay.delete(client)) this.#refused++
    else {
      this.#broken++
      this.#liveCount--
    }
    if (this.#reasons.size < maxReasons) this.#reasons.add(why)
    client.moves++
    // As the SDK does: spread, so that those of a dead gateway don't all come to the next one at once.
    setTimeout(() => this.#enqueue(client), this.#random.next() * returnMs)
    this.#next()
  }

  // Coming and going

  #comeAll(atOnce: number): Promise<void> {
    this.#atOnce = atOnce
    this.#waiting = this.#clients.filter((client) => !client.connected).reverse()
    return new Promise((resolve) => {
      this.#settled = resolve
      this.#next()
    })
  }

  #enqueue(client: Client): void {
    this.#waiting.unshift(client)
    this.#next()
  }

  #next(): void {
    const { endpoints } = this.#options
    while (this.#underWay.size < this.#atOnce && this.#waiting.length > 0) {
      const client = this.#waiting.pop()!
      if (client.connected) continue
      this.#underWay.add(client)
      client.come(endpoints[(client.index + client.moves) % endpoints.length]!, this.clockUs())
    }
    if (this.#liveCount === this.#clients.length) {
      this.#settled?.()
      this.#settled = undefined
    }
  }

  #leave(client: Client): void {
    if (client.liveUs !== Number.POSITIVE_INFINITY) this.#liveCount--
    this.#underWay.delete(client)
    client.leave(this.clockUs())
  }

  #tick(): void {
    this.#churnOwed += this.#churnPerTick
    for (; this.#churnOwed >= 1; this.#churnOwed--) {
      const client = this.#clients[this.#churned++ % this.#clients.length]!
      if (client.liveUs === Number.POSITIVE_INFINITY) continue
      this.#leave(client)
      this.#enqueue(client)
    }
    if (this.#options.slowEvery > 0) this.#slowReaders(performance.now())
  }

  #slowReaders(nowMs: number): void {
    const inPeriod = nowMs - this.#slowSinceMs
    if (inPeriod < slow.pauseMs) return
    const over = inPeriod >= slow.pauseMs + slow.readMs
    if (over) this.#slowSinceMs = nowMs
    for (const client of this.#clients) {
      if (!client.slow) continue
      if (over && client.liveUs !== Number.POSITIVE_INFINITY) client.pause()
      else client.resume()
    }
  }
}

/** Both clocks tick alike; reading this one makes no array. */
const monotonicOffsetUs = monotonicUs() - performance.now() * 1000
