import type { Published } from '../../src/bench/load/account.ts'
import type { ClientHandlers } from '../../src/bench/load/client-process.ts'
import { Latencies } from '../../src/bench/load/latencies.ts'
import { monotonicUs } from '../../src/bench/load/payload.ts'
import type { PublisherHandlers } from '../../src/bench/load/publisher-process.ts'
import { followedSubjects } from '../../src/bench/load/subjects.ts'
import { Child } from '../../src/bench/process/child.ts'

/** Clients that do as the documentation says, over all transports, and one that publishes for them. */

export const clients = 200
export const rate = 50
/** Ten clients of each, over whichever transport. */
const subjects = 20
const conversations = ['ws-json', 'sse-json', 'poll-json'] as const
const payload = { spread: 'each-own', seed: 1, payloadBytes: 256 } as const
const prefix = 'bench.honest.s'
const file = (name: string) => new URL(`../../src/bench/carillon/${name}.ts`, import.meta.url)
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

export class Honest {
  readonly #crowds = conversations.map(() => new Child<ClientHandlers>(file('clients')))
  readonly #publisher = new Child<PublisherHandlers>(file('publisher'))

  /** Resolves when all clients are live and events flow. */
  async open(port: number): Promise<void> {
    const endpoint = { host: '127.0.0.1', port, tls: false }
    const each = Math.ceil(clients / conversations.length)
    await Promise.all(
      this.#crowds.map(async (crowd, i) => {
        const count = Math.min(each, clients - i * each)
        await crowd.ask('open', {
          conversation: conversations[i]!,
          endpoints: [endpoint],
          first: i * each,
          subjects: followedSubjects(payload.spread, count, subjects, payload.seed),
          prefix,
          localAddress: undefined,
          slowEvery: 0,
        })
        await crowd.ask('connect', null)
      }),
    )
    await this.#publisher.ask('open', { ...payload, prefix, subjects, way: 'gateway', target: { endpoint } })
    await this.#publisher.ask('start', { rate, startUs: monotonicUs() })
  }

  /** Measures events that are due from now on. */
  async window(): Promise<void> {
    const window = { fromUs: monotonicUs(), toUs: Number.POSITIVE_INFINITY }
    await Promise.all(this.#crowds.map((crowd) => crowd.ask('window', window)))
  }

  async received(): Promise<Received> {
    const results = await Promise.all(this.#crowds.map((crowd) => crowd.ask('result', null)))
    const all = new Latencies()
    for (const { live, caughtUp } of results) for (const counts of [live, caughtUp]) all.add(counts)
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
    const published = await this.#publisher.ask('stop', null)
    const { failed, reasons } = await this.#publisher.ask('report', null)
    const refusal = failed ?? reasons[0]
    for (const endMs = performance.now() + settleMs; ; ) {
      const { late, lost, told } = await this.#lacking(published)
      if (late === 0 || performance.now() > endMs) return { lost: lost + late, told, refusal }
      await new Promise((resolve) => setTimeout(resolve, settlePollMs))
    }
  }

  async end(): Promise<void> {
    await Promise.all([...this.#crowds, this.#publisher].map((child) => child.end()))
  }

  async #lacking(published: Published): Promise<{ late: number; lost: number; told: number }> {
    const all = await Promise.all(this.#crowds.map((crowd) => crowd.ask('lacking', published)))
    const sum = (of: 'late' | 'lost' | 'told') => all.reduce((total, each) => total + each[of], 0)
    return { late: sum('late'), lost: sum('lost'), told: sum('told') }
  }
}
