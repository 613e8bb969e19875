import { systemRandom } from '../base/random.ts'
import { calibrate, tooMuch } from './calibrate.ts'
import { Generator, processesFor, type Reported } from './load/generator.ts'
import type { Load } from './load/scenario.ts'
import type { Target } from './load/target.ts'
import { Measurement, residentOf } from './measurement.ts'
import { describeHost, kernelMemory, maxConnections, maxDescriptors } from './process/host.ts'
import { composeReport, type Opening } from './report/compose.ts'
import type { Measured } from './report/measured.ts'
import type { Calibration, Report, Second } from './report/report.ts'
import type { Stop } from './stop.ts'

/** What is told while a run goes on. */
export interface Progress {
  /** A step that begins, or has ended. */
  step(text: string): void
  connecting(live: number, clients: number): void
  second(second: Second): void
}

export interface BenchOptions {
  readonly target: Target
  readonly load: Load
  readonly stop: Stop
  readonly progress: Progress
  /** Measure the load generator first. */
  readonly calibrated: boolean
}

const connectPollMs = 500
/** Memory has come to rest so long after the last connection, ms. */
const restMs = 500

/** One target under one load: opened once, measured once or several times. */
export class Bench {
  readonly #options: BenchOptions
  readonly #generator: Generator
  readonly #startedAt = new Date()
  #calibration: Calibration | undefined
  #opening: Opening = { connectSeconds: Number.NaN, connected: 0, userBytes: Number.NaN, kernelBytes: Number.NaN }

  constructor(options: BenchOptions) {
    this.#options = options
    const run = Math.floor(systemRandom.next() * 36 ** 5)
      .toString(36)
      .padStart(5, '0')
    this.#generator = new Generator(options.load, run)
  }

  /** Starts what there is to start and connects all clients. Rejects with what was expected and what to do. */
  async open(): Promise<void> {
    const { target, load, progress, stop, calibrated } = this.#options
    if (calibrated) await this.#calibrate()
    if (stop.stopped) return
    progress.step(`starting ${target.name}`)
    await target.start()
    expectDescriptors(load.clients, target)
    if (stop.stopped) return
    await this.#generator.openClients(target)
    await this.#generator.openPublisher(target)
    await this.#connect()
  }

  /** A stretch of load; at another rate than the load's where one is given. */
  measure(load: Load = this.#options.load): Promise<Measured> {
    const { target, stop, progress } = this.#options
    const measurement = new Measurement(target, this.#generator, load, {
      stop,
      progress: (second) => progress.second(second),
    })
    return measurement.run()
  }

  report(measured: Measured, load: Load = this.#options.load): Report {
    const { target, stop } = this.#options
    const run = { target, load, stop, calibration: this.#calibration, startedAt: this.#startedAt, host: describeHost() }
    return composeReport(run, this.#opening, this.#generator.clientPids.length, measured)
  }

  async close(): Promise<void> {
    await this.#generator.close()
    await this.#options.target.stop()
  }

  async #calibrate(): Promise<void> {
    const { target, load, progress } = this.#options
    progress.step('measuring the load generator itself')
    this.#calibration = await calibrate(target.clients.conversation, load)
    const problem = tooMuch(load, processesFor(load.clients), this.#calibration)
    if (problem !== undefined) progress.step(`the load generator will be the limit: ${problem}`)
  }

  async #connect(): Promise<void> {
    const { target, load, progress, stop } = this.#options
    const before = { user: residentOf(target), kernel: kernelBytes() }
    const startMs = performance.now()
    const connected = stop.unless(this.#generator.connect())
    const done = connected.then(() => true)
    let last: Reported | undefined
    while (!(await Promise.race([done, stop.pause(connectPollMs).then(() => stop.stopped)]))) {
      last = await this.#generator.reports()
      progress.connecting(last.live, load.clients)
      this.#watch(last, startMs)
    }
    const connectSeconds = (performance.now() - startMs) / 1000
    await stop.pause(restMs)
    last = await this.#generator.reports()
    const { live } = last
    this.#opening = {
      connectSeconds,
      connected: live,
      userBytes: (residentOf(target) - before.user) / Math.max(1, live),
      kernelBytes: (kernelBytes() - before.kernel) / Math.max(1, live),
    }
  }

  /** Nobody gets in: it would go on for ever. */
  #watch({ live }: Reported, startMs: number): void {
    const { target, stop } = this.#options
    const problem = target.problem()
    if (problem !== undefined) stop.fail(problem)
    if (live > 0 || performance.now() - startMs < patienceMs) return
    const where = target.endpoints.map(({ host, port }) => `${host}:${port}`).join(', ')
    stop.fail(
      `no client got in within ${patienceMs / 1000} s: is ${target.name} at ${where}, and does it speak what was asked for?`,
    )
  }
}

const patienceMs = 15_000

function kernelBytes(): number {
  const { buffers, slab } = kernelMemory()
  return buffers + slab
}

/** Servers that are started here have this process's limit. */
function expectDescriptors(clients: number, target: Target): void {
  const servers = target.pids().server.length
  const each = maxConnections()
  if (servers === 0 || clients <= servers * each) return
  const needed = Math.ceil(clients / each)
  throw new Error(
    `expected at most ${each} clients a gateway, for a process may have ${maxDescriptors()} descriptors here, got ${clients} for ${servers}: ` +
      `give --gateways ${needed}, or raise the limit (ulimit -n)`,
  )
}
