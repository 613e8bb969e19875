import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { kafkaAvailable } from '../brokers/kafka.ts'
import { runKafkaTool } from '../brokers/kafka-java.ts'
import { type GatewayProcess, patienceMs } from '../support/gateway-process.ts'
import { until } from '../support/until.ts'
import { type Client, closeAll, connect, connectAll, haveEvents, isLive, transports } from './support/clients.ts'
import { KafkaSite } from './support/kafka-site.ts'
import { envelope, javaPartition, movedByCrc32, type RawRecord } from './support/publish.ts'

/** What a broker, its operators and other publishers do wrong: clients are told, and nobody else notices. */

const skip = kafkaAvailable()
const basePort = 19_620
const partitions = 3
const streams = [
  { name: 'events', partitions },
  { name: 'records', partitions },
  { name: 'absent', partitions, missing: true },
  { name: 'made', partitions, missing: true },
]
const maxEventBytes = 4096

describe('a gateway whose Kafka misbehaves', skip === undefined ? {} : { skip }, () => {
  let site: KafkaSite

  before(async () => {
    site = await KafkaSite.start(basePort, streams)
  })

  after(() => site?.close())

  /** What a client of each transport is told instead of being served; EventSource goes on trying. */
  async function refusals(gateway: GatewayProcess, subject: string): Promise<Client[]> {
    const clients = transports.map((transport) => connect(transport, gateway.url, [subject]))
    for (const { transport, errors } of clients) {
      await until(`the ${transport} client is told`, patienceMs, () => errors.length > 0)
    }
    return clients
  }

  test('a gateway that starts without its broker says so, refuses for the time being, and recovers by itself', async (t) => {
    const gateway = site.gatewayAt(basePort + 2, site.config(['events']))
    t.after(() => gateway.end())
    let clients: Client[] = []
    t.after(() => closeAll(clients))
    await site.withoutBroker(async () => {
      gateway.start()
      const { json } = await gateway.readiness(({ json }) => json.reasons[0]?.includes('events is away'))
      assert.match(json.reasons[0], new RegExp(`${site.broker.replaceAll('.', '\\.')}.*ECONNREFUSED`))
      clients = await refusals(gateway, 'events.early')
      for (const { transport, errors, live } of clients) {
        assert.equal(errors[0]!.code, 'broker_unavailable', transport)
        assert.ok(errors[0]!.retryAfterMs > 0, transport)
        assert.equal(live, false, transport)
      }
      const refused = await gateway.publish({ subject: 'events.early', data: 1 })
      assert.deepEqual([refused.status, refused.json.error.code], [503, 'broker_unavailable'])
      assert.ok(refused.json.error.retryAfterMs > 0)
    })

    await gateway.becomesReady()
    const sse = clients.find(({ transport }) => transport === 'sse')!
    await until('the EventSource is live by itself', patienceMs, () => sse.live)
    const others = await connectAll(gateway.url, ['events.early'])
    t.after(() => closeAll(others))
    await site.publisher.events('events', [['events.early', 'at last']])
    await haveEvents([sse, ...others], 1)
  })

  test('a broker that dies and comes back costs its clients nothing, and publishers the wait', async (t) => {
    const gateway = await site.gateway(basePort + 2, site.config(['events']))
    t.after(() => gateway.end())
    const clients = await connectAll(gateway.url, ['events.outage'])
    t.after(() => closeAll(clients))
    const publish = (...data: string[]) =>
      site.publisher.events(
        'events',
        data.map((each) => ['events.outage', each] as const),
      )
    await publish('1', '2')
    await haveEvents(clients, 2)

    let waiting: ReturnType<GatewayProcess['publish']> | undefined
    await site.withoutBroker(async () => {
      const { json } = await gateway.readiness(({ json }) => json.degraded.length > 0)
      assert.equal(json.ready, true)
      assert.match(json.degraded[0], /^stream events is away: .*127\.0\.0\.1:19620/)
      assert.equal(await gateway.metric('carillon_broker_outages_total{stream="events"}'), 1)
      assert.equal(await gateway.metric('carillon_stream_state{stream="events",state="away"}'), 1)
      waiting = gateway.publish({ subject: 'events.outage', text: '3' })
    })
    const published = await waiting!
    assert.equal(published.status, 200, published.text)
    await gateway.becomesReady()
    await publish('4', '5')

    await haveEvents(clients, 5)
    for (const { transport, story, ends, errors } of clients) {
      assert.deepEqual(story.data, ['1', '2', '3', '4', '5'], transport)
      assert.deepEqual([story.gaps, ends, errors], [[], [], []], transport)
    }
  })

  test('a missing topic is waited for, and the command that is told creates it', async (t) => {
    const gateway = site.gatewayAt(basePort + 2, site.config(['absent']))
    t.after(() => gateway.end())
    gateway.start()
    const { json } = await gateway.readiness(({ json }) => json.reasons[0]?.includes('missing'))
    const create = `--create --topic absent --partitions ${partitions} --config message.timestamp.type=LogAppendTime`
    const command = `kafka-topics.sh --bootstrap-server ${site.broker} ${create}`
    const told = `the broker has no stream "absent"; create it with: ${command}`
    assert.equal(json.reasons[0], `stream absent is missing: ${told}`)
    const clients = await refusals(gateway, 'absent.door')
    for (const { transport, errors } of clients) {
      assert.equal(errors[0]!.code, 'stream_missing', transport)
      // The command is the operator's to know.
      assert.match(errors[0]!.message, /^a required stream is not on the broker yet/, transport)
      assert.ok(errors[0]!.retryAfterMs > 0, transport)
    }
    closeAll(clients)

    await runKafkaTool('TopicCommand', command.split(' ').slice(1))
    await gateway.becomesReady()
    const served = await connectAll(gateway.url, ['absent.door'])
    t.after(() => closeAll(served))
    await site.publisher.events('absent', [['absent.door', 'there']])
    await haveEvents(served, 1)
    const { streams } = (await gateway.admin('/v1/admin/status')).json
    assert.equal(streams[0].partitions.length, partitions)
  })

  test('createTopics creates a missing topic', async (t) => {
    const gateway = await site.gateway(basePort + 2, { ...site.config(['made']), createTopics: true })
    t.after(() => gateway.end())
    const { streams } = (await gateway.admin('/v1/admin/status')).json
    assert.equal(streams[0].partitions.length, partitions)
    const clients = await connectAll(gateway.url, ['made.door'])
    t.after(() => closeAll(clients))
    const { status } = await gateway.publish({ subject: 'made.door', data: 1 })
    assert.equal(status, 200)
    await haveEvents(clients, 1)
  })

  test('records that can not be used are skipped, counted, shown with their cause, and disturb nobody', async (t) => {
    const limits = { maxEventBytes }
    const gateway = await site.gateway(basePort + 2, { ...site.config(['records']), limits })
    t.after(() => gateway.end())
    const clients = await connectAll(gateway.url, ['records.>'])
    t.after(() => closeAll(clients))
    const wellFormed: string[] = []
    /** One good event in each partition, or two. */
    const witness = async () => {
      const round = wellFormed.length
      for (let i = 0; i < 2 * partitions; i++) {
        wellFormed.push(`${round}.${i}`)
        await site.publisher.events('records', [[`records.witness.${i}`, `${round}.${i}`]])
      }
    }

    const expected: { reason: string; partition: number; offset: number; key: string }[] = []
    await witness()
    for (const { reason, key, value, partition } of unusable()) {
      const place = await site.publisher.raw('records', { key, value, partition })
      expected.push({ reason, ...place, key: key === null ? '' : Buffer.from(key).toString() })
      await witness()
    }
    const crc32 = movedByCrc32('records.crc', partitions)
    const misplaced = await site.publisher.withCrc32('records', crc32, 'lost in another partition')
    expected.push({ reason: 'misrouted', ...misplaced, key: crc32 })
    await witness()

    await haveEvents(clients, wellFormed.length)
    for (const { transport, story, errors, ends } of clients) {
      assert.deepEqual(story.data.toSorted(), wellFormed.toSorted(), transport)
      assert.deepEqual([story.gaps, errors, ends], [[], [], []], transport)
    }
    const { total, records } = (await gateway.admin('/v1/admin/rejected')).json
    assert.equal(total, expected.length)
    const shown = records.toReversed() as ({ detail: string; stream: string } & (typeof expected)[number])[]
    // Partitions are read each for itself.
    const place = ({ partition, offset }: { partition: number; offset: number }) => partition * 1000 + offset
    assert.deepEqual(
      shown
        .map(({ reason, partition, offset, key }) => ({ reason, partition, offset, key }))
        .sort((a, b) => place(a) - place(b)),
      expected.toSorted((a, b) => place(a) - place(b)),
    )
    assert.match(
      shown.find(({ key }) => key === crc32)!.detail,
      /librdkafka's default hash \(CRC32\).*set by: \{hash: librdkafka\} for its route, or partitioner=murmur2_random/,
    )
    assert.match(shown.find(({ key, reason }) => key === '' && reason === 'misrouted')!.detail, /the record has no key/)
    for (const reason of ['bad_envelope', 'no_subject', 'no_route', 'misrouted', 'too_large']) {
      const count = expected.filter((each) => each.reason === reason).length
      assert.ok(count > 0)
      assert.equal(await gateway.metric(`carillon_records_rejected_total{stream="records",reason="${reason}"}`), count)
    }
  })

  test('a null value whose key is a subject deletes it, and a key is not needed in the right partition', async (t) => {
    const gateway = await site.gateway(basePort + 2, site.config(['records']))
    t.after(() => gateway.end())
    const clients = await connectAll(gateway.url, ['records.thing'])
    t.after(() => closeAll(clients))
    const [created] = await site.publisher.events('records', [['records.thing', 'here']])
    await site.publisher.raw('records', { key: 'records.thing', value: null })
    const { partition } = created!
    await site.publisher.raw('records', { key: null, value: envelope('records.thing', 'again'), partition })
    await haveEvents(clients, 3)
    const resumed = transports.map((transport) => connect(transport, gateway.url, ['records.thing'], 'earliest'))
    t.after(() => closeAll(resumed))
    await haveEvents(resumed, 3)
    for (const { transport, story } of [...clients, ...resumed]) {
      assert.deepEqual(story.data, ['here', '', 'again'], transport)
      assert.deepEqual(
        story.events.map(({ deleted }) => deleted),
        [false, true, false],
        transport,
      )
    }
    await Promise.all(clients.map(isLive))
  })

  /** One record of each kind of mistake. */
  function unusable(): (RawRecord & { reason: string; partition: number })[] {
    const subject = 'records.bad'
    const elsewhere = (javaPartition(subject, partitions) + 1) % partitions
    // Field 2, `id`, and nothing else.
    const withoutSubject = Buffer.from([0x12, 1, 0x78])
    return [
      { reason: 'bad_envelope', key: subject, value: Buffer.from('not a protobuf event'), partition: 0 },
      { reason: 'bad_envelope', key: subject, value: Buffer.alloc(0), partition: 1 },
      { reason: 'bad_envelope', key: subject, value: withoutSubject, partition: 2 },
      { reason: 'misrouted', key: null, value: envelope(subject, 'no key'), partition: elsewhere },
      { reason: 'no_subject', key: 'a garbage key', value: null, partition: 0 },
      { reason: 'no_subject', key: null, value: null, partition: 1 },
      { reason: 'no_route', key: 'elsewhere.door', value: envelope('elsewhere.door', 'x'), partition: 2 },
      { reason: 'too_large', key: subject, value: envelope(subject, 'x'.repeat(maxEventBytes)), partition: 0 },
    ]
  }
})
