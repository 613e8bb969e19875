import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { decodeToken, encodePosition, logOf } from '../../src/wire/token.ts'
import { kafkaAvailable } from '../brokers/kafka.ts'
import { administer } from '../brokers/kafka-admin.ts'
import { type GatewayProcess, patienceMs } from '../support/gateway-process.ts'
import { until } from '../support/until.ts'
import { type Client, closeAll, connect, connectAll, haveEvents, transports } from './support/clients.ts'
import { KafkaSite } from './support/kafka-site.ts'
import type { Written } from './support/publish.ts'
import { byPartition, isPast } from './support/story.ts'

/** What a real Kafka loses, or never had: every transport is told by a gap with exact bounds, live and on coming back. */

const skip = kafkaAvailable()
const basePort = 19_640
const again = { name: 'again', partitions: 2 }
const streams = [
  again,
  { name: 'kept', partitions: 1 },
  { name: 'damaged', partitions: 1 },
  { name: 'place', partitions: 1 },
  { name: 'epochs', partitions: 1 },
]

describe('what a real Kafka no longer has is told', skip === undefined ? {} : { skip }, () => {
  let site: KafkaSite
  let gateway: GatewayProcess

  before(async () => {
    site = await KafkaSite.start(basePort, streams)
    gateway = await site.gateway(basePort + 2)
  })

  after(() => site?.close())

  const publish = (topic: string, ...data: string[]) =>
    site.publisher.events(
      topic,
      data.map((each) => [`${topic}.door`, each] as const),
    )

  /** A gateway that starts now, with nothing in its windows. */
  async function freshGateway(t: TestContext, stream: string): Promise<GatewayProcess> {
    const fresh = await site.gateway(basePort + 4, site.config([stream]))
    t.after(() => fresh.end())
    return fresh
  }

  /** Clients at the head, one a transport. */
  async function watching(t: TestContext, subject: string): Promise<Client[]> {
    const clients = await connectAll(gateway.url, [subject])
    t.after(() => closeAll(clients))
    return clients
  }

  function resuming(t: TestContext, at: GatewayProcess, subject: string, after: string | readonly string[]): Client[] {
    const token = (i: number) => (typeof after === 'string' ? after : after[i])
    const clients = transports.map((transport, i) => connect(transport, at.url, [subject], token(i)))
    t.after(() => closeAll(clients))
    return clients
  }

  /** Tokens behind all of these events. */
  async function tokensPast(clients: readonly Client[], written: readonly Written[]): Promise<string[]> {
    await haveEvents(clients, written.length)
    await until('all tokens are past them', patienceMs, () => clients.every(({ token }) => isPast(token, written)))
    return clients.map(({ token }) => token)
  }

  /** Each is told exactly this, partition by partition. */
  async function areTold(clients: readonly Client[], tale: Record<number, string[]>): Promise<void> {
    const length = (each: Record<number, string[]>) => Object.values(each).flat().length
    for (const { transport, story, errors, ends } of clients) {
      await until(`the ${transport} client is told all`, patienceMs, () => {
        if (length(story.tale) >= length(tale)) return true
        throw new Error(JSON.stringify([story.tale, errors, ends]))
      })
      assert.deepEqual(story.tale, tale, transport)
    }
  }

  /**
   * The gateway's clock stops while Kafka's log changes: it goes on from an offset that is gone. The fetch that waits at the
   * broker is ended: on a busy host its answer could have all that is published meanwhile, and nothing would be lost.
   */
  async function whileFrozen(run: () => Promise<void>): Promise<void> {
    gateway.signal('SIGSTOP')
    try {
      await site.withoutBroker(async () => {})
      await run()
    } finally {
      gateway.signal('SIGCONT')
    }
  }

  test('retention that passes a position: live, and for who resumes where no window has it', async (t) => {
    const clients = await watching(t, 'kept.door')
    const before = await publish('kept', 'a', 'b', 'c')
    const tokens = await tokensPast(clients, before)
    const inWindow = await publish('kept', 'd', 'e')
    await haveEvents(clients, 5)
    let missed: Written[] = []
    await whileFrozen(async () => {
      missed = await publish('kept', 'f', 'g', 'h', 'i')
      await deleteBelow('kept', 7)
    })
    const left = missed.slice(2)
    const last = await publish('kept', 'j')
    const rest = ['5-6 retention', ...texts([...left, ...last])]
    const given = texts(inWindow)
    await areTold(clients, { 0: [...texts(before), ...given, ...rest] })
    // What the window still has is given, whatever Kafka keeps.
    await areTold(resuming(t, gateway, 'kept.door', tokens), { 0: [...given, ...rest] })
    const fresh = resuming(t, await freshGateway(t, 'kept'), 'kept.door', tokens)
    await areTold(fresh, { 0: ['3-6 retention', ...texts([...left, ...last])] })
  })

  test('a batch that is damaged on disk: live and for who resumes, and the partition goes on', async (t) => {
    const clients = await watching(t, 'damaged.>')
    const before = await publish('damaged', 'a')
    const tokens = await tokensPast(clients, before)
    let behind: Written[] = []
    await whileFrozen(async () => {
      const marked = 'b'.repeat(100)
      await site.publisher.batch('damaged', [
        ['damaged.door', marked],
        ['damaged.window', marked],
      ])
      behind = await publish('damaged', 'c')
      // A clean end: after a crash the broker would find the damage itself, and cut its log there.
      await site.cluster.shutDown(1)
      flipByteOf(marked)
      await site.cluster.restart(1)
      // Else the broker found it after all, and there is nothing left to be told.
      assert.equal(await headOf('damaged'), before.length + 2 + behind.length)
    })
    const last = await publish('damaged', 'd')
    const rest = ['1-2 corrupt', ...texts([...behind, ...last])]
    await areTold(clients, { 0: [...texts(before), ...rest] })
    await areTold(resuming(t, gateway, 'damaged.>', tokens), { 0: rest })
    await areTold(resuming(t, await freshGateway(t, 'damaged'), 'damaged.>', tokens), { 0: rest })
  })

  test('a topic that was deleted and created again: live, and for who resumes with a token of the old one', async (t) => {
    const clients = await watching(t, 'again.>')
    const some = (label: string, count: number) =>
      site.publisher.events(
        'again',
        Array.from({ length: count }, (_, i) => [`again.${i}`, `${label}${i}`] as const),
      )
    const before = await some('old', 8)
    const tokens = await tokensPast(clients, before)
    await site.recreate(again)
    const anew = await until('the new topic takes records', patienceMs, () => some('new', 12))
    const heads = [0, 1].map((partition) => before.filter((event) => event.partition === partition).length)
    const told = (events: readonly Written[]) => {
      const [old, fresh] = [byPartition(events), byPartition(anew)]
      return Object.fromEntries(
        heads.map((head, partition) => {
          return [partition, [...(old[partition] ?? []), `${head}- recreated`, ...(fresh[partition] ?? [])]]
        }),
      )
    }
    await areTold(clients, told(before))
    await areTold(resuming(t, gateway, 'again.>', tokens), told([]))
    await areTold(resuming(t, await freshGateway(t, 'again'), 'again.>', tokens), told([]))
    const now = await tokensPast(clients, anew)
    const more = await some('more', 4)
    await areTold(resuming(t, gateway, 'again.>', now), byPartition(more))
  })

  test('a token of another cluster, of another stream, or ahead of the log', async (t) => {
    const written = await publish('place', 'a', 'b')
    await until('the gateway has read them', patienceMs, async () => {
      return (await gateway.metric('carillon_partition_read_offset{stream="place",partition="0"}')) === written.length
    })
    const [own] = await tokensOf('place')
    const at = { partition: 0, offset: 1002, generation: 0 }
    const cluster = encodePosition({ ...at, ...logOf('place', 'the topic id of another cluster') })
    const stream = encodePosition({ ...at, ...logOf('another stream', 'its topic id') })
    const ahead = encodePosition({ ...own!, offset: 1002 })
    const clients = [cluster, stream, ahead].map((token) => resuming(t, gateway, 'place.door', token))
    await until('each is told a gap', patienceMs, () => clients.flat().every(({ story }) => story.gaps.length > 0))
    const last = await publish('place', 'c')
    await areTold(clients[0]!, { 0: ['1002- recreated', ...texts([...written, ...last])] })
    await areTold(clients[1]!, { 0: ['0-1 unnamed', ...texts(last)] })
    await areTold(clients[2]!, { 0: ['2-1001 rewritten', ...texts(last)] })
  })

  test('a token of a history that another leader did not have', async (t) => {
    const before = await publish('epochs', 'a', 'b')
    const [position] = await tokensOf('epochs')
    await site.withoutBroker(async () => {})
    const since = await publish('epochs', 'c', 'd')
    await until('the gateway has read them', patienceMs, async () => {
      return (await gateway.metric('carillon_partition_read_offset{stream="epochs",partition="0"}')) === 4
    })
    // As of a leader that had written three records before it was deposed.
    const deposed = encodePosition({ ...position!, offset: before.length + 1 })
    await areTold(resuming(t, gateway, 'epochs.door', deposed), { 0: ['2-2 rewritten', ...texts(since)] })
  })

  /** The positions of a token that the gateway gives for the end of that stream. */
  async function tokensOf(stream: string) {
    const client = connect('poll', gateway.url, [`${stream}.door`], 'earliest')
    await until('it has a token', patienceMs, () => client.token !== 'earliest')
    client.close()
    return decodeToken(client.token)
  }

  async function deleteBelow(topic: string, offset: number): Promise<void> {
    await administer(site.cluster.brokers, async (admin) => {
      // kafkajs looks for the leader only when it has been asked something.
      await admin.fetchTopicOffsets(topic)
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(offset) }] })
    })
  }

  const headOf = (topic: string) =>
    administer(site.cluster.brokers, async (admin) => Number((await admin.fetchTopicOffsets(topic))[0]!.high))

  function flipByteOf(marked: string): void {
    const folder = site.cluster.logDir(1, 'damaged', 0)
    const segment = join(folder, readdirSync(folder).find((name) => name.endsWith('.log'))!)
    const bytes = readFileSync(segment)
    const at = bytes.indexOf(marked)
    assert.ok(at > 0, 'the batch is in the segment')
    bytes[at + 50] = 0x21
    writeFileSync(segment, bytes)
  }
})

/** Of events in one partition. */
const texts = (events: readonly Written[]) => Object.values(byPartition(events)).flat()
