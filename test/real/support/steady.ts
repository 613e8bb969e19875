import { setTimeout as delay } from 'node:timers/promises'
import { table } from '../../../src/cli/text.ts'
import { openSource } from '../../../src/source/open.ts'
import type { Source } from '../../../src/source/source.ts'
import { GatewayProcess, patienceMs } from '../../support/gateway-process.ts'
import { until } from '../../support/until.ts'
import { isLive, type Transport, transports } from './clients.ts'
import { SteadyClient } from './steady-client.ts'
import type { Judgement, Moved } from './steady-judge.ts'
import { type SteadyEvent, SteadyPublisher, steadyRate } from './steady-publisher.ts'

/**
 * A steady flow of events through two gateways to some thirty clients, whichever the broker: what a fault costs, as
 * clients see it.
 */

export interface SteadyStream {
  /** Of the stream, its topic, and the first token of its subjects. */
  readonly name: string
  readonly partitions: number
}

export interface SteadyPlace {
  /** `kafka://…`, `nats://…`: what gateways and the publisher are given. */
  readonly broker: string
  readonly streams: readonly SteadyStream[]
  readonly dir: string
  /** Of the two gateways; their admin listeners are one above. */
  readonly ports: readonly [number, number]
  /** Further configuration of the gateways, and of the publisher's source. */
  readonly config?: Readonly<Record<string, unknown>>
  readonly source?: Parameters<typeof openSource>[2]
}

/** What one fault did. */
export interface Damage extends Judgement {
  readonly fault: string
  readonly events: number
  readonly acknowledged: number
  /** Longest silence of one subject at one client, ms: from the fault until all flowed again, and just before it. */
  readonly outageMs: number
  readonly normalMs: number
  /** The same between acknowledgements, as the publisher saw it: what the brokers took for themselves. */
  readonly publisherMs: number
  /** What the publisher was told instead of an acknowledgement, and how often. */
  readonly problems: ReadonlyMap<string, number>
}

/** How long the flow runs before its fault, ms, for what silence is normal. */
const normalMs = 1500
/** How long each subject must have flowed again before a fault counts as over, ms. */
const settledMs = 1000

/** Two gateways on one broker, and a source to publish through. */
export class SteadySite {
  readonly source: Source
  readonly gateways: readonly [GatewayProcess, GatewayProcess]

  private constructor(source: Source, gateways: readonly [GatewayProcess, GatewayProcess]) {
    this.source = source
    this.gateways = gateways
  }

  static async start({ broker, streams, dir, ports, config, source }: SteadyPlace): Promise<SteadySite> {
    const opened = await openSource(broker, { log: () => {} }, source)
    const whole = {
      broker,
      streams: Object.fromEntries(streams.map(({ name, partitions }) => [name, { topic: name, partitions }])),
      routes: streams.map(({ name }) => ({ subjects: `${name}.>`, stream: name, by: { hash: 'java' } })),
      ...config,
    }
    const [a, b] = ports.map((port) => new GatewayProcess({ port, dir, config: whole }))
    const site = new SteadySite(opened, [a!, b!])
    try {
      await Promise.all(site.gateways.map((gateway) => site.begin(gateway)))
    } catch (error) {
      await site.close()
      throw error
    }
    return site
  }

  /** Starts a gateway, or starts it again. */
  async begin(gateway: GatewayProcess): Promise<void> {
    gateway.start()
    await gateway.becomesReady()
  }

  /** A flow of its own in this stream, with clients at its beginning; `fault` is its row's name. */
  async flow(stream: string, fault: string): Promise<SteadyFlow> {
    const root = `${stream}.${fault.replaceAll(' ', '-')}`
    const subjects = Array.from({ length: 6 * 8 }, (_, i) => `${root}.${i % 6}.${Math.floor(i / 6)}`)
    const clients = this.gateways.flatMap(({ url }) =>
      wishes(root).map(([transport, wish]) => new SteadyClient(transport, url, wish)),
    )
    const flow = new SteadyFlow(fault, clients, new SteadyPublisher(this.source, stream, subjects))
    try {
      await flow.start()
    } catch (error) {
      flow.close()
      throw error
    }
    return flow
  }

  async close(): Promise<void> {
    await Promise.all(this.gateways.map((gateway) => gateway.end()))
    await this.source.close()
  }
}

/** Fifteen clients: of each transport one of all subjects, one of some, one of a single subject, and three of several. */
function wishes(root: string): [Transport, string[]][] {
  const same = transports.flatMap((transport): [Transport, string[]][] => [
    [transport, [`${root}.>`]],
    [transport, [`${root}.1.*`]],
    [transport, [`${root}.2.3`]],
  ])
  const several = [`${root}.0.0`, `${root}.3.1`, `${root}.*.5`]
  return [...same, ['websocket protobuf', several], ['sse', several], ['poll', several]]
}

