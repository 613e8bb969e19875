import { join } from 'node:path'
import { kafkaAvailable, startKafka } from './kafka.ts'
import { natsAvailable, startNats } from './nats.ts'

export type RealBroker = 'kafka' | 'nats'

/** Above the first port; gateways and other servers have the ports below. */
const offsets = { nats: 70, kafka: 80 } as const

interface Running {
  readonly url: string
  readonly stop: () => Promise<void>
}

/** Real brokers of a measurement, one of each, started when they are first needed. */
export class Brokers {
  readonly #firstPort: number
  readonly #dir: string
  readonly #running = new Map<RealBroker, Promise<Running>>()

  /** `firstPort`: a hundred ports from there on are its owner's. `dir`: where the brokers' files go. */
  constructor(firstPort: number, dir: string) {
    this.#firstPort = firstPort
    this.#dir = dir
  }

  /** Why there is no such broker; undefined when there is. */
  lacks(kind: RealBroker): string | undefined {
    return kind === 'kafka' ? kafkaAvailable() : natsAvailable()
  }

  async url(kind: RealBroker): Promise<string> {
    const running = this.#running.get(kind) ?? this.#start(kind)
    this.#running.set(kind, running)
    return (await running).url
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running.values()].map(async (running) => (await running).stop()))
  }

  async #start(kind: RealBroker): Promise<Running> {
    const port = this.#firstPort + offsets[kind]
    const dir = join(this.#dir, kind)
    if (kind === 'nats') {
      const server = await startNats({ port, dir })
      return { url: `nats://${server.address}`, stop: () => server.kill() }
    }
    const { brokers, stop } = await startKafka({ nodes: 1, basePort: port, dir })
    return { url: `kafka://${brokers.join(',')}`, stop }
  }
}
