import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { kafkaAvailable, startKafka } from '../../test/brokers/kafka.ts'
import { Gateway } from './gateway.ts'

/** Ports from here on, 100 of them: gateways below, Kafka above. */
const firstPort = 19_700
const kafkaPort = 19_780
const portsPerGateway = 3
const maxGateways = 20

export const brokerKinds = ['embedded', 'kafka'] as const
export type BrokerKind = (typeof brokerKinds)[number]

/** Where measurements take place: brokers that are started once, and a fresh gateway for each run. */
export class Site {
  /** For `--cpu-prof`; undefined = no profiles. */
  readonly #profileDir: string | undefined
  readonly #dir = mkdtempSync(join(tmpdir(), 'carillon-figures-kafka-'))
  #kafka: { readonly url: string; readonly stop: () => Promise<void> } | undefined
  #gateways = 0
  readonly #remove = (): void => rmSync(this.#dir, { recursive: true, force: true, maxRetries: 5 })

  constructor(profileDir: string | undefined) {
    this.#profileDir = profileDir
    process.once('exit', this.#remove)
  }

  /** Why there is no such broker; undefined when there is. */
  lacks(kind: BrokerKind): string | undefined {
    return kind === 'kafka' ? kafkaAvailable() : undefined
  }

  /** Each gateway has a topic of its own; the embedded log is the gateway's own as well. */
  async gateway(kind: BrokerKind, name: string, inspected = false): Promise<Gateway> {
    const port = this.port()
    const profiled =
      this.#profileDir === undefined
        ? []
        : ['--cpu-prof', `--cpu-prof-dir=${this.#profileDir}`, `--cpu-prof-name=${name}.cpuprofile`]
    return Gateway.ready({
      port,
      broker: kind === 'kafka' ? await this.#kafkaUrl() : 'embedded',
      topic: `figures-${this.#gateways}`,
      nodeOptions: inspected ? [...profiled, `--inspect=127.0.0.1:${port + 2}`] : profiled,
    })
  }

  /** Ports of a gateway that will be started next; another's TIME_WAIT is not in its way. */
  port(): number {
    return firstPort + portsPerGateway * (this.#gateways++ % maxGateways)
  }

  async close(): Promise<void> {
    await this.#kafka?.stop()
    process.off('exit', this.#remove)
    this.#remove()
  }

  async #kafkaUrl(): Promise<string> {
    if (this.#kafka === undefined) {
      const cluster = await startKafka({ nodes: 1, basePort: kafkaPort, dir: this.#dir })
      this.#kafka = { url: `kafka://${cluster.brokers.join(',')}`, stop: cluster.stop }
    }
    return this.#kafka.url
  }
}
