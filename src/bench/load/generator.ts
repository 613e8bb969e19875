import { Child } from '../process/child.ts'
import { maxConnections } from '../process/host.ts'
import type { Published } from './account.ts'
import type { ClientHandlers } from './client-process.ts'
import type { Arrival, ClientsReport, ClientsResult } from './clients.ts'
import { Latencies, type LatencyCounts } from './latencies.ts'
import type { PublisherReport } from './publisher.ts'
import type { PublisherHandlers } from './publisher-process.ts'
import type { Load } from './scenario.ts'
import type { Endpoint } from './socket.ts'
import { followedSubjects } from './subjects.ts'
import type { Reach } from './target.ts'

/** Clients that one process holds at most: more would be more than a core can serve. */
const clientsPerProcess = 18_000
/** How long connecting, or a storm, may take, ms. */
const comingMs = 600_000

export function processesFor(clients: number): number {
  return Math.ceil(clients / Math.min(clientsPerProcess, maxConnections()))
}

/** The clients of all processes, with what was counted since the last report. */
export interface Reported {
  readonly connected: number
  readonly live: number
  readonly arrivals: Latencies
  readonly broken: number
  readonly gaps: number
  readonly publisher: PublisherReport
}

/** What all clients had in a window, and since the start. */
export interface Received {
  readonly live: Latencies
  readonly caughtUp: Latencies
  readonly slow: Latencies
  readonly coming: Latencies
  readonly returning: Latencies
  readonly repeated: number
  readonly gaps: number
  readonly broken: number
  readonly refused: number
  readonly reasons: readonly string[]
  readonly loopDelayP99Ms: number
}

/** The processes that make the load: clients and a publisher. */
export class Generator {
  readonly #load: Load
  readonly #prefix: string
  readonly #processes: Child<ClientHandlers>[] = []
  #publisher: Child<PublisherHandlers> | undefined

  /** `run` keeps the subjects of two runs apart. */
  constructor(load: Load, run: string) {
    this.#load = load
    this.#prefix = `bench.${run}.s`
  }

  get clientPids(): readonly number[] {
    return this.#processes.map(({ pid }) => pid)
  }

  get publisherPids(): readonly number[] {
    return this.#publisher === undefined ? [] : [this.#publisher.pid]
  }

  async openClients(target: Reach): Promise<void> {
    const { clients, each = 1, spread, subjects, seed, slowEvery } = this.#load
    const followed = followedSubjects(spread, clients * each, subjects, seed)
    const processes = processesFor(clients)
    const share = Math.ceil(clients / processes)
    const { file, conversation, ownSession = false } = target.clients
    await Promise.all(
      Array.from({ length: processes }, (_, i) => {
        const child = new Child<ClientHandlers>(file, { ownSession })
        this.#processes.push(child)
        const first = i * share
        return child.ask('open', {
          conversation,
          endpoints: target.endpoints,
          first,
          subjects: followed.slice(first * each, (first + share) * each),
          each,
          prefix: this.#prefix,
          localAddress: sourceAddress(target.endpoints, i),
          slowEvery,
        })
      }),
    )
  }

  async openPublisher({ publisher }: Pick<Reach, 'publisher'>): Promise<void> {
    const { subjects, spread, seed, payloadBytes } = this.#load
    this.#publisher = new Child<PublisherHandlers>(publisher.file)
    const { way, settings: target } = publisher
    await this.#publisher.ask('open', { prefix: this.#prefix, subjects, spread, seed, payloadBytes, way, target })
  }

  /** Resolves when all clients are live. */
  connect(): Promise<unknown> {
    return this.#each((child) => child.ask('connect', null, comingMs))
  }

  storm(): Promise<unknown> {
    return this.#each((child) => child.ask('storm', null, comingMs))
  }

  /** All lose their connections and stay away. */
  leave(): Promise<unknown> {
    return this.#each((child) => child.ask('leave', null))
  }

