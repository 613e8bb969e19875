import { rmSync } from 'node:fs'
import type { Endpoint } from '../load/socket.ts'
import type { Target } from '../load/target.ts'
import { freePorts } from '../process/free-port.ts'
import { unguardFolder } from '../process/guarded.ts'
import { listenerPid } from '../process/host.ts'
import { type Metrics, scrape } from '../process/metrics.ts'
import { type BrokerWayTarget, openBroker } from './broker-way.ts'
import { type Certificate, makeCertificate } from './certificate.ts'
import { Gateway } from './gateway.ts'
import type { GatewayWayTarget } from './gateway-way.ts'

/** Where the gateways that are started here listen: below the ports that clients' own ends take. */
const firstPort = 21_700
/** Clients, and the admin listener. */
const portsPerGateway = 2

export interface CarillonTargetOptions {
  readonly version: string
  readonly transport: 'ws' | 'sse' | 'poll'
  readonly codec: 'json' | 'protobuf'
  readonly tls: boolean
  /** Gateways that run already; none = start `gateways` of them. */
  readonly running: readonly Endpoint[]
  /** Base URLs of running gateways' admin listeners. */
  readonly admins: readonly string[]
  readonly gateways: number
  readonly firstPort?: number
  /** How to publish; undefined = through the first gateway, as with an embedded log. */
  readonly broker: BrokerWayTarget | undefined
  /** Options of gateways that are started, beside listeners and TLS. */
  readonly gatewayOptions: Readonly<Record<string, unknown>>
}

/** Gateways of Carillon: started for the run, or running already. */
export class CarillonTarget implements Target {
  readonly #options: CarillonTargetOptions
  readonly #started: Gateway[] = []
  #certificate: Certificate | undefined
  /** A gateway that is meant to be down. */
  #crashing: Gateway | undefined
  #endpoints: readonly Endpoint[]
  #admins: readonly string[]

  constructor(options: CarillonTargetOptions) {
    this.#options = options
    this.#endpoints = options.running
    this.#admins = options.admins
  }

  get name(): string {
    return `Carillon ${this.#options.version}`
  }

  get settings(): Readonly<Record<string, unknown>> {
    const { transport, codec, tls, running, broker, gatewayOptions } = this.#options
    const gateways = running.length > 0 ? running.map(({ host, port }) => `${host}:${port}`) : this.#options.gateways
    return { gateways, transport, codec, tls, broker: broker?.url ?? 'embedded', ...gatewayOptions }
  }

  get clients(): Target['clients'] {
    const { transport, codec } = this.#options
    return { file: new URL('clients.ts', import.meta.url), conversation: `${transport}-${codec}` }
  }

  get publisher(): Target['publisher'] {
    const file = new URL('publisher.ts', import.meta.url)
    const { broker } = this.#options
    if (broker !== undefined) return { file, way: 'broker', settings: broker }
    return { file, way: 'gateway', settings: { endpoint: this.#endpoints[0]! } satisfies GatewayWayTarget }
  }

  get endpoints(): readonly Endpoint[] {
    return this.#endpoints
  }

  pids(): { server: readonly number[]; broker: readonly number[] } {
    return { server: this.#started.filter((gateway) => !gateway.ended).map(({ pid }) => pid), broker: this.#brokerPids }
  }

  async start(): Promise<void> {
    const { running, gateways, tls, broker } = this.#options
    if (broker !== undefined) {
      // Before gateways wait for it in vain.
      await (await openBroker(broker)).source.close()
      this.#brokerPids = localListeners(broker.url)
    }
    if (running.length > 0) return
    if (tls) this.#certificate = await makeCertificate()
    let port = this.#options.firstPort ?? firstPort
    for (let i = 0; i < gateways; i++, port += portsPerGateway) {
      port = await freePorts(port, portsPerGateway)
      this.#started.push(await this.#startOne(port))
    }
    this.#endpoints = this.#started.map((gateway) => ({ host: '127.0.0.1', port: gateway.port, tls }))
    this.#admins = this.#started.map((gateway) => gateway.admin)
  }

  async stop(): Promise<void> {
    await Promise.all(this.#started.map((gateway) => gateway.end()))
    const { folder } = this.#certificate ?? {}
    if (folder === undefined) return
    rmSync(folder, { recursive: true, force: true })
    unguardFolder(folder)
  }

  problem(): string | undefined {
    const gone = this.#started.find((gateway) => gateway.ended && gateway !== this.#crashing)
    return gone === undefined ? undefined : `the gateway on port ${gone.port} ended; it wrote: ${gone.output.trim()}`
  }

  metrics(): Promise<readonly (Metrics | undefined)[]> {
    return Promise.all(this.#admins.map((admin) => scrape(admin).catch(() => undefined)))
  }

  /** The last one: the publisher may use the first. */
  get crash(): (() => Promise<void>) | undefined {
    const gateway = this.#started.at(-1)
    if (gateway === undefined) return undefined
    return async () => {
      this.#crashing = gateway
      await gateway.crash()
      if (this.#started.length > 1) return
      await gateway.again()
      this.#crashing = undefined
    }
  }

  #brokerPids: readonly number[] = []

  #startOne(port: number): Promise<Gateway> {
    const { broker, gatewayOptions } = this.#options
    const { certFile, keyFile } = this.#certificate ?? {}
    const tls = certFile === undefined ? {} : { tlsCert: certFile, tlsKey: keyFile }
    return Gateway.ready({
      port,
      broker: broker?.url ?? 'embedded',
      topic: 'carillon-bench',
      // Ctrl-C is for this process, which ends the gateways when it has their figures.
      detached: true,
      more: { ...gatewayOptions, ...tls },
    })
  }
}

/** Who listens on the loopback ports of a broker's URL. */
function localListeners(url: string): number[] {
  const hosts = url.slice(url.indexOf('://') + 3).split(',')
  const local = hosts.map((host) => /^(?:localhost|127\.[\d.]+|\[::1\])(?::(\d+))?$/.exec(host))
  const fallback = url.startsWith('kafka') ? 9092 : 4222
  const pids = local.filter((match) => match !== null).map((match) => listenerPid(Number(match[1] ?? fallback)))
  return [...new Set(pids.filter((pid) => pid !== undefined))]
}
