import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type KafkaCluster, kafkaAvailable, startKafka } from '../brokers/kafka.ts'
import { administer, createTopics } from '../brokers/kafka-admin.ts'
import { runKafkaTool } from '../brokers/kafka-java.ts'
import type { GatewayProcess } from '../support/gateway-process.ts'
import { until } from '../support/until.ts'
import { assertUntold, keptPromises, steadyFlow, whileAway } from './support/faults.ts'
import { type Damage, damageTable, type SteadyFlow, SteadySite } from './support/steady.ts'
import type { Moved } from './support/steady-judge.ts'

/** Three real brokers, each topic on all of them, two in sync at least: their faults as clients of two gateways see them. */

const skip = kafkaAvailable()
const patienceMs = 40_000
const basePort = 19_880
const nodes = [1, 2, 3]
const brokers = nodes.map((node) => `127.0.0.1:${basePort + node - 1}`)
const partitions = 6
const streams = ['steady', 'grown', 'again', 'kept'].map((name) => ({ name, partitions }))
/** How long a fault may silence clients, ms: brokers are given up after 3 s without a heartbeat, and a slow host takes its time with the election. */
const electionMs = 15_000
/** Longer than any election: who waited for the frozen broker shows. */
const frozenMs = 20_000

describe('faults of a Kafka cluster under a steady flow', skip === undefined ? {} : { skip }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'carillon-faults-'))
  const rows: Damage[] = []
  let cluster: KafkaCluster
  let site: SteadySite

  before(async () => {
    cluster = await startKafka({ nodes: nodes.length, basePort, dir })
    await create(streams.map(({ name }) => name))
    site = await SteadySite.start({
      broker: `kafka://${brokers.join(',')}`,
      streams,
      dir,
      ports: [19_900, 19_902],
      // The publisher should not be what clients wait for.
      source: { kafka: { publishAttemptMs: 1000, maxRetryMs: 100 } },
    })
  })

  after(async () => {
    await site?.close()
    await cluster?.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  /** Replicas are dealt so that each broker leads two partitions. */
  async function create(names: readonly string[]): Promise<void> {
    const topics = names.map((topic) => {
      const replicaAssignment = Array.from({ length: partitions }, (_, partition) => ({
        partition,
        replicas: nodes.map((_, i) => 1 + ((partition + i) % nodes.length)),
      }))
      const configEntries = [{ name: 'message.timestamp.type', value: 'LogAppendTime' }]
      return { topic, replicaAssignment, configEntries }
    })
    await createTopics(brokers, topics)
  }

  const described = (topic: string) =>
    administer(brokers, async (admin) => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]!.partitions)

  /** Every replica is in sync again: the next fault finds a whole cluster. */
  const inSync = () =>
    until('all replicas are in sync', patienceMs, async () => {
      for (const { name } of streams) {
        for (const { isr } of await described(name)) if (isr.length < nodes.length) return false
      }
      return true
    })

  const flow = (t: TestContext, stream: string, fault: string) => steadyFlow(t, site, stream, fault)

  async function judged(running: SteadyFlow, moved?: Moved): Promise<Damage> {
    const row = await keptPromises(running, moved)
    rows.push(row)
    return row
  }

  test('a leader that is killed and comes back costs clients an election', async (t) => {
    const running = await flow(t, 'steady', 'leader killed')
    await cluster.kill(1)
    await running.recovered()
    await cluster.restart(1)
    await inSync()
    const row = await judged(running)
    assertUntold(row, electionMs)
    assert.ok(row.outageMs > 1000, `${row.outageMs} ms: the fault was none`)
  })

  test('a broker that freezes does not freeze its readers', async (t) => {
    const running = await flow(t, 'steady', 'broker frozen 20 s')
    cluster.freeze(2)
    try {
      await Promise.all([running.recovered(), delay(frozenMs)])
    } finally {
      cluster.resume(2)
    }
    await inSync()
    const row = await judged(running)
    assertUntold(row, electionMs)
    assert.ok(row.outageMs > 1000, `${row.outageMs} ms: the fault was none`)
  })

  test('a rolling restart is hardly noticed', async (t) => {
    const running = await flow(t, 'steady', 'rolling restart')
    for (const node of nodes) {
      await cluster.shutDown(node)
      await cluster.restart(node)
      await inSync()
    }
    const row = await judged(running)
    assertUntold(row, electionMs)
  })

  test('leaders that are moved cost less than a second or two', async (t) => {
    const running = await flow(t, 'steady', 'leaders moved')
    const assignment = Array.from({ length: partitions }, (_, partition) => ({
      partition,
      replicas: nodes.map((_, i) => 1 + ((partition + i + 1) % nodes.length)),
    }))
    await administer(brokers, (admin) => {
      return admin.alterPartitionReassignments({ topics: [{ topic: 'steady', partitionAssignment: assignment }] })
    })
    await runKafkaTool('LeaderElectionCommand', [
      '--bootstrap-server',
      brokers[0]!,
      '--election-type',
      'PREFERRED',
      '--all-topic-partitions',
    ])
    await until('each partition is led by its first replica', patienceMs, async () => {
      return (await described('steady')).every(({ leader, partitionId }) => leader === 1 + ((partitionId + 1) % 3))
    })
    const row = await judged(running)
    assertUntold(row, 3000)
  })

  test('partitions that are added are told, and only subjects that moved can have missed something', async (t) => {
    const running = await flow(t, 'grown', 'partitions added')
    const { publisher } = running
    const more = 2 * partitions
    await administer(brokers, (admin) => admin.createPartitions({ topicPartitions: [{ topic: 'grown', count: more }] }))
    await until('everyone knows', patienceMs, async () => {
      return publisher.grownAtMs > 0 && (await Promise.all(site.gateways.map(knows))).every((count) => count === more)
    })
    const agreedMs = performance.now()
    const isMoved = (subject: string) => publisher.place(subject, partitions) !== publisher.place(subject, more)
    const row = await judged(running, ({ subject, atMs }) => isMoved(subject) && atMs < agreedMs)
    assert.ok(row.gaps.every(({ reason }) => reason === 'repartitioned'))
    for (const client of running.clients) {
      const moves = publisher.events.some(({ subject }) => client.follows(subject) && isMoved(subject))
      assert.equal(
        client.told.some((each) => 'reason' in each),
        moves,
        client.name,
      )
    }
  })

  const knows = async (gateway: GatewayProcess) => {
    const { streams } = (await gateway.admin('/v1/admin/status')).json
    return streams.find(({ name }: { name: string }) => name === 'grown').partitions.length
  }

  test('a topic that is deleted and created again is told, and read from its beginning', async (t) => {
    const running = await flow(t, 'again', 'topic re-created')
    await administer(brokers, (admin) => admin.deleteTopics({ topics: ['again'] }))
    await until('it can be created again', patienceMs, async () => {
      await create(['again'])
      return true
    })
    const row = await judged(running)
    assert.ok(row.gaps.every(({ reason }) => reason === 'recreated'))
    for (const client of running.clients) {
      assert.ok(
        client.told.some((each) => 'reason' in each),
        client.name,
      )
    }
  })

  test('a gateway that is killed loses nothing for clients that go on at the other', async (t) => {
    const running = await flow(t, 'steady', 'gateway killed')
    const [first, second] = site.gateways
    const orphans = running.on(first)
    await first.end('SIGKILL')
    for (const client of orphans) client.cut()
    for (const client of orphans) client.resume(second.url)
    await running.recovered()
    await site.begin(first)
    const row = await judged(running)
    assertUntold(row, electionMs)
  })

  test('a log start that moves past readers that resume is told, to the record', async (t) => {
    const running = await flow(t, 'kept', 'log start moved')
    const returned = await whileAway(site, running, async () => {
      const before = await heads('kept')
      await until('each partition has grown', patienceMs, async () => {
        return (await heads('kept')).every((head, partition) => head >= before[partition]! + 50)
      })
      const starts = (await heads('kept')).map((head, partition) => ({ partition, offset: String(head - 20) }))
      await administer(brokers, async (admin) => {
        // kafkajs looks for the leader only when it has been asked something.
        await admin.fetchTopicOffsets('kept')
        await admin.deleteTopicRecords({ topic: 'kept', partitions: starts })
      })
    })
    const row = await judged(running)
    await assertRetention(row, returned.length)
  })

  test('what retention deletes under a steady flow is told to those who come back too late', async (t) => {
    await alterTopic('kept', { 'segment.ms': '1000', 'retention.ms': '2000' })
    const running = await flow(t, 'kept', 'retention')
    const starts = await firsts('kept')
    const returned = await whileAway(site, running, async () => {
      await until('every log start has moved', patienceMs, async () => {
        return (await firsts('kept')).every((first, partition) => first > starts[partition]!)
      })
      await delay(3000)
    })
    const row = await judged(running)
    await assertRetention(row, returned.length)
  })

  test('with half a cluster down publishers are told, readers stay, and all comes back', async (t) => {
    const running = await flow(t, 'steady', 'two of three down')
    await cluster.kill(2)
    await cluster.kill(3)
    const refused = await until('a publisher is told', patienceMs, async () => {
      const answer = await site.gateways[0].publish({ subject: 'steady.other', text: 'x' })
      return answer.status !== 200 && answer
    })
    assert.equal(refused.json.error.code, 'broker_unavailable', refused.text)
    t.diagnostic(`a publisher is told: ${refused.json.error.message}`)
    assert.match(refused.json.error.message, /^the gateway cannot use its broker now/)
    const logged = /\/v1\/publish was refused: topic steady, partition \d+: .*\w{10}/
    await until('the log says why', patienceMs, () => logged.test(site.gateways[0].output))
    await Promise.all([cluster.restart(2), cluster.restart(3)])
    await inSync()
    const row = await judged(running)
    assert.deepEqual(row.gaps, [])
    for (const problem of row.problems.keys()) assert.match(problem, /^broker_unavailable: topic steady, partition/)
  })

  test('the table of all faults', (t) => {
    for (const line of damageTable(rows)) t.diagnostic(line)
    assert.ok(rows.length > 0)
  })

  /** By partition: the offsets between which a topic has records. */
  const bounds = (topic: string) =>
    administer(brokers, async (admin) => {
      const offsets = await admin.fetchTopicOffsets(topic)
      return offsets.toSorted((a, b) => a.partition - b.partition)
    })
  const firsts = async (topic: string) => (await bounds(topic)).map(({ low }) => Number(low))
  const heads = async (topic: string) => (await bounds(topic)).map(({ high }) => Number(high))

  async function alterTopic(name: string, config: Record<string, string>): Promise<void> {
    const configEntries = Object.entries(config).map(([key, value]) => ({ name: key, value }))
    await administer(brokers, (admin) =>
      admin.alterConfigs({ validateOnly: false, resources: [{ type: 2, name, configEntries }] }),
    )
  }

  /** The gaps say retention, and nothing that the log still has. */
  async function assertRetention(row: Damage, clients: number): Promise<void> {
    const starts = await firsts('kept')
    assert.ok(row.gaps.length >= clients, `${row.gaps.length} gaps for ${clients} clients`)
    for (const gap of row.gaps) {
      assert.equal(gap.reason, 'retention')
      assert.ok(gap.to! < starts[gap.partition]!, `${JSON.stringify(gap)}, but the log starts at ${starts}`)
    }
  }
})
