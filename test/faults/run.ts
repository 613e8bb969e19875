import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Random, seededRandom } from '../../src/base/random.ts'
import type { Growth } from '../simulation/broker.ts'
import { until } from '../support/until.ts'
import { Clients } from './clients.ts'
import { drawFaults, type FaultKind, kinds, type Scene } from './kinds.ts'
import { LogTruth } from './log-truth.ts'
import type { Options } from './options.ts'
import { drawProfiles, type Profile } from './profiles.ts'
import { Publisher } from './publisher.ts'
import { type Circumstances, type Lived, Replay } from './replay.ts'
import { type BrokerKind, Site } from './site.ts'
import { type Line, nowMs, storiesOf } from './story-file.ts'

/** One fault as it was. */
export interface Happened {
  readonly kind: string
  readonly what: string
  readonly atMs: number
  /** Until it was undone, and until all were served again as before; 0 = they were not in time. */
  readonly lastedMs: number
  recoveredMs: number
}

export interface Outcome {
  readonly broker: BrokerKind
  readonly faults: readonly Happened[]
  readonly clients: number
  /** Each client's, by its number. */
  readonly lives: readonly Lived[]
  /** Records in the log at the end, and those that clients had been given and a broker had forgotten. */
  readonly records: number
  readonly rewritten: number
  readonly published: number
  /** What the publisher was told instead of an acknowledgement. */
  readonly problems: ReadonlyMap<string, number>
  /** For people: who was not served at the end. */
  readonly unserved: readonly string[]
  readonly minutes: number
}

/** The next fault begins when all but so many of a hundred clients are served, or after so long, ms. */
const unwellPercent = 5
const recoveryMs = 20_000
const calmMs = 700
/** How long clients may take to come up, and until all have everything at the end, ms. */
const startMs = 60_000
const endMs = 90_000

const secondsOf = (ms: number) => `${(ms / 1000).toFixed(1)} s`

export type Progress = (line: string) => void

/** Faults of one broker and of everything around it, one after the other; judged at the end. */
export async function run(broker: BrokerKind, count: number, options: Options, progress: Progress): Promise<Outcome> {
  const dir = mkdtempSync(join(tmpdir(), `carillon-faults-${broker}-`))
  const clean = () => rmSync(dir, { recursive: true, force: true })
  if (!options.keep) process.once('exit', clean)
  progress(`${broker}: brokers and gateways start, files are in ${dir}`)
  const site = await Site.start(broker, dir)
  try {
    return await new Run(site, { ...options, count }, dir, progress).run()
  } finally {
    await site.close()
    process.off('exit', clean)
    if (!options.keep) clean()
  }
}

class Run {
  readonly #site: Site
  readonly #dir: string
  readonly #progress: Progress
  readonly #random: Random
  readonly #publisher: Publisher
  readonly #profiles: readonly Profile[]
  readonly #faults: readonly FaultKind[]
  readonly #happened: Happened[] = []
  readonly #growths: Growth[] = []
  #beganMs = 0

  constructor(site: Site, options: Options & { readonly count: number }, dir: string, progress: Progress) {
    const { seed, clients, only, count } = options
    this.#site = site
    this.#dir = dir
    this.#progress = progress
    this.#random = seededRandom(seed)
    this.#publisher = new Publisher(site.source, options.rate)
    this.#profiles = drawProfiles(clients, site.doors, this.#random)
    const possible = kinds.filter(
      ({ brokers, name }) => brokers.includes(site.brokers.kind) && only?.split(',').includes(name) !== false,
    )
    this.#faults = drawFaults(count, possible, this.#random)
  }

