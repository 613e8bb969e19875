import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type KafkaCluster, startKafka } from '../../brokers/kafka.ts'
import { administer, createTopics, kafkaClient } from '../../brokers/kafka-admin.ts'
import { GatewayProcess, patienceMs } from '../../support/gateway-process.ts'
import { until } from '../../support/until.ts'
import { KafkaPublisher } from './publish.ts'

/** A stream of its own for the subjects below `NAME.`, in a topic of that name. */
export interface SiteStream {
  readonly name: string
  readonly partitions: number
  /** The topic is not created. */
  readonly missing?: boolean
}

/** One real Kafka with a publisher, and gateways on it; all end with the test file. */
export class KafkaSite {
  readonly cluster: KafkaCluster
  readonly publisher: KafkaPublisher
  readonly dir: string
  readonly #streams: readonly SiteStream[]
  readonly #gateways: GatewayProcess[] = []

  private constructor(cluster: KafkaCluster, dir: string, streams: readonly SiteStream[]) {
    this.cluster = cluster
    this.dir = dir
    this.#streams = streams
    this.publisher = new KafkaPublisher(kafkaClient(cluster.brokers))
  }

  static async start(basePort: number, streams: readonly SiteStream[]): Promise<KafkaSite> {
    const dir = mkdtempSync(join(tmpdir(), 'carillon-site-'))
    const cluster = await startKafka({ nodes: 1, basePort, dir }).catch((error) => {
      rmSync(dir, { recursive: true, force: true })
      throw error
    })
    const site = new KafkaSite(cluster, dir, streams)
    try {
      await site.createTopics(streams.filter(({ missing }) => missing !== true))
    } catch (error) {
      await site.close()
      throw error
    }
    return site
  }

  get broker(): string {
    return this.cluster.brokers[0]!
  }

  get url(): string {
    return `kafka://${this.broker}`
  }

  async createTopics(streams: readonly SiteStream[]): Promise<void> {
    const configEntries = [{ name: 'message.timestamp.type', value: 'LogAppendTime' }]
    const topics = streams.map(({ name, partitions }) => ({ topic: name, numPartitions: partitions, configEntries }))
    await createTopics(this.cluster.brokers, topics)
  }

  /** The configuration of a gateway of these streams, all of the site's when none are named. */
  config(names: readonly string[] = this.#streams.map(({ name }) => name)): Record<string, unknown> {
    const streams = this.#streams.filter(({ name }) => names.includes(name))
    return {
      broker: this.url,
      streams: Object.fromEntries(streams.map(({ name, partitions }) => [name, { topic: name, partitions }])),
      routes: streams.map(({ name }) => ({ subjects: `${name}.>`, stream: name, by: { hash: 'java' } })),
    }
  }

  /** A gateway process, ready. */
  async gateway(port: number, config: Record<string, unknown> = this.config()): Promise<GatewayProcess> {
    const gateway = this.gatewayAt(port, config)
    gateway.start()
    try {
      await gateway.becomesReady()
    } catch (error) {
      await gateway.end()
      throw error
    }
    return gateway
  }

  /** A gateway process that is not started yet. */
  gatewayAt(port: number, config: Record<string, unknown> = this.config()): GatewayProcess {
    const gateway = new GatewayProcess({ port, dir: this.dir, config })
    this.#gateways.push(gateway)
    return gateway
  }

  /** Deletes a topic and creates it anew, with another id. */
  async recreate({ name, partitions }: SiteStream): Promise<void> {
    await administer(this.cluster.brokers, (admin) => admin.deleteTopics({ topics: [name] }))
    await until(`${name} can be created again`, patienceMs, async () => {
      await this.createTopics([{ name, partitions }])
      return true
    })
  }

  /** Runs something while the broker is down: killed before, started again on its data afterwards. */
  async withoutBroker(run: () => Promise<void>): Promise<void> {
    await this.cluster.kill(1)
    try {
      await run()
    } finally {
      await this.cluster.restart(1)
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#gateways.map((gateway) => gateway.end()))
    await this.publisher.close()
    await this.cluster.stop()
    rmSync(this.dir, { recursive: true, force: true })
  }
}
