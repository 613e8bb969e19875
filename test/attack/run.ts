import { setTimeout as sleep } from 'node:timers/promises'
import { Gateway } from '../../src/bench/carillon/gateway.ts'
import { Child } from '../../src/bench/process/child.ts'
import { freePorts } from '../../src/bench/process/free-port.ts'
import { cpuOf } from '../../src/bench/process/host.ts'
import { admissionLimits } from '../../src/edge/admission-queue.ts'
import { edgeDefaults } from '../../src/edge/options.ts'
import { sessionLimits } from '../../src/session/options.ts'
import { postJson } from '../support/http.ts'
import type { AttackerHandlers } from './attacker.ts'
import { type Attack, type AttackName, attacks, historyRecords } from './attacks.ts'
import { type Cores, niceness, pin, prioritise } from './cores.ts'
import { clients, Honest } from './honest.ts'
import type { Memory, Outcome, Stretch } from './judge.ts'
import type { NobodyHandlers } from './nobody.ts'
import type { Aim } from './sockets.ts'
import { memoryOf, metricsOf, pages, quantile, Watch } from './watch.ts'

/** Below the ports that clients' own ends take. */
const firstPort = 23_100
/** Clients, operators, the inspector; clients and operators of the server that is attacked while it is quiet. */
const ports = 5
/** Windows and bodies are small, so that what an attack takes is no small part of the whole. */
const config = {
  window: { windowMiB: 32, indexMiB: 16 },
  readBack: { cacheMiB: 16 },
  limits: { maxEventBytes: 65_536, maxBodyBytes: 262_144 },
} as const
/** docs/operations.md, "Memory": without clients and windows. */
const processMiB = 130
const mib = 1 << 20
const written = 'carillon_publish_to_written_seconds'
const events = 1000
/** Until attackers have begun, and compilers have seen enough of honest clients, ms. */
const warmUpMs = 2000
/** How long memory may take to come back, ms. */
const restMs = 20_000
const restPollMs = 1000
/** Attackers have the lowest priority: who does not say in time what it has done is ended all the same. */
const doneMs = 2000
/** An attacker that nobody ends does so itself. */
const spareSeconds = 120

export interface Plan {
  readonly name: string
  readonly attacks: readonly AttackName[]
  readonly seconds: number
  /** How long honest clients are measured beforehand. */
  readonly quietSeconds: number
}

/** As docs/operations.md has it, "Memory". */
export function documentedMiB(attacking: number): number {
  const { windowMiB, indexMiB } = config.window
  const { maxEventBytes, maxBodyBytes } = config.limits
  const { maxBackpressureBytes, maxFrameBytes, maxWaitingFrameBytes, maxBodies } = edgeDefaults
  const sessions = clients + attacking
  const counted = Math.min(sessions * sessionLimits.maxSessionBytes, sessionLimits.maxTotalSessionMiB * mib)
  const sockets = sessions * (maxBackpressureBytes + maxEventBytes + 2 * maxFrameBytes)
  const bodies = maxBodies * maxBodyBytes
  const frames = admissionLimits.connections * maxWaitingFrameBytes
  return processMiB + windowMiB + indexMiB + config.readBack.cacheMiB + (counted + sockets + bodies + frames) / mib
}

/** A gateway of its own, its honest clients, and attackers on someone else first. */
export async function measure(plan: Plan, cores: Cores, progress: (line: string) => void): Promise<Outcome> {
  const port = await freePorts(firstPort, ports)
  const gateway = await Gateway.ready({
    port,
    broker: 'embedded',
    topic: 'attack',
    nodeOptions: [`--inspect=127.0.0.1:${port + 2}`],
    config,
    detached: true,
  })
  const run = new Run(plan, gateway, progress)
  try {
    pin(gateway.pid, cores.gateway)
    return await run.all()
  } finally {
    await run.end()
    await gateway.end()
  }
}

class Run {
  readonly #plan: Plan
  readonly #gateway: Gateway
  readonly #progress: (line: string) => void
  readonly #honest = new Honest()
  readonly #nobody = new Child<NobodyHandlers>(new URL('nobody.ts', import.meta.url))
  readonly #filesKiB: number
  #attackers: Child<AttackerHandlers>[] = []