  async run(): Promise<Outcome> {
    const clients = await Clients.start(this.#profiles, this.#dir)
    try {
      await until('every client is live', startMs, async () => (await clients.look()).served === clients.count)
      this.#beganMs = nowMs()
      await this.#publisher.start()
      await delay(2000)
      for (const [i, fault] of this.#faults.entries()) await this.#happen(clients, fault, i)
      const unserved = await this.#settle(clients)
      await clients.end()
      return await this.#judge(clients, unserved)
    } finally {
      this.#publisher.abandon()
      await clients.close()
    }
  }

  async #happen(clients: Clients, fault: FaultKind, number: number): Promise<void> {
    const atMs = nowMs()
    const scene: Scene = {
      site: this.#site,
      publisher: this.#publisher,
      random: this.#random,
      grown: (before, grownMs, adoptedMs) => this.#growths.push({ before, atMs: grownMs, adoptedMs }),
    }
    // One that could not be had as wanted, on a busy host, is a fault all the same.
    const what = await fault.happen(scene).catch((error: unknown) => `not as wanted: ${error}`)
    const happened = { kind: fault.name, what, atMs, lastedMs: nowMs() - atMs, recoveredMs: 0 }
    this.#happened.push(happened)
    const deadline = nowMs() + recoveryMs
    while (nowMs() < deadline && !(await this.#isWell(clients))) await delay(200)
    if (nowMs() < deadline) happened.recoveredMs = nowMs() - atMs
    await delay(calmMs)
    const recovered = happened.recoveredMs > 0 ? `well after ${secondsOf(happened.recoveredMs)}` : 'NOT WELL'
    const undone = `undone after ${secondsOf(happened.lastedMs)}`
    this.#progress(`${number + 1}/${this.#faults.length} ${fault.name} (${what}): ${undone}, ${recovered}`)
    if (happened.recoveredMs === 0) for (const line of (await clients.look()).waiting) this.#progress(`  ${line}`)
  }

  async #isWell(clients: Clients): Promise<boolean> {
    if (this.#publisher.waitsMs > 1000) return false
    const { served } = await clients.look()
    if (served < clients.count - Math.ceil((clients.count * unwellPercent) / 100)) return false
    const { brokers } = this.#site
    return brokers.kind === 'nats' || (await brokers.isWhole().catch(() => false))
  }

  /** The flow ends, and all that is under way arrives. */
  async #settle(clients: Clients): Promise<readonly string[]> {
    this.#progress('the flow ends')
    await this.#publisher.end()
    const deadline = nowMs() + endMs
    for (let before = -1; nowMs() < deadline; ) {
      const { served, handed } = await clients.look()
      if (served === clients.count && handed === before) break
      before = handed
      await delay(2000)
    }
    return (await clients.look()).waiting
  }

  async #judge(clients: Clients, unserved: readonly string[]): Promise<Outcome> {
    const { brokers, source, starts } = this.#site
    this.#progress('the log is read')
    const log = await LogTruth.read(source, (await source.describe(this.#publisher.info.name))!, this.#growths)
    const { events, problems } = this.#publisher
    for (const file of clients.files) {
      for (const lines of storiesOf(file).values()) {
        for (const line of lines) if (line.includes('"delivery"')) log.witness(JSON.parse(line) as Line, events)
      }
    }
    log.rewrite(brokers.kind === 'nats' ? brokers.killedAtMs : [])
    const timesMs = [this.#beganMs, ...this.#happened.map(({ atMs }) => atMs)]
    const lives = this.#lives(clients, { log, starts, timesMs })
    return {
      broker: brokers.kind,
      faults: this.#happened,
      clients: this.#profiles.length,
      lives,
      records: log.records,
      rewritten: log.rewritten,
      published: events.size,
      problems,
      unserved,
      minutes: (nowMs() - this.#beganMs) / 60_000,
    }
  }

  #lives(clients: Clients, circumstances: Circumstances): Lived[] {
    const lives: Lived[] = []
    for (const file of clients.files) {
      this.#progress('stories are judged')
      for (const [number, lines] of storiesOf(file)) {
        const profile = this.#profiles[number]!
        const lived = new Replay(profile, circumstances, false).run(lines)
        lives[number] = lived.failure === undefined ? lived : new Replay(profile, circumstances, true).run(lines)
      }
    }
    return lives
  }
}
