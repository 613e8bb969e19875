import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { guardFolder, unguardFolder } from '../../src/bench/process/guarded.ts'
import { listenerPid } from '../../src/bench/process/host.ts'
import { kafkaAvailable, startKafka } from '../brokers/kafka.ts'
import { natsAvailable, startNats } from '../brokers/nats.ts'

export type BrokerKind = 'kafka' | 'nats'

interface Broker {
  readonly url: string
  readonly stop: () => Promise<void>
}

const kafkaOffset = 80
const natsOffset = 70
export const topic = 'carillon-bench'
export const partitions = 4

/** Where peers are measured: ports, a folder, and brokers that are started when they are first needed. */
export class PeerSite {
  /** Removed at the end. */
  readonly dir = mkdtempSync(join(tmpdir(), 'carillon-peers-'))
  readonly #firstPort: number
  readonly #brokers = new Map<BrokerKind, Promise<Broker>>()
  #ports = 0

  /** `firstPort`: a hundred ports from there on are the site's. */
  constructor(firstPort: number) {
    this.#firstPort = firstPort
    guardFolder(this.dir)
  }

  /** Why there is no such broker; undefined when there is. */
  lacks(kind: BrokerKind): string | undefined {
    return kind === 'kafka' ? kafkaAvailable() : natsAvailable()
  }

  /** Two in a row, another's TIME_WAIT not in their way. */
  ports(): number {
    return this.#firstPort + 2 * (this.#ports++ % 30)
  }

  /** The broker's URL. */
  async broker(kind: BrokerKind): Promise<string> {
    const broker = this.#brokers.get(kind) ?? this.#start(kind)
    this.#brokers.set(kind, broker)
    return (await broker).url
  }

  async close(): Promise<void> {
    await Promise.all([...this.#brokers.values()].map(async (broker) => (await broker).stop()))
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 })
    unguardFolder(this.dir)
  }

  #start(kind: BrokerKind): Promise<Broker> {
    return kind === 'kafka' ? this.#kafka() : this.#nats()
  }

  async #kafka(): Promise<Broker> {
    const basePort = this.#firstPort + kafkaOffset
    const { brokers, stop } = await startKafka({ nodes: 1, basePort, dir: join(this.dir, 'kafka') })
    return { url: `kafka://${brokers.join(',')}`, stop }
  }

  async #nats(): Promise<Broker> {
    const server = await startNats({ port: this.#firstPort + natsOffset, dir: join(this.dir, 'nats') })
    return { url: `nats://${server.address}`, stop: () => server.kill() }
  }
}

/** The same for all who publish through a broker. */
export const brokerWay = (url: string, named = topic) => ({
  url,
  options: {},
  routes: [{ subjects: '>', stream: 'events', by: { hash: 'java' as const } }],
  streams: { events: { topic: named, partitions } },
  create: true,
})

/** The process of a broker on the loopback. */
export function brokerPids(url: string): number[] {
  const pid = listenerPid(Number(url.slice(url.lastIndexOf(':') + 1)))
  return pid === undefined ? [] : [pid]
}
