import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { WebSocket } from 'ws'
import { openKafka } from '../../src/source/kafka/source.ts'
import type { KafkaSettings } from '../../src/source/settings.ts'
import { kafkaAvailable } from '../brokers/kafka.ts'
import { administer, createTopics, kafkaClient } from '../brokers/kafka-admin.ts'
import { type GatewayProcess, patienceMs } from '../support/gateway-process.ts'
import { until } from '../support/until.ts'
import { type Client, closeAll, connect, connectAll, haveEvents, transports } from './support/clients.ts'
import { KafkaSite } from './support/kafka-site.ts'
import { envelope, javaPartition, missingProgram, publishWithJava, publishWithKcat } from './support/publish.ts'
import { byPartition } from './support/story.ts'

/** What is legal in Kafka and seldom seen: it is served as it is meant, or skipped with a word, and stalls nothing. */

const skip = kafkaAvailable()
const basePort = 19_910
const streams = [
  { name: 'dense', partitions: 1 },
  { name: 'state', partitions: 1, missing: true },
  { name: 'tx', partitions: 2 },
  { name: 'headed', partitions: 1 },
  { name: 'foreign', partitions: 1 },
  { name: 'packed', partitions: 1 },
  { name: 'wide', partitions: 5 },
]

describe('the less usual ways to use a Kafka', skip === undefined ? {} : { skip }, () => {
  let site: KafkaSite
  let gateway: GatewayProcess

  before(async () => {
    site = await KafkaSite.start(basePort, streams)
    await createCompacted()
    const window = { windowMiB: 64, indexMiB: 16 }
    gateway = await site.gateway(basePort + 2, { ...site.config(), window })
  })

  after(() => site?.close())

  /** A topic that is compacted a moment after its records are written. */
  async function createCompacted(): Promise<void> {
    const entries = (config: Record<string, string>) => Object.entries(config).map(([name, value]) => ({ name, value }))
    const configEntries = entries({
      'cleanup.policy': 'compact',
      'segment.ms': '100',
      'min.cleanable.dirty.ratio': '0.001',
      'message.timestamp.type': 'LogAppendTime',
    })
    await administer(site.cluster.brokers, async (admin) => {
      const cleaner = { type: 4, name: '1', configEntries: entries({ 'log.cleaner.backoff.ms': '100' }) }
      await admin.alterConfigs({ validateOnly: false, resources: [cleaner] })
    })
    await createTopics(site.cluster.brokers, [{ topic: 'state', numPartitions: 1, configEntries }])
  }

  /** A gateway that starts now, with nothing in its windows. */
  async function freshGateway(t: TestContext, stream: string, config = site.config([stream])): Promise<GatewayProcess> {
    const fresh = await site.gateway(basePort + 4, config)
    t.after(() => fresh.end())
    return fresh
  }

  async function watching(t: TestContext, subjects: readonly string[]): Promise<Client[]> {
    const clients = await connectAll(gateway.url, subjects)
    t.after(() => closeAll(clients))
    return clients
  }

  function resuming(t: TestContext, at: GatewayProcess, subject: string, after: string | readonly string[]): Client[] {
    const token = (i: number) => (typeof after === 'string' ? after : after[i])
    const clients = transports.map((transport, i) => connect(transport, at.url, [subject], token(i)))
    t.after(() => closeAll(clients))
    return clients
  }

  test('600,000 records in a few fetches neither fill the memory nor stop the event loop, live or read back', async (t) => {
    const [client] = await watching(t, ['dense.last'])
    const pinger = new Pinger(gateway.url)
    t.after(() => pinger.close())
    await until('pings are answered', patienceMs, () => pinger.count > 10)
    const baseMiB = gateway.residentMiB
    let peakMiB = baseMiB
    const watch = setInterval(() => {
      peakMiB = Math.max(peakMiB, gateway.residentMiB)
    }, 20)
    t.after(() => clearInterval(watch))
    const events = Array.from({ length: 600_000 }, () => ['dense.other', ''] as const)
    gateway.signal('SIGSTOP')
    try {
      const settings = ['compression.type=zstd', 'batch.size=1048576', 'linger.ms=500', 'max.request.size=4000000']
      await publishWithJava(site.broker, 'dense', events, settings)
      await site.publisher.events('dense', [['dense.last', 'the last']])
    } finally {
      gateway.signal('SIGCONT')
    }
    pinger.restart()
    await haveEvents([client!], 1)
    const live = [pinger.worstMs, peakMiB - baseMiB]
    pinger.restart()
    const started = performance.now()
    const returned = connect('poll', gateway.url, ['dense.last'], 'earliest')
    t.after(() => returned.close())
    await haveEvents([returned], 1)
    const tookMs = performance.now() - started
    const say = (ms: number, mib: number) =>
      `${Math.round(ms)} ms at most without an answer, ${Math.round(mib)} MiB more`
    t.diagnostic(`live: ${say(live[0]!, live[1]!)}`)
    t.diagnostic(`read back in ${Math.round(tookMs)} ms: ${say(pinger.worstMs, peakMiB - baseMiB)}`)
    assert.deepEqual([client!.story.data, returned.story.data], [['the last'], ['the last']])
    assert.ok(peakMiB - baseMiB < 300, `it grew from ${baseMiB} to ${peakMiB} MiB`)
    assert.ok(live[0]! < 300, `the loop stood for ${live[0]} ms while it was live`)
    assert.ok(pinger.worstMs < 150, `the loop stood for ${pinger.worstMs} ms while it read back`)
  })

  test('a compacted topic with deletions: live, and its holes for who comes back or starts at its beginning', async (t) => {
    const clients = await watching(t, ['state.>'])
    const subjects = Array.from({ length: 10 }, (_, i) => `state.thing.${i}`)
    const publish = (text: string) =>
      site.publisher.events(
        'state',
        subjects.map((subject) => [subject, text] as const),
      )
    await publish('one')
    await haveEvents(clients, 10)
    await until('each token is past them', patienceMs, () => clients.every(({ token }) => token !== ''))
    const tokens = clients.map(({ token }) => token)
    await publish('two')
    const last = await publish('three')
    for (const subject of subjects.slice(0, 3)) await site.publisher.raw('state', { key: subject, value: null })
    const deletions = subjects.slice(0, 3).map((subject, i) => ({ subject, data: '', partition: 0, offset: 30 + i }))
    await haveEvents(clients, 33)
    for (const { story } of clients) {
      assert.deepEqual(
        story.events.flatMap(({ subject, deleted }) => (deleted ? [subject] : [])),
        subjects.slice(0, 3),
      )
    }
    const behind = 33
    let filled = 0
    await until('it is compacted', patienceMs, async () => {
      // Only segments that are closed are compacted, and they are closed by the next record.
      await site.publisher.events('state', [['state.filler', `${filled++}`]])
      return cleanedUpTo('state') > behind
    })
    const [end] = await site.publisher.events('state', [['state.end', 'the end']])
    const survivors = byPartition([...last.slice(3), ...deletions])[0]!
    const fresh = await freshGateway(t, 'state')
    const all = [...resuming(t, fresh, 'state.>', 'earliest'), ...resuming(t, fresh, 'state.>', tokens)]
    for (const { transport, story } of all) {
      await until(`the ${transport} client is through`, patienceMs, () => story.data.at(-1) === 'the end')
      const told = story.tale[0]!.filter((line) => !line.includes('filler'))
      assert.deepEqual(told, [...survivors, `${end!.offset} state.end the end`], transport)
    }
    await site.publisher.events('state', [['state.thing.0', 'anew']])
    for (const { transport, story } of [...clients, ...all]) {
      await until(`the ${transport} client is live`, patienceMs, () => story.data.at(-1) === 'anew')
    }
  })

  test('a transaction that stays open holds its own partition back, then comes whole or not at all', async (t) => {
    const producer = kafkaClient(site.cluster.brokers).producer({
      transactionalId: 'odd',
      maxInFlightRequests: 1,
      idempotent: true,
    })
    await producer.connect()
    t.after(() => producer.disconnect())
    const clients = await watching(t, ['tx.>'])
    const subject = [0, 1].map((partition) => subjectIn('tx', 2, partition))
    const told: string[][] = [[], []]
    let offset = 0
    for (const outcome of ['commit', 'abort'] as const) {
      const transaction = await producer.transaction()
      const messages = ['a', 'b'].map((text) => ({ key: subject[0]!, value: envelope(subject[0]!, outcome + text) }))
      await transaction.send({ topic: 'tx', messages })
      const [plain] = await site.publisher.events('tx', [[subject[0]!, `behind ${outcome}`]])
      const elsewhere = await site.publisher.events('tx', [[subject[1]!, `beside ${outcome}`]])
      told[1]!.push(...byPartition(elsewhere)[1]!)
      const until1 = told[0]!.length
      await are(clients, told)
      // Somebody comes back while it is open: waits as well, without a gap.
      const returned = resuming(
        t,
        gateway,
        'tx.>',
        clients.map(({ token }) => token),
      )
      await until('the head is that of the open transaction', patienceMs, async () => {
        const read = await gateway.metric('carillon_partition_read_offset{stream="tx",partition="0"}')
        return read === offset
      })
      assert.equal(told[0]!.length, until1)
      const said = /stream tx, partition 0: an open transaction holds back 3 offsets, for /
      const { status } = await gateway.readiness(({ json }) => said.test(json.degraded.join()))
      assert.equal(status, 200)
      const blocked = 'carillon_partition_blocked{stream="tx",partition="0"}'
      assert.equal(await gateway.metric(blocked), 3)
      if (outcome === 'commit')
        assert.deepEqual((await settings('tx')).blocked, [{ partition: 0, from: offset, offsets: 3 }])
      await transaction[outcome]()
      await until('nothing is held back', patienceMs, async () => (await gateway.metric(blocked)) === 0)
      if (outcome === 'commit') told[0]!.push(`${offset} ${subject[0]} commita`, `${offset + 1} ${subject[0]} commitb`)
      told[0]!.push(`${plain!.offset} ${subject[0]} behind ${outcome}`)
      // The marker takes an offset, too.
      offset = plain!.offset + 2
      await are(clients, told)
      await are(returned, [told[0]!.slice(until1), []])
    }
    await are(resuming(t, await freshGateway(t, 'tx'), 'tx.>', 'earliest'), told)
  })

  test('records with a header of 64 KiB, or with a thousand of them, are events like others', async (t) => {
    const clients = await watching(t, ['headed.>'])
    const producer = kafkaClient(site.cluster.brokers).producer()
    await producer.connect()
    t.after(() => producer.disconnect())
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`header-${i}`, 'v'.repeat(20)]))
    const headers = [{ big: Buffer.alloc(64 << 10, 1) }, many, { ...many, traceparent: 'not one' }, {}]
    const messages = headers.map((each, i) => ({ key: 'headed.a', value: envelope('headed.a', `${i}`), headers: each }))
    await producer.send({ topic: 'headed', messages })
    await haveEvents(clients, 4)
    const returned = resuming(t, await freshGateway(t, 'headed'), 'headed.>', 'earliest')
    await haveEvents(returned, 4)
    for (const { story } of [...clients, ...returned]) assert.deepEqual(story.data, ['0', '1', '2', '3'])
  })

  test('values of a foreign schema under a good key are skipped by name, and the events between them are served', async (t) => {
    const clients = await watching(t, ['foreign.>'])
    const foreign: Record<string, Buffer> = {
      json: Buffer.from('{"subject":"foreign.a","data":1}'),
      'a registry frame': Buffer.from([0, 0, 0, 0, 7, 0x02, 0x06, 0x66, 0x6f, 0x6f]),
      'another protobuf': Buffer.from([0x08, 0x96, 0x01, 0x12, 0x03, 0x66, 0x6f, 0x6f]),
      'another protobuf with a text first': Buffer.from([0x0a, 0x0b, ...Buffer.from('hello world')]),
    }
    let good = 0
    for (const value of Object.values(foreign)) {
      await site.publisher.raw('foreign', { key: 'foreign.a', value })
      await site.publisher.events('foreign', [['foreign.a', `${good++}`]])
    }
    await haveEvents(clients, good)
    for (const { story } of clients) assert.deepEqual([story.data, story.gaps], [['0', '1', '2', '3'], []])
    const { records } = (await gateway.admin('/v1/admin/rejected')).json
    const shown = records.filter(({ stream }: { stream: string }) => stream === 'foreign')
    assert.equal(shown.length, Object.keys(foreign).length)
    for (const { reason, key, detail } of shown) {
      assert.deepEqual([reason, key], ['bad_envelope', 'foreign.a'])
      assert.match(detail, /carillon\.v1\.Event/)
    }
  })

  test('what kcat compresses is read, with each codec', { skip: missingProgram('kcat', '-V') }, async (t) => {
    const clients = await watching(t, ['packed.>'])
    const codecs = ['gzip', 'snappy', 'lz4', 'zstd']
    for (const codec of codecs) {
      const file = join(site.dir, `packed-${codec}`)
      writeFileSync(file, envelope('packed.a', `${codec} ${'x'.repeat(4000)}`))
      const settings = ['partitioner=murmur2_random', `compression.codec=${codec}`]
      await publishWithKcat(site.broker, { topic: 'packed', subject: 'packed.a', file }, settings)
    }
    await haveEvents(clients, codecs.length)
    for (const { story } of clients)
      assert.deepEqual(
        story.data.map((text) => text.split(' ')[0]),
        codecs,
      )
  })

  test('a topic with more partitions than its configuration or its ranges name is told with both numbers', async (t) => {
    const by = { ranges: [{ from: 'wide.', to: 'wide/', partitions: [0, 1, 2] }] }
    const config = {
      ...site.config(['wide']),
      streams: { wide: { topic: 'wide', partitions: 3 } },
      routes: [{ subjects: 'wide.>', stream: 'wide', by }],
    }
    const fresh = await freshGateway(t, 'wide', config)
    const told = [
      /stream wide has 5 partitions, but streams\.wide\.partitions is 3/,
      /stream wide has 5 partitions, but its ranges name only 3 of them: .* partition 3, 4 /,
    ]
    await until('both are logged', patienceMs, () => {
      for (const line of told) assert.match(fresh.output, line)
      return true
    })
    const clients = await connectAll(fresh.url, ['wide.>'])
    t.after(() => closeAll(clients))
    for (const partition of [4, 2]) {
      const value = envelope('wide.a', `in ${partition}`)
      await site.publisher.raw('wide', { key: 'wide.a', value, partition })
    }
    await haveEvents(clients, 1)
    for (const { story } of clients) assert.deepEqual(story.data, ['in 2'])
    await until('the other is counted', patienceMs, async () => {
      return (await fresh.metric('carillon_records_rejected_total{stream="wide",reason="misrouted"}')) === 1
    })
  })

  /** What a doctor would see. */
  async function settings(topic: string): Promise<KafkaSettings> {
    const source = await openKafka({ brokers: site.cluster.brokers }, { log: () => {} })
    try {
      return (await source.settings!((await source.describe(topic))!)) as KafkaSettings
    } finally {
      await source.close()
    }
  }

  /** Each is told this of each partition, and no more. */
  async function are(clients: readonly Client[], told: readonly (readonly string[])[]): Promise<void> {
    for (const { transport, story } of clients) {
      await until(`the ${transport} client is told all`, patienceMs, () => {
        if (story.told.length >= told.flat().length) return true
        throw new Error(JSON.stringify(story.tale))
      })
      for (const [partition, each] of told.entries()) assert.deepEqual(story.tale[partition] ?? [], each, transport)
    }
  }

  /** The first offset of partition 0 that the cleaner has not looked at. */
  function cleanedUpTo(topic: string): number {
    const file = join(site.cluster.logDir(1, topic, 0), '..', 'cleaner-offset-checkpoint')
    const line = readFileSync(file, 'utf8')
      .split('\n')
      .find((each) => each.startsWith(`${topic} 0 `))
    return Number(line?.split(' ')[2] ?? 0)
  }
})

/** A subject of this stream that lies in the partition. */
function subjectIn(stream: string, partitions: number, partition: number): string {
  for (let i = 0; ; i++) if (javaPartition(`${stream}.${i}`, partitions) === partition) return `${stream}.${i}`
}

/** Asks a gateway for an answer over and over: how long it takes says how long its event loop stood still. */
class Pinger {
  count = 0
  worstMs = 0
  readonly #socket: WebSocket
  #sentMs = 0

  constructor(url: string) {
    this.#socket = new WebSocket(`ws://${url}/v1/ws`)
    this.#socket.on('open', () => this.#ping())
    this.#socket.on('error', () => {})
    this.#socket.on('message', (message: Buffer) => {
      if (!('pong' in JSON.parse(message.toString()))) return
      this.worstMs = Math.max(this.worstMs, performance.now() - this.#sentMs)
      this.count++
      setTimeout(() => this.#ping(), 5)
    })
  }

  restart(): void {
    this.worstMs = 0
    this.#sentMs = performance.now()
  }

  close(): void {
    this.#socket.terminate()
  }

  #ping(): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    this.#sentMs = performance.now()
    this.#socket.send('{"ping":{"t":1}}')
  }
}
