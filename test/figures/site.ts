import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Gateway, type GatewayConfig } from '../../src/bench/carillon/gateway.ts'
import { Brokers } from '../brokers/brokers.ts'

/** First port of a site: gateways use ports from here, brokers use higher ones. */
const figuresPort = 19_700
const portsPerGateway = 3
const maxGateways = 20

export const brokerKinds = ['embedded', 'kafka', 'nats'] as const
export type BrokerKind = (typeof brokerKinds)[number]

interface GatewayStart {
  /** true = the gateway's inspector listens. */
  readonly inspected?: boolean
  readonly config?: Partial<GatewayConfig>
  /** true = run in a separate process group. */
  readonly detached?: boolean
}

/** The environment of measurements: brokers that start once, and a new gateway for each run. */
export class Site {
  /** Folder for `--cpu-prof`; undefined = no profiles. */
  readonly #profileDir: string | undefined
  readonly #dir = mkdtempSync(join(tmpdir(), 'carillon-figures-broker-'))
  readonly #brokers: Brokers
  readonly #firstPort: number
  #gateways = 0
  readonly #remove = (): void => rmSync(this.#dir, { recursive: true, force: true, maxRetries: 5 })

  /** `firstPort` is the first of 100 ports that the site uses. */
  constructor(profileDir: string | undefined, firstPort = figuresPort) {
    this.#profileDir = profileDir
    this.#firstPort = firstPort
    this.#brokers = new Brokers(firstPort, this.#dir)
    process.once('exit', this.#remove)
  }

  /** Returns why the broker is not available; undefined = it is. */
  lacks(kind: BrokerKind): string | undefined {
    return kind === 'embedded' ? undefined : this.#brokers.lacks(kind)
  }

  /** Starts a gateway with its own topic, or its own embedded log. */
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

  /**
   * Returns the port of the next gateway. Each has new ports, so a former gateway's TIME_WAIT
   * does not block it.
   */
  port(): number {
    return this.#firstPort + portsPerGateway * (this.#gateways++ % maxGateways)
  }

  async close(): Promise<void> {
    await this.#brokers.close()
    process.off('exit', this.#remove)
    this.#remove()
  }
}
