import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Gateway, type GatewayConfig } from '../../src/bench/carillon/gateway.ts'
import { Brokers } from '../brokers/brokers.ts'

/** Ports of a site: gateways from the first on, brokers above. */
const figuresPort = 19_700
const portsPerGateway = 3
const maxGateways = 20

export const brokerKinds = ['embedded', 'kafka', 'nats'] as const
export type BrokerKind = (typeof brokerKinds)[number]

interface GatewayStart {
  /** Its inspector listens. */
  readonly inspected?: boolean
  readonly config?: Partial<GatewayConfig>
  /** In a process group of its own. */
  readonly detached?: boolean
}

/** Where measurements take place: brokers that are started once, and a fresh gateway for each run. */
export class Site {
  /** For `--cpu-prof`; undefined = no profiles. */
  readonly #profileDir: string | undefined
  readonly #dir = mkdtempSync(join(tmpdir(), 'carillon-figures-broker-'))
  readonly #brokers: Brokers
  readonly #firstPort: number
  #gateways = 0
  readonly #remove = (): void => rmSync(this.#dir, { recursive: true, force: true, maxRetries: 5 })

  /** `firstPort`: 100 ports from there on are its own. */
  constructor(profileDir: string | undefined, firstPort = figuresPort) {
    this.#profileDir = profileDir
    this.#firstPort = firstPort
    this.#brokers = new Brokers(firstPort, this.#dir)
    process.once('exit', this.#remove)
  }

  /** Why there is no such broker; undefined when there is. */
  lacks(kind: BrokerKind): string | undefined {
    return kind === 'embedded' ? undefined : this.#brokers.lacks(kind)
  }

  /** Each gateway has a topic of its own; the embedded log is the gateway's own as well. */
  async gateway(
    kind: BrokerKind,
    name: string,
    { inspected = false, config = {}, detached = false }: GatewayStart = {},
  ): Promise<Gateway> {
    const port = this.port()
    const profiled =
      this.#profileDir === undefined
        ? []
        : ['--cpu-prof', `--cpu-prof-dir=${this.#profileDir}`, `--cpu-prof-name=${name}.cpuprofile`]
    return Gateway.ready({
      port,
      broker: kind === 'embedded' ? kind : await this.#brokers.url(kind),
      topic: `figures-${this.#gateways}`,
      nodeOptions: inspected ? [...profiled, `--inspect=127.0.0.1:${port + 2}`] : profiled,
      config,
      detached,
    })
  }

  /** Ports of a gateway that will be started next; another's TIME_WAIT is not in its way. */
  port(): number {
    return this.#firstPort + portsPerGateway * (this.#gateways++ % maxGateways)
  }

  async close(): Promise<void> {
    await this.#brokers.close()
    process.off('exit', this.#remove)
    this.#remove()
  }
}
