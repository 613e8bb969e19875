import { type KafkaCluster, startKafka } from '../brokers/kafka.ts'
import { administer, createTopics } from '../brokers/kafka-admin.ts'
import { runKafkaTool } from '../brokers/kafka-java.ts'
import { until } from '../support/until.ts'
import { stream } from './profiles.ts'

const nodes = [1, 2, 3]
const firstPartitions = 9
const patienceMs = 60_000

/** Three brokers with one topic on all of them, two in sync at least. */
export class KafkaBrokers {
  readonly kind = 'kafka'
  partitions = firstPartitions
  readonly #cluster: KafkaCluster
  /** Nodes that answer nothing at the moment: nobody should be asked there. */
  readonly #away = new Set<number>()
  /** By how many places the replicas of each partition are turned. */
  #turn = 0

  private constructor(cluster: KafkaCluster) {
    this.#cluster = cluster
  }

  static async start(basePort: number, dir: string): Promise<KafkaBrokers> {
    const properties = { 'replica.lag.time.max.ms': '3000' }
    const brokers = new KafkaBrokers(await startKafka({ nodes: nodes.length, basePort, dir, properties }))
    const replicaAssignment = brokers.#assignment()
    const configEntries = [{ name: 'message.timestamp.type', value: 'LogAppendTime' }]
    await createTopics(brokers.#cluster.brokers, [{ topic: stream, replicaAssignment, configEntries }])
    return brokers
  }

  get url(): string {
    return `kafka://${this.#cluster.brokers.join(',')}`
  }

  get nodes(): readonly number[] {
    return nodes
  }

  async kill(node: number): Promise<void> {
    this.#away.add(node)
    await this.#cluster.kill(node)
  }

  async shutDown(node: number): Promise<void> {
    this.#away.add(node)
    await this.#cluster.shutDown(node)
  }

  async restart(node: number): Promise<void> {
    await this.#cluster.restart(node)
    this.#away.delete(node)
  }

  freeze(node: number): void {
    this.#away.add(node)
    this.#cluster.freeze(node)
  }

  resume(node: number): void {
    this.#cluster.resume(node)
    this.#away.delete(node)
  }

  /** Nodes in sync of each partition. */
  async inSync(): Promise<number[]> {
    const described = await administer(this.#asked, (admin) => admin.fetchTopicMetadata({ topics: [stream] }))
    return described.topics[0]!.partitions.map(({ isr }) => isr.length)
  }

  async isWhole(): Promise<boolean> {
    return (await this.inSync()).every((count) => count === nodes.length)
  }

  /** Each partition's leader becomes the next one of its replicas. */
  async moveLeaders(): Promise<void> {
    this.#turn++
    const partitionAssignment = this.#assignment()
    await administer(this.#asked, (admin) => {
      return admin.alterPartitionReassignments({ topics: [{ topic: stream, partitionAssignment }] })
    })
    const [server] = this.#asked
    const what = ['--election-type', 'PREFERRED', '--all-topic-partitions']
    await runKafkaTool('LeaderElectionCommand', ['--bootstrap-server', server!, ...what])
  }

  async grow(by: number): Promise<void> {
    const count = this.partitions + by
    await administer(this.#asked, (admin) => {
      return admin.createPartitions({ topicPartitions: [{ topic: stream, count }] })
    })
    this.partitions = count
  }

  async becomesWhole(): Promise<void> {
    await until('all replicas are in sync', patienceMs, () => this.isWhole())
  }

  close(): Promise<void> {
    return this.#cluster.stop()
  }

  get #asked(): string[] {
    return this.#cluster.brokers.filter((_, i) => !this.#away.has(i + 1))
  }

  /** Dealt so that each broker leads a third. */
  #assignment(): { partition: number; replicas: number[] }[] {
    return Array.from({ length: this.partitions }, (_, partition) => {
      return { partition, replicas: nodes.map((_, i) => 1 + ((partition + i + this.#turn) % nodes.length)) }
    })
  }
}