  /** All who are away come back, spread over so many ms; resolves when all are live. */
  async come(withinMs: number): Promise<Arrival> {
    const arrivals: Arrival[] = await this.#each((child) => child.ask('come', withinMs, comingMs))
    const latest = (of: keyof Arrival) => Math.max(...arrivals.map((each) => each[of]))
    return { begunMs: latest('begunMs'), allLiveMs: latest('allLiveMs') }
  }

  /** Clients a second that leave and come back, of all processes together. */
  churn(perSecond: number): Promise<unknown> {
    return this.#each((child) => child.ask('churn', perSecond / this.#processes.length))
  }

  window(fromUs: number, toUs: number): Promise<unknown> {
    return this.#each((child) => child.ask('window', { fromUs, toUs }))
  }

  endWindow(toUs: number): Promise<unknown> {
    return this.#each((child) => child.ask('endWindow', toUs))
  }

  async start(rate: number, startUs: number): Promise<void> {
    await this.#publisher!.ask('start', { rate, startUs })
  }

  /** So many events as fast as the log takes them; resolves when all are acknowledged. */
  burst(count: number): Promise<void> {
    return this.#publisher!.ask('burst', count, comingMs)
  }

  stop(): Promise<Published> {
    return this.#publisher!.ask('stop', null)
  }

  /** Slow readers hurry, so that what is left comes. */
  async lacking(published: Published): Promise<{ late: number; lost: number; told: number }> {
    await this.#each((child) => child.ask('hurry', null))
    const found = await this.#each((child) => child.ask('lacking', published))
    return found.reduce(
      (sum, { late, lost, told }) => ({ late: sum.late + late, lost: sum.lost + lost, told: sum.told + told }),
      { late: 0, lost: 0, told: 0 },
    )
  }

  async reports(): Promise<Reported> {
    const reports: ClientsReport[] = await this.#each((child) => child.ask('report', null))
    const total = (of: 'connected' | 'live' | 'broken' | 'gaps') => reports.reduce((sum, each) => sum + each[of], 0)
    return {
      connected: total('connected'),
      live: total('live'),
      broken: total('broken'),
      gaps: total('gaps'),
      arrivals: together(reports.map(({ arrivals }) => arrivals)),
      publisher: await this.#publisherReport(),
    }
  }

  async received(): Promise<Received> {
    const results: ClientsResult[] = await this.#each((child) => child.ask('result', null))
    const of = (name: 'live' | 'caughtUp' | 'slow' | 'coming' | 'returning') =>
      together(results.map((result) => result[name]))
    const total = (name: 'repeated' | 'gaps' | 'broken' | 'refused') =>
      results.reduce((sum, result) => sum + result[name], 0)
    return {
      live: of('live'),
      caughtUp: of('caughtUp'),
      slow: of('slow'),
      coming: of('coming'),
      returning: of('returning'),
      repeated: total('repeated'),
      gaps: total('gaps'),
      broken: total('broken'),
      refused: total('refused'),
      reasons: [...new Set(results.flatMap(({ reasons }) => reasons))],
      loopDelayP99Ms: Math.max(0, ...results.map(({ loopDelayP99Ms }) => loopDelayP99Ms)),
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#processes, this.#publisher].map((child) => child?.end()))
  }

  #each<T>(ask: (child: Child<ClientHandlers>) => Promise<T>): Promise<T[]> {
    return Promise.all(this.#processes.map(ask))
  }

  async #publisherReport(): Promise<PublisherReport> {
    if (this.#publisher !== undefined) return this.#publisher.ask('report', null)
    return { published: 0, late: new Latencies().toCounts(), failures: 0, reasons: [], failed: undefined }
  }
}

function together(counts: readonly LatencyCounts[]): Latencies {
  const sum = new Latencies()
  for (const each of counts) sum.add(each)
  return sum
}

/** Between two addresses there are as many connections as ephemeral ports: each process has an address of its own. */
function sourceAddress(endpoints: readonly Endpoint[], process: number): string | undefined {
  const loopback = endpoints.every(({ host }) => /^(127\.[\d.]+|localhost)$/.test(host))
  return loopback && process > 0 ? `127.0.${process >> 7}.${1 + (process & 127)}` : undefined
}
