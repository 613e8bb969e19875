import type { Gateway } from '../../src/bench/carillon/gateway.ts'
import { Generator } from '../../src/bench/load/generator.ts'
import { Latencies } from '../../src/bench/load/latencies.ts'
import { monotonicUs } from '../../src/bench/load/payload.ts'
import { type Load, loadOf } from '../../src/bench/load/scenario.ts'

/** Clients that do as the documentation says, over all transports, and one that publishes for them. */

export const clients = 200
const rate = 50
/** Ten clients of each, over whichever transport. */
const subjects = 20
const conversations = ['ws-json', 'sse-json', 'poll-json'] as const
/** All follow the same subjects. */
const run = 'honest'
/** How long what is left may take to come, ms. */
const settleMs = 20_000
const settlePollMs = 200

export interface Received {
  /** Of the events that were due in the window, ms. */
  readonly p99Ms: number
  readonly maxMs: number
  readonly count: number
  /** Since the beginning: connections that ended, and attempts that failed. */
  readonly broken: number
  readonly refused: number
  readonly reasons: readonly string[]
}

export interface Settled {
  /** Events that did not come, without and with a gap that says so. */
  readonly lost: number
  readonly told: number
  /** Why publishing has failed, if it has. */
  readonly refusal: string | undefined
}

const loadFor = (count: number): Load => ({ ...loadOf('unicast', { clients: count, payloadBytes: 256 }), subjects })

export class Honest {
  /** One for each transport; the first one publishes as well. */
  readonly #loads = conversations.map((_, i) => {
    const each = Math.ceil(clients / conversations.length)
    return new Generator(loadFor(Math.min(each, clients - i * each)), run)
  })

  /** Resolves when all clients are live and events flow. */
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

  /** Measures events that are due from now on. */
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

  /** Ends the flow; resolves when all has come, or does not come any more. */
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
