import { CarillonError } from '../base/errors.ts'
import { Bench, type Progress } from '../bench/bench.ts'
import { RateSearch } from '../bench/find.ts'
import { type Load, loadOf } from '../bench/load/scenario.ts'
import type { Target } from '../bench/load/target.ts'
import { cpuOf, maxConnections } from '../bench/process/host.ts'
import type { Report } from '../bench/report/report.ts'
import { Stop } from '../bench/stop.ts'
import type { HostFigures } from './host-figures.ts'
import {
  figuresOfRuns,
  type Headline,
  type HostSize,
  headlineOf,
  type Runs,
  type SteadyRun,
} from './measured-figures.ts'

export interface MeasureOptions {
  /** Maximum number of clients; fewer if a process may not have as many descriptors. */
  readonly clients: number
  /** Target for the 99th percentile, ms. */
  readonly p99Ms: number
  readonly host: HostSize
  /** Creates a separate gateway for each load; each of its clients has its own subject. */
  readonly target: () => Target
  /** Called with a description of each step. */
  readonly step: (text: string) => void
}

export interface MeasuredHost {
  readonly figures: HostFigures
  readonly headline: Headline
  /** Reasons why the figures reflect the load generator rather than the gateway; empty = none. */
  readonly limits: readonly string[]
  readonly clients: number
}

/** Long enough for a valid measurement, short enough for a waiting user, s. */
const steady = { warmupS: 1, durationS: 4 } as const
/** Warm-up and duration of one trial in the search for the highest rate, s. */
const trial = { warmupS: 0.5, durationS: 2.5 } as const
/**
 * Events a second: the two intake runs, whose events have few subscribers; the unicast run; and
 * start and bounds of the search.
 */
const rates = { low: 500, high: 4000, unicast: 2000, search: 4000, least: 100, most: 1_000_000 } as const
const searchMs = 30_000
/** Minimum published share of a rate: with less, the trial failed, whichever side was slow. */
const leastPublished = 0.98
/** The intake runs: one in fifty of their events is delivered. */
const few = { clients: 10, subjects: 500 } as const

/**
 * Loads the target and returns the figures of its gateway on this host; undefined = interrupted.
 * Rejects with the problem if nothing can be measured.
 */
export async function measureHost(options: MeasureOptions): Promise<MeasuredHost | undefined> {
  const clients = Math.min(options.clients, maxConnections())
  const stop = new Stop()
  const interrupt = () => stop.interrupt()
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt)
  try {
    const run = new Measuring(stop, options)
    const quiet = await run.intake()
    const busy = quiet === undefined ? undefined : await run.unicast(clients, options.p99Ms, quiet.openUs)
    if (stop.problem !== undefined) throw new CarillonError('overloaded', stop.problem)
    if (quiet === undefined || busy === undefined) return undefined
    const runs: Runs = { ...quiet, ...busy, clients }
    const figures = figuresOfRuns(runs, options.host, sourceOf(run.reports[0]!, clients, options.p99Ms))
    const limits = [...new Set(run.reports.flatMap(({ generator }) => generator.limits))]
    return { figures, headline: headlineOf(figures, runs), limits, clients }
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  }
}

class Measuring {
  readonly reports: Report[] = []
  readonly #stop: Stop
  readonly #target: () => Target
  readonly #progress: Progress

  constructor(stop: Stop, { target, step }: MeasureOptions) {
    this.#stop = stop
    this.#target = target
    this.#progress = { step, connecting: () => {}, second: () => {} }
  }

  /** Measures the cost of events with few subscribers. */
  async intake() {
    const load = { ...loadOf('unicast', { clients: few.clients, ...steady }), subjects: few.subjects }
    return this.#with({ ...load, rate: rates.low }, async (bench, openUs) => {
      const low = await this.#steady(bench, { ...load, rate: rates.low })
      const processMiB = this.reports.at(-1)?.memory.serverMiB ?? 0
      const high = await this.#steady(bench, { ...load, rate: rates.high })
      return { low, high, openUs, processMiB }
    })
  }

  /** Measures the cost of clients, and the highest rate. */
  async unicast(clients: number, p99Ms: number, openUs: number) {
    const load = loadOf('unicast', { clients, rate: rates.unicast, ...steady })
    return this.#with(load, async (bench, openedUs) => {
      const unicast = await this.#steady(bench, load)
      const { memory } = this.reports.at(-1)!
      const best = await this.#highest(bench, { ...load, ...trial }, p99Ms)
      return {
        unicast,
        residentBytes: memory.userBytesPerConnection,
        // Both ends of each connection are on this host.
        kernelBytes: memory.kernelBytesPerConnection / 2,
        connectUs: (openedUs - openUs) / (clients - few.clients),
        best,
      }
    })
  }

  /**
   * Finds the highest rate that meets the 99th percentile, as far as the time allows: one trial
   * for each rate, because the user waits.
   */
  async #highest(bench: Bench, load: Load, p99Ms: number): Promise<Runs['best']> {
    const search = new RateSearch(rates.search, rates.least, rates.most)
    const endMs = performance.now() + searchMs
    let best: Runs['best']
    for (let rate = search.next; rate !== undefined && performance.now() < endMs; rate = search.next) {
      const at = { ...load, rate }
      const report = bench.report(await bench.measure(at), at)
      if (this.#stop.stopped) return undefined
      const found = report.latency.p99Ms
      const passed = report.problems.length === 0 && report.eventsPerSecond > rate * leastPublished && found <= p99Ms
      this.#progress.step(`${Math.round(rate)} events/s: p99 ${found.toFixed(1)} ms, ${passed ? 'passed' : 'failed'}`)
      if (passed && rate > (best?.rate ?? 0)) best = { rate, p99Ms: found, cores: runOf(report).cores }
      search.tell(passed ? 'passed' : 'failed')
    }
    return best
  }

  async #with<T>(load: Load, use: (bench: Bench, openUs: number) => Promise<T>): Promise<T | undefined> {
    const target = this.#target()
    const bench = new Bench({ target, load, stop: this.#stop, progress: this.#progress, calibrated: false })
    try {
      await bench.open()
      if (this.#stop.stopped) return undefined
      const [pid] = target.pids().server
      const result = await use(bench, cpuOf(pid!).totalUs)
      return this.#stop.stopped ? undefined : result
    } finally {
      await bench.close()
    }
  }

  async #steady(bench: Bench, load: Load): Promise<SteadyRun> {
    this.#progress.step(`${load.rate} events/s to ${load.clients} clients`)
    const report = bench.report(await bench.measure(load), load)
    this.reports.push(report)
    if (!report.interrupted && report.problems.length > 0) this.#stop.fail(report.problems.join('; '))
    return runOf(report)
  }
}

function runOf({ eventsPerSecond, deliveriesPerSecond, cpu, measuredSeconds }: Report): SteadyRun {
  const { userS, systemS } = cpu.servers
  return { events: eventsPerSecond, deliveries: deliveriesPerSecond, cores: (userS + systemS) / measuredSeconds }
}

function sourceOf({ host, settings, startedAt }: Report, clients: number, p99Ms: number): string {
  const log = String(settings.broker).startsWith('embedded')
    ? 'an embedded log, into which events came by HTTP'
    : settings.broker
  return `carillon doctor --measure, ${startedAt.slice(0, 10)}, ${clients} clients from ${log}, p99 of ${p99Ms} ms; ${host}`
}
