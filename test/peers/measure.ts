import { Bench, type BenchOptions, type Progress } from '../../src/bench/bench.ts'
import { type Load, loadOf } from '../../src/bench/load/scenario.ts'
import type { Target } from '../../src/bench/load/target.ts'
import type { Report } from '../../src/bench/report/report.ts'
import { Stop } from '../../src/bench/stop.ts'
import type { Entry } from './catalog.ts'
import type { PeerSite } from './site.ts'

export const parts = ['idle', 'unicast', 'broadcast'] as const
export type Part = (typeof parts)[number]

/** Events a second, ascending: a peer leaves its row when it fails one, or when the load generator can't vouch for more. */
export const rates = { unicast: [1000, 4000, 10_000, 20_000, 40_000], broadcast: [1, 10, 20, 40] } as const
export const clients = { idle: 5000, load: 1000 } as const
const idleRate = 100
const warmupS = 2
/** A rate is held when 99 of 100 events came within this time, and all of them came, ms. */
export const targetP99Ms = 100

/** One cell's figures. */
export interface Figure {
  readonly peer: string
  readonly part: Part
  /** Events a second. */
  readonly rate: number
  /** Growth while the clients came, bytes a connection; the kernel's for both ends. */
  readonly userBytes: number
  readonly kernelBytes: number
  /** CPU of the server's processes and of the broker's, µs a delivery. */
  readonly cpuUs: number
  readonly brokerUs: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  readonly lost: number
  readonly repeated: number
  /** Why the figures say more of the load generator or the host than of the server. */
  readonly limits: readonly string[]
  readonly problems: readonly string[]
}

export interface PeerRun {
  readonly id: string
  readonly name: string
  readonly settings: Readonly<Record<string, unknown>>
  readonly figures: readonly Figure[]
  /** Why it could not be measured to its end. */
  readonly failure: string | undefined
}

export interface MeasureOptions {
  readonly parts: readonly Part[]
  readonly durationS: number
  readonly progress: (line: string) => void
}

/** What is needed of a `Bench`. */
export type PeerBench = Pick<Bench, 'open' | 'measure' | 'report' | 'close'>

/** Measures peers one after the other, each in a server of its own for each part. */
export class PeerMeasurement {
  readonly #site: PeerSite
  readonly #options: MeasureOptions
  readonly #newBench: (options: BenchOptions) => PeerBench
  #stop = new Stop()
  interrupted = false

  constructor(site: PeerSite, options: MeasureOptions, newBench = (each: BenchOptions): PeerBench => new Bench(each)) {
    this.#site = site
    this.#options = options
    this.#newBench = newBench
  }

  /** Ends what is being measured; what was measured is kept. */
  interrupt(): void {
    this.interrupted = true
    this.#stop.interrupt()
  }

  /** Never rejects: what was measured until something failed, or until the interruption, is in the answer. */
  async run(entry: Entry): Promise<PeerRun> {
    const figures: Figure[] = []
    let target: Target | undefined
    let failure: string | undefined
    for (const part of this.#options.parts) {
      if (this.interrupted) break
      try {
        target = await entry.make(this.#site)
        await this.#part(target, part, (rate, report) => {
          const figure = figureOf(entry.id, part, rate, report)
          figures.push(figure)
          this.#options.progress(lineOf(figure))
          return figure
        })
      } catch (error) {
        // A server or a broker that ends at Ctrl-C as well has not failed.
        if (this.interrupted) break
        failure = `${part}: ${(error as Error).message}`
        this.#options.progress(`${entry.id}: ${failure}`)
      }
    }
    return { id: entry.id, name: target?.name ?? entry.id, settings: target?.settings ?? {}, figures, failure }
  }

  /** `measured` is told of each rate as soon as it has its figures: whatever comes after leaves them as they are. */
  async #part(target: Target, part: Part, measured: (rate: number, report: Report) => Figure): Promise<void> {
    this.#stop = new Stop()
    const stop = this.#stop
    // It may have come while the target was made.
    if (this.interrupted) return
    const bench = this.#newBench({ target, load: this.#load(part, 0), stop, progress: silent, calibrated: false })
    try {
      await bench.open()
      for (const rate of part === 'idle' ? [idleRate] : rates[part]) {
        if (stop.stopped) break
        const load = this.#load(part, rate)
        const report = bench.report(await bench.measure(load), load)
        // What was cut short is no figure.
        if (stop.interrupted) break
        const { problems, p99Ms, limits } = measured(rate, report)
        if (problems.length > 0 || p99Ms > targetP99Ms || limits.length > 0) break
      }
    } finally {
      await bench.close()
    }
    if (stop.problem !== undefined) throw new Error(stop.problem)
  }

  #load(part: Part, rate: number): Load {
    const { durationS } = this.#options
    const options = { rate, warmupS: Math.min(warmupS, durationS), durationS, payloadBytes: 512 }
    if (part === 'idle') return loadOf('unicast', { ...options, durationS: 1, warmupS: 0, clients: clients.idle })
    return loadOf(part, { ...options, clients: clients.load })
  }
}

const silent: Progress = { step() {}, connecting() {}, second() {} }

export function figureOf(peer: string, part: Part, rate: number, report: Report): Figure {
  const { promises, latency, memory, cpu, generator } = report
  const deliveries = report.deliveriesPerSecond * report.measuredSeconds
  return {
    peer,
    part,
    rate,
    userBytes: memory.userBytesPerConnection,
    kernelBytes: memory.kernelBytesPerConnection,
    cpuUs: report.cpuUsPerDelivery,
    brokerUs: ((cpu.broker.userS + cpu.broker.systemS) * 1e6) / deliveries,
    p50Ms: latency.p50Ms,
    p99Ms: latency.p99Ms,
    maxMs: latency.maxMs,
    lost: promises.lost,
    repeated: promises.repeated,
    limits: generator.limits,
    problems: report.problems,
  }
}

function lineOf({ peer, part, rate, cpuUs, p50Ms, p99Ms, userBytes, limits, problems }: Figure): string {
  const what = `${peer}, ${part} ${rate}/s:`
  if (part === 'idle') return `${what} ${(userBytes / 1024).toFixed(1)} KiB a connection`
  const figures = `${cpuUs.toFixed(1)} µs of CPU a delivery, p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms`
  return [`${what} ${figures}`, ...problems, ...limits].join('; ')
}
