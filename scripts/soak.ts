/**
 * Lets a gateway run for long under churn, with slow and silent clients, and looks whether its memory grows and whether anybody missed
 * anything: `$(bin/find-node) scripts/soak.ts --help`. Exit status: 1 where something grows, was lost or repeated, 2 where it could not be run.
 */
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Gateway } from '../src/bench/carillon/gateway.ts'
import type { Published } from '../src/bench/load/account.ts'
import { Generator } from '../src/bench/load/generator.ts'
import { monotonicUs } from '../src/bench/load/payload.ts'
import { loadOf } from '../src/bench/load/scenario.ts'
import { Child } from '../src/bench/process/child.ts'
import { cpuOf, describeHost } from '../src/bench/process/host.ts'
import { CannotRun, exitCodes, interruptible, progress, runScript } from '../test/command/command.ts'
import { Site } from '../test/figures/site.ts'
import type { ClientHandlers } from '../test/soak/client-process.ts'
import { run } from '../test/soak/follower.ts'
import { command, type Options } from '../test/soak/options.ts'
import { csv, type Outcome, problems, progressText, reportText, trends } from '../test/soak/report.ts'
import { type Sample, sample } from '../test/soak/sample.ts'

/** 100 ports from here on. */
const firstPort = 20_600
const payloadBytes = 512
const subjects = 500
/** A full collection each so many samples: what it leaves is alive. */
const samplesPerCollection = 3
const slowShare = 0.01
const silent = 2
const faultyRequests = 5
/** What is bounded is to be full early; a window holds four of the largest events at least. */
const smallBuffers = { limits: { maxEventBytes: 65_536 }, readBack: { cacheMiB: 16 } }
/** Everybody has everything within this time after the last event, ms. */
const settleMs = 120_000

/** One soak, from the first connection until everybody has everything. */
class Soak {
  readonly #site: Site
  readonly #options: Options
  readonly #samples: Sample[] = []
  readonly #stop: AbortSignal
  #broken: string | undefined

  constructor(site: Site, options: Options, stop: AbortSignal) {
    this.#site = site
    this.#options = options
    this.#stop = stop
  }

  async run(): Promise<Outcome> {
    const { broker, rate, clients, churn } = this.#options
    const config = { window: windowOf(this.#options), ...smallBuffers }
    const gateway = await this.#site.gateway(broker, 'soak', { inspected: true, config, detached: true })
    const load = new Child<ClientHandlers>(new URL('../test/soak/client-process.ts', import.meta.url))
    const publisher = new Generator({ ...loadOf('unicast', { clients: 0, payloadBytes }), subjects }, run)
    try {
      const silentSeconds = Math.min(180, (this.#options.minutes * 60) / 5)
      const all = { slowShare, silent, silentSeconds, faultyRequests, clients, churn }
      await load.ask('start', { port: gateway.port, subjects, ...all })
      progress(`${describeHost()}: ${clients} clients of ${broker}, ${rate} events/s, churn ${churn}/s; Ctrl-C ends it`)
      // Who is closed before it knows where it stands begins anew: it would miss what comes meanwhile.
      await gateway.until('has told everyone where it stands', async () => (await load.ask('unplaced', null)) === 0)
      await load.ask('churn', null)
      await publisher.openPublisher(gateway.reach('ws-json'))
      await publisher.start(rate, monotonicUs())
      const startMs = performance.now()
      await this.#watch(gateway, load, startMs)
      const loadShare = cpuOf(load.pid).totalUs / 1000 / (performance.now() - startMs)
      return await this.#end(gateway, load, publisher, loadShare)
    } finally {
      await Promise.all([load.end(), publisher.close(), gateway.end()])
    }
  }

  async #watch(gateway: Gateway, load: Child<ClientHandlers>, startMs: number): Promise<void> {
    const endMs = startMs + this.#options.minutes * 60_000
    const sampleMs = this.#options.sampleSeconds * 1000
    for (let next = startMs + sampleMs; next <= endMs && !this.#stop.aborted; next += sampleMs) {
      await sleep(Math.max(0, next - performance.now()), undefined, { signal: this.#stop }).catch(() => {})
      const collect = this.#samples.length % samplesPerCollection === samplesPerCollection - 1
      try {
        const now = await sample(gateway, startMs, collect)
        progress(progressText(now, this.#samples.at(-1), await load.ask('report', null)))
        this.#samples.push(now)
      } catch (error) {
        this.#broken = `the gateway or its clients do not answer: ${text(error)}; it wrote: ${gateway.output}`
        return
      }
    }
  }

  async #end(gateway: Gateway, load: Child<ClientHandlers>, publisher: Generator, loadShare: number): Promise<Outcome> {
    progress('no more events: everybody reads what is left ...')
    const published = await publisher.stop()
    const [problem] = (await publisher.reports()).publisher.reasons
    if (problem !== undefined) this.#broken ??= `publishing failed: ${problem}`
    await load.ask('settle', null)
    const settled = await this.#settled(load, published)
    const ended = await load.ask('end', published)
    const { rate, clients, churn, broker } = this.#options
    return {
      what: `${describeHost()}; ${gateway.port}, ${broker}: ${rate} events/s, ${clients} clients, churn ${churn}/s`,
      published: published.counts.reduce((sum, count) => sum + count, 0),
      samples: this.#samples,
      clients: { ...ended, waiting: settled.waiting },
      loadShare,
      broken: this.#broken,
    }
  }

  async #settled(load: Child<ClientHandlers>, published: Published) {
    for (const endMs = performance.now() + settleMs; ; ) {
      const report = await load.ask('report', published)
      if (report.waiting === 0 || performance.now() > endMs || this.#broken !== undefined) return report
      await sleep(500)
    }
  }
}

/** Small enough to be full within the first quarter: what grows behind that is no window. */
function windowOf({ rate, minutes }: Options) {
  const seconds = Math.min(300, minutes * 15)
  const records = rate * seconds
  const mib = (bytes: number) => Math.ceil(bytes / 2 ** 20)
  return { windowMiB: Math.max(2, mib((records * payloadBytes) / 2)), indexMiB: mib(records * 32) }
}

function write(file: string | undefined, content: string): void {
  if (file === '-') process.stdout.write(content)
  else if (file !== undefined) writeFileSync(file, content)
}

const text = (error: unknown) => (error instanceof Error ? error.message : String(error))

async function main(options: Options): Promise<number> {
  const stop = new AbortController()
  const site = new Site(undefined, firstPort)
  interruptible(() => {
    progress('ending; once more to end at once')
    stop.abort()
  })
  const lacking = site.lacks(options.broker)
  if (lacking !== undefined) throw new CannotRun(`${options.broker}: ${lacking}`)
  const outcome = await new Soak(site, options, stop.signal).run().finally(() => site.close())
  const found = problems(outcome)
  write(options.json, `${JSON.stringify({ ...outcome, trends: trends(outcome), problems: found }, null, 2)}\n`)
  write(options.csv, csv(outcome.samples))
  if (options.json !== '-' && options.csv !== '-') process.stdout.write(reportText(outcome))
  for (const problem of found) progress(`not well: ${problem}`)
  progress(found.length === 0 ? 'flat, and nothing was lost or repeated' : 'see above')
  return found.length === 0 ? exitCodes.ok : exitCodes.failed
}

await runScript(command(), main)