  constructor(plan: Plan, gateway: Gateway, progress: (line: string) => void) {
    this.#plan = plan
    this.#gateway = gateway
    this.#progress = (line) => progress(`${plan.name}: ${line}`)
    this.#filesKiB = pages(gateway.pid).files
    prioritise(this.#nobody.pid, niceness.attacker)
  }

  async all(): Promise<Outcome> {
    const { seconds, quietSeconds, name, attacks: names } = this.#plan
    const { port } = this.#gateway
    const chosen: Attack[] = names.map((each) => attacks[each])
    if (chosen.some(({ history }) => history)) await fill(port, historyRecords)
    await this.#honest.open(this.#gateway)
    await this.#nobody.ask('listen', { port: port + 3, admin: port + 4 })
    this.#progress(`${quietSeconds} s quiet: attackers at a server that discards`)
    await this.#begin({ port: port + 3, admin: port + 4 })
    const quiet = await this.#stretch(quietSeconds, async () => {})
    await this.#stop()
    const before = await memoryOf(this.#gateway)
    this.#progress(`${seconds} s of attack`)
    await this.#begin({ port, admin: port + 1 })
    let settled = { lost: 0, told: 0, refusal: undefined as string | undefined }
    let done = { connections: 0, bytes: 0 }
    const attack = await this.#stretch(seconds, async () => {
      done = await this.#stop()
      settled = await this.#honest.settle()
    })
    const { broken, refused, reasons } = await this.#honest.received()
    const after = await this.#rest(before)
    return {
      name,
      quiet,
      attack,
      ...settled,
      broken: broken + refused,
      reasons,
      before,
      after,
      documentedMiB: documentedMiB(chosen.reduce((sum, { sessions }) => sum + sessions, 0)),
      attackers: done,
      ended: this.#gateway.ended ? this.#gateway.output.trim() : undefined,
    }
  }

  async end(): Promise<void> {
    await Promise.all([this.#stop(), this.#honest.end(), this.#nobody.end()])
  }

  async #begin(aim: Aim): Promise<void> {
    const { attacks: names, seconds } = this.#plan
    await Promise.all(
      names.map(async (name) => {
        const child = new Child<AttackerHandlers>(new URL('attacker.ts', import.meta.url))
        this.#attackers.push(child)
        prioritise(child.pid, niceness.attacker)
        await child.ask('begin', { name, aim, seconds: seconds + spareSeconds })
      }),
    )
  }

  /** Returns what they have done, as far as they say. */
  async #stop(): Promise<{ connections: number; bytes: number }> {
    const sum = { connections: 0, bytes: 0 }
    const ended = this.#attackers
    this.#attackers = []
    await Promise.all(
      ended.map(async (child) => {
        const done = await child.ask('done', null, doneMs).catch(() => undefined)
        sum.connections += done?.connections ?? 0
        sum.bytes += done?.bytes ?? 0
        await child.end()
      }),
    )
    return sum
  }

  /** `over` comes before the gateway is asked: it may not answer before. */
  async #stretch(seconds: number, over: () => Promise<void>): Promise<Stretch> {
    const gateway = this.#gateway
    const buckets = async () => (await metricsOf(gateway))?.buckets(written) ?? new Map<number, number>()
    await sleep(warmUpMs)
    const before = await buckets()
    const watch = new Watch(gateway, this.#filesKiB)
    await this.#honest.window()
    const cpuUs = gateway.ended ? 0 : cpuOf(gateway.pid).totalUs
    await sleep(seconds * 1000)
    const cpu = gateway.ended ? Number.NaN : (cpuOf(gateway.pid).totalUs - cpuUs) / 1e6 / seconds
    await watch.end()
    await over()
    const after = await buckets()
    const { p99Ms, maxMs, count } = await this.#honest.received()
    return {
      writtenP99Ms: quantile(before, after, 0.99) * 1000,
      receivedP99Ms: p99Ms,
      receivedMaxMs: maxMs,
      received: count,
      livezMs: watch.livezMs,
      residentMiB: watch.residentMiB,
      cpu,
    }
  }

  /** Heap and external memory, once they are what they were, or do not come to it. */
  async #rest(before: Memory): Promise<Memory> {
    for (const endMs = performance.now() + restMs; ; await sleep(restPollMs)) {
      const now = await memoryOf(this.#gateway)
      const back = now.heap <= before.heap && now.external <= before.external
      if (back || Number.isNaN(now.heap) || performance.now() > endMs) return now
    }
  }
}

async function fill(port: number, records: number): Promise<void> {
  for (let at = 0; at < records; at += events) {
    const batch = Array.from({ length: events }, (_, i) => ({ subject: `fill.s${i}`, data: { x: 1 } }))
    const { status, text } = await postJson(port, '/v1/publish', { events: batch })
    if (status !== 200) throw new Error(`expected 200 for the log's first events, got ${status}: ${text}`)
  }
}