/** One flow and what became of it. */
export class SteadyFlow {
  readonly clients: readonly SteadyClient[]
  readonly publisher: SteadyPublisher
  readonly #fault: string
  #normalMs = 0
  #faultAtMs = 0

  constructor(fault: string, clients: readonly SteadyClient[], publisher: SteadyPublisher) {
    this.#fault = fault
    this.clients = clients
    this.publisher = publisher
  }

  async start(): Promise<void> {
    await Promise.all(this.clients.map(({ current }) => isLive(current)))
    await this.publisher.start()
    await until('events flow', patienceMs, () => this.clients.every(({ told }) => told.length > 0))
    const fromMs = performance.now()
    // What is measured is this stretch of time itself.
    await delay(normalMs)
    this.#normalMs = this.#silenceMs(fromMs, performance.now())
    this.#faultAtMs = performance.now()
  }

  /** The clients of one gateway. */
  on({ url }: GatewayProcess): SteadyClient[] {
    return this.clients.filter((client) => client.url === url)
  }

  /** Waits until everyone is served again as before the fault, and has been for a while from now on. */
  async recovered(): Promise<void> {
    const limitMs = Math.max(2 * this.#normalMs, settledMs / 2)
    await delay(settledMs)
    await until('each client is served again', 2 * patienceMs, async () => {
      await delay(100)
      const now = performance.now()
      return this.#silenceMs(now - settledMs, now) < limitMs
    })
  }

  /** Ends the flow, gives clients time for what is under way, and judges each. `moved`: whom new partitions may have cost something. */
  async end(moved: Moved = () => false): Promise<Damage> {
    await this.recovered()
    const overAtMs = performance.now()
    await this.publisher.stop()
    const { events } = this.publisher
    const byData = new Map(events.map((event) => [event.data, event]))
    let judged: Judgement[] = []
    const judge = () => {
      const written = this.#written(byData)
      judged = this.clients.map((client) => client.judge(byData, written, moved))
      return judged.every(({ lost }) => lost.length === 0)
    }
    for (const deadline = performance.now() + patienceMs; !judge() && performance.now() < deadline; ) await delay(200)
    const all = <T>(take: (judgement: Judgement) => readonly T[]) => judged.flatMap(take)
    return {
      fault: this.#fault,
      events: events.length,
      acknowledged: events.filter(({ fate }) => fate === 'acknowledged').length,
      outageMs: this.#silenceMs(this.#faultAtMs, overAtMs),
      normalMs: this.#normalMs,
      publisherMs: this.publisher.longestSilenceMs(this.#faultAtMs, overAtMs),
      lost: all(({ lost }) => lost),
      repeated: all(({ repeated }) => repeated),
      disordered: all(({ disordered }) => disordered),
      invented: all(({ invented }) => invented),
      gaps: all(({ gaps }) => gaps),
      problems: this.publisher.problems,
    }
  }

  close(): void {
    for (const client of this.clients) client.close()
  }

  #silenceMs(fromMs: number, toMs: number): number {
    return Math.max(...this.clients.map((client) => client.longestSilenceMs(fromMs, toMs)))
  }

  /** What is in the log for certain: acknowledged, or given to anyone. */
  #written(byData: ReadonlyMap<string, SteadyEvent>): SteadyEvent[] {
    for (const { told } of this.clients) {
      for (const each of told) {
        const event = 'subject' in each ? byData.get(each.data) : undefined
        if (event?.offset === -1) event.offset = (each as { offset: number }).offset
      }
    }
    return [...byData.values()].filter(({ offset }) => offset >= 0)
  }
}

/** One row a fault, as text. */
export function damageTable(rows: readonly Damage[]): string[] {
  const head = [
    'fault',
    'events',
    'not acknowledged',
    'outage s',
    'publisher s',
    'normal s',
    'lost',
    'repeated',
    'told',
  ]
  const cells = rows.map((row) => [
    row.fault,
    String(row.events),
    String(row.events - row.acknowledged),
    (row.outageMs / 1000).toFixed(1),
    (row.publisherMs / 1000).toFixed(1),
    (row.normalMs / 1000).toFixed(1),
    String(row.lost.length),
    String(row.repeated.length + row.disordered.length),
    told(row),
  ])
  return [`${steadyRate} events a second, two gateways, all clients together:`, ...table(head, cells).split('\n')]
}

function told({ gaps }: Damage): string {
  const reasons = [...new Set(gaps.map(({ reason }) => reason))]
  if (reasons.length === 0) return 'nothing'
  return reasons.map((reason) => `${reason} ×${gaps.filter((gap) => gap.reason === reason).length}`).join(', ')
}
