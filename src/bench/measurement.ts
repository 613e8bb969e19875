import type { Published } from './load/account.ts'
import type { Generator } from './load/generator.ts'
import { Latencies } from './load/latencies.ts'
import { monotonicUs } from './load/payload.ts'
import type { Load } from './load/scenario.ts'
import type { Target } from './load/target.ts'
import { residentBytes } from './process/host.ts'
import { CpuMeter } from './process/meter.ts'
import type { Measured } from './report/measured.ts'
import type { Second } from './report/report.ts'
import type { Stop } from './stop.ts'

/** From the order to start until the first event is due, ms. */
const leadMs = 200
/** Where in the window the scenario's blow falls. */
const actionAt = 1 / 3
/** How long the last deliveries may take after the last event, ms. */
const settleMs = 30_000
const settlePollMs = 200
/** A publisher that can't finish is not waited for longer, ms. */
const secondMs = 1000
/** A window that begins so much later begins anew, µs. */
const tolerableUs = 100_000

interface Watch {
  readonly stop: Stop
  readonly progress?: (second: Second) => void
}

/** A stretch of load at one rate on clients that are live: warm-up, window, and until everything has come. */
export class Measurement {
  readonly #target: Target
  readonly #generator: Generator
  readonly #load: Load
  readonly #stop: Stop
  readonly #progress: (second: Second) => void
  readonly #timeline: Second[] = []
  readonly #late = new Latencies()
  #published = 0
  #publisherReasons: readonly string[] = []
  #meter: CpuMeter | undefined
  #startUs = 0
  #windowUs = 0

  constructor(target: Target, generator: Generator, load: Load, { stop, progress = () => {} }: Watch) {
    this.#target = target
    this.#generator = generator
    this.#load = load
    this.#stop = stop
    this.#progress = progress
  }

  /** Rejects only when the generator itself fails. */
  async run(): Promise<Measured> {
    const { rate, warmupS, durationS } = this.#load
    const generator = this.#generator
    this.#published = (await generator.reports()).publisher.published
    this.#startUs = monotonicUs() + leadMs * 1000
    this.#windowUs = this.#startUs + warmupS * 1e6
    await generator.window(this.#windowUs, this.#windowUs + durationS * 1e6)
    await generator.start(rate, this.#startUs)
    const sampling = new AbortController()
    const sampled = this.#sample(sampling.signal)
    await this.#stop.pause((this.#windowUs - monotonicUs()) / 1000)
    const before = await this.#target.metrics()
    await this.#beginAnew()
    this.#meter = new CpuMeter(() => this.#pids())
    const from = this.#timeline.length
    const stormMs = await this.#window()
    const seconds = Math.max(0.001, (monotonicUs() - this.#windowUs) / 1e6)
    const whole = this.#timeline.slice(from + 1)
    const usage = this.#meter.result()
    const after = await this.#target.metrics()
    await generator.endWindow(monotonicUs())
    if (this.#load.churnPerSecond > 0) await generator.churn(0)
    const published = await generator.stop()
    const { lost, told } = await this.#settle(published)
    sampling.abort()
    await sampled
    return {
      seconds,
      eventsPerSecond: mean(whole.map((second) => second.published)) ?? rate,
      deliveriesPerSecond: mean(whole.map((second) => second.received)) ?? Number.NaN,
      usage,
      received: await generator.received(),
      late: this.#late,
      lost,
      told,
      unknown: published.unknown.length,
      stormMs,
      timeline: this.#timeline,
      before,
      after,
      publisherReasons: this.#publisherReasons,
    }
  }

  /** A busy server may take longer for its metrics than the window has: it begins when they are there. */
  async #beginAnew(): Promise<void> {
    const nowUs = monotonicUs()
    if (nowUs - this.#windowUs < tolerableUs) return
    this.#windowUs = nowUs
    await this.#generator.window(nowUs, nowUs + this.#load.durationS * 1e6)
  }

  /** Returns how long a storm took. */
  async #window(): Promise<number | undefined> {
    const { durationS, action, churnPerSecond } = this.#load
    const endUs = this.#windowUs + durationS * 1e6
    if (action === 'churn') await this.#generator.churn(churnPerSecond)
    let acted: Promise<number | undefined> = Promise.resolve(undefined)
    if (action === 'storm' || action === 'failover') {
      await this.#stop.pause(durationS * 1000 * actionAt)
      if (!this.#stop.stopped) acted = action === 'storm' ? this.#storm() : this.#crash()
    }
    await this.#stop.pause((endUs - monotonicUs()) / 1000)
    return this.#stop.unless(acted)
  }

  async #storm(): Promise<number> {
    const startMs = performance.now()
    await this.#generator.storm()
    return performance.now() - startMs
  }

  async #crash(): Promise<undefined> {
    const { crash } = this.#target
    if (crash === undefined) this.#stop.fail('failover: expected a server that can be killed: let bench start it')
    else await crash().catch((error: Error) => this.#stop.fail(error.message))
  }

  /** Waits for what was published; what is late in the end is lost. */
  async #settle(published: Published): Promise<{ lost: number; told: number }> {
    const endMs = performance.now() + settleMs
    for (;;) {
      const { late, lost, told } = await this.#generator.lacking(published)
      const over = performance.now() > endMs || this.#stop.problem !== undefined
      if (late === 0 || over) return { lost: lost + late, told }
      await new Promise((resolve) => setTimeout(resolve, settlePollMs))
    }
  }

  async #sample(signal: AbortSignal): Promise<void> {
    let nextMs = performance.now() + secondMs
    while (!signal.aborted) {
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, nextMs - performance.now())))
      nextMs += secondMs
      try {
        await this.#second()
      } catch (error) {
        this.#stop.fail((error as Error).message)
        return
      }
    }
  }

  async #second(): Promise<void> {
    const { arrivals, live, publisher } = await this.#generator.reports()
    const publishedBefore = this.#published
    this.#published = publisher.published
    this.#publisherReasons = publisher.reasons
    this.#meter?.look()
    const measuring = this.#meter !== undefined
    if (measuring) this.#late.add(publisher.late)
    const second: Second = {
      second: Math.round((monotonicUs() - this.#windowUs) / 1e6),
      published: publisher.published - publishedBefore,
      received: arrivals.count,
      p50Ms: arrivals.quantileUs(0.5) / 1000,
      p99Ms: arrivals.quantileUs(0.99) / 1000,
      maxMs: arrivals.count === 0 ? Number.NaN : arrivals.maxUs / 1000,
      live,
      serverMiB: this.#serverBytes() / 2 ** 20,
    }
    this.#timeline.push(second)
    this.#progress(second)
    const problem = this.#target.problem() ?? failureOf(publisher.failed)
    if (problem !== undefined) this.#stop.fail(problem)
  }

  #serverBytes(): number {
    return residentOf(this.#target)
  }

  #pids() {
    const { server, broker } = this.#target.pids()
    const { clientPids, publisherPids } = this.#generator
    return { servers: server, clients: clientPids, publisher: publisherPids, broker }
  }
}

const mean = (values: readonly number[]): number | undefined =>
  values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length

const failureOf = (failed: string | undefined) =>
  failed === undefined ? undefined : `the publisher gave up: ${failed}`

/** Resident memory of the target's servers that run on this host, bytes. */
export function residentOf(target: Target): number {
  let bytes = 0
  for (const pid of target.pids().server) {
    try {
      bytes += residentBytes(pid)
    } catch {
      // It has just ended.
    }
  }
  return bytes
}
