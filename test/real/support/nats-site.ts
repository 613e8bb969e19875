import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { RoutingTable } from '../../../src/routing/table.ts'
import { openNats } from '../../../src/source/jetstream/source.ts'
import { type NatsServer, startNats } from '../../brokers/nats.ts'
import { GatewayProcess } from '../../support/gateway-process.ts'
import type { Site } from './gateway-facts.ts'
import type { SiteStream } from './kafka-site.ts'
import { type Events, envelope, type Written } from './publish.ts'

/** One real nats-server with a publisher, and gateways on it; all end with the test file. */
export class NatsSite implements Site {
  readonly server: NatsServer
  readonly publisher: NatsPublisher
  readonly dir: string
  readonly #streams: readonly SiteStream[]
  readonly #gateways: GatewayProcess[] = []

  private constructor(server: NatsServer, dir: string, streams: readonly SiteStream[]) {
    this.server = server
    this.dir = dir
    this.#streams = streams
    this.publisher = new NatsPublisher(server.address, streams)
  }

  static async start(port: number, streams: readonly SiteStream[], config = ''): Promise<NatsSite> {
    const dir = mkdtempSync(join(tmpdir(), 'carillon-nats-site-'))
    const server = await startNats({ port, dir: join(dir, 'server'), config })
    const site = new NatsSite(server, dir, streams)
    const source = await openNats({ servers: [server.address] }, { log: () => {} })
    for (const { name, partitions } of streams) await source.create(name, partitions)
    await source.close()
    return site
  }

  get url(): string {
    return `nats://${this.server.address}`
  }

  config(names: readonly string[] = this.#streams.map(({ name }) => name)): Record<string, unknown> {
    const streams = this.#streams.filter(({ name }) => names.includes(name))
    return {
      broker: this.url,
      streams: Object.fromEntries(streams.map(({ name, partitions }) => [name, { topic: name, partitions }])),
      routes: streams.map(({ name }) => ({ subjects: `${name}.>`, stream: name, by: { hash: 'nats' } })),
    }
  }

  async gateway(port: number, config: Record<string, unknown> = this.config()): Promise<GatewayProcess> {
    const gateway = this.startGateway(port, config)
    await gateway.becomesReady()
    return gateway
  }

  startGateway(port: number, config: Record<string, unknown>): GatewayProcess {
    const gateway = new GatewayProcess({ port, dir: this.dir, config })
    this.#gateways.push(gateway)
    gateway.start()
    return gateway
  }

  async close(): Promise<void> {
    await Promise.all(this.#gateways.map((gateway) => gateway.end()))
    await this.publisher.close()
    await this.server.kill()
    rmSync(this.dir, { recursive: true, force: true })
  }
}

/** A publisher outside of Carillon: requests to a subject of the stream, which JetStream acknowledges. */
class NatsPublisher {
  readonly #address: string
  readonly #partitions: ReadonlyMap<string, number>
  #connection: NatsConnection | undefined

  constructor(address: string, streams: readonly SiteStream[]) {
    this.#address = address
    this.#partitions = new Map(streams.map(({ name, partitions }) => [name, partitions]))
  }

  async events(stream: string, events: Events): Promise<Written[]> {
    const connection = await this.#connected()
    const written: Written[] = []
    for (const [subject, data] of events) {
      const partition = this.partitionOf(stream, subject)
      const ack = await connection.request(`${stream}.${partition}.${subject}`, envelope(subject, data))
      written.push({ subject, data, partition, offset: ack.json<{ seq: number }>().seq })
    }
    return written
  }

  /** Where the site's routes put the subject. */
  partitionOf(stream: string, subject: string): number {
    const routes = new RoutingTable([{ subjects: `${stream}.>`, stream, by: { hash: 'nats' } }])
    return routes.place(subject, () => this.#partitions.get(stream)!).partition!
  }

  async close(): Promise<void> {
    await this.#connection?.close()
  }

  async #connected(): Promise<NatsConnection> {
    if (this.#connection?.isClosed() !== false) {
      this.#connection = await connect({ servers: this.#address, reconnect: false })
    }
    return this.#connection
  }
}
