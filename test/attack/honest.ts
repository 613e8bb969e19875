import type { Gateway } from '../../src/bench/carillon/gateway.ts'
import { Generator } from '../../src/bench/load/generator.ts'
import { Latencies } from '../../src/bench/load/latencies.ts'
import { monotonicUs } from '../../src/bench/load/payload.ts'
import { type Load, loadOf } from '../../src/bench/load/scenario.ts'

/** Clients that behave as documented, over all transports, and a publisher for them. */

export const clients = 200
const rate = 50
/** Number of subjects. Each has ten clients, over any transport. */
const subjects = 20
const conversations = ['ws-json', 'sse-json', 'poll-json'] as const
/** Run name. All clients follow the same subjects. */
const run = 'honest'
/** How long the remaining events may take to arrive, ms. */
const settleMs = 20_000
const settlePollMs = 200

export interface Received {
  /** 99th percentile of the latency of events due in the window, ms. */
  readonly p99Ms: number
  readonly maxMs: number
  readonly count: number
  /** Connections that ended and attempts that failed, since the start. */
  readonly broken: number
  readonly refused: number
  readonly reasons: readonly string[]
}

export interface Settled {
  /** Events that did not arrive: without a gap (`lost`) and covered by a gap (`told`). */
  readonly lost: number
  readonly told: number
  /** Why publishing failed; undefined = it did not. */
  readonly refusal: string | undefined
}

const loadFor = (count: number): Load => ({ ...loadOf('unicast', { clients: count, payloadBytes: 256 }), subjects })

export class Honest {
  /** One load for each transport. The first also publishes. */
  readonly #loads = conversations.map((_, i) => {
    const each = Math.ceil(clients / conversations.length)
    return new Generator(loadFor(Math.min(each, clients - i * each)), run)
  })

  /** Connects the clients. Resolves when all are live and events flow. */
  async open(gateway: Gateway): Promise<void> {
    await Promise.all(
      this.#loads.map(async (load, i) => {
        await load.openClients(gateway.reach(conversations[i]!))
        await load.connect()
      }),
    )
    await this.#publisher.openPublisher(gateway.reach(conversations[0]))
    await this.#publisher.start(rate, monotonicUs())
  }

  /** Measures events due from now on. */
  async window(): Promise<void> {
    const fromUs = monotonicUs()
    await Promise.all(this.#loads.map((load) => load.window(fromUs, Number.POSITIVE_INFINITY)))
  }

  async received(): Promise<Received> {
    const results = await Promise.all(this.#loads.map((load) => load.received()))
    const all = new Latencies()
    for (const { live, caughtUp } of results) for (const each of [live, caughtUp]) all.add(each.toCounts())
    return {
      p99Ms: all.quantileUs(0.99) / 1000,
      maxMs: all.maxUs / 1000,
      count: all.count,
      broken: results.reduce((sum, { broken }) => sum + broken, 0),
      refused: results.reduce((sum, { refused }) => sum + refused, 0),
      reasons: [...new Set(results.flatMap(({ reasons }) => reasons))],
    }
  }

  /** Ends the flow. Resolves when all events have arrived, or can no longer arrive. */
  async settle(): Promise<Settled> {
    const published = await this.#publisher.stop()
    const { failed, reasons } = (await this.#publisher.reports()).publisher
    const refusal = failed ?? reasons[0]
    for (const endMs = performance.now() + settleMs; ; ) {
      const found = await Promise.all(this.#loads.map((load) => load.lacking(published)))
      const sum = (of: 'late' | 'lost' | 'told') => found.reduce((total, each) => total + each[of], 0)
      const [late, lost, told] = [sum('late'), sum('lost'), sum('told')]
      if (late === 0 || performance.now() > endMs) return { lost: lost + late, told, refusal }
      await new Promise((resolve) => setTimeout(resolve, settlePollMs))
    }
  }

  async end(): Promise<void> {
    await Promise.all(this.#loads.map((load) => load.close()))
  }

  get #publisher(): Generator {
    return this.#loads[0]!
  }
}
