import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { kafkaAvailable } from '../brokers/kafka.ts'
import { kafkaClient } from '../brokers/kafka-admin.ts'
import { runKafkaTool } from '../brokers/kafka-java.ts'
import { type GatewayProcess, patienceMs } from '../support/gateway-process.ts'
import { ask } from '../support/http.ts'
import { until } from '../support/until.ts'
import { closeAll, connectAll, haveEvents } from './support/clients.ts'
import { KafkaSite } from './support/kafka-site.ts'
import { javaPartition, missingProgram, movedByCrc32 } from './support/publish.ts'
import { Run } from './support/run.ts'

/** Topics that are there already: values of any kind, CloudEvents, a schema registry's frames, on a real Kafka. */

const skip = kafkaAvailable()
const basePort = 19_940
const partitions = 3
const topics = ['shop-orders', 'shop-refunds', 'shop-payments', 'shop-cloud', 'shop-crc', 'shop-loose']
const by = { hash: 'java' }
const noKcat = missingProgram('kcat', '-V')

const config = (broker: string) => ({
  broker: `kafka://${broker}`,
  streams: {
    orders: { topic: 'shop-orders', format: 'raw' },
    refunds: { topic: 'shop-refunds', format: 'raw', contentType: 'text/plain' },
    payments: { topic: 'shop-payments', format: 'raw', framing: 'confluent' },
    cloud: { topic: 'shop-cloud', format: 'cloudevents' },
    crc: { topic: 'shop-crc', format: 'raw' },
    loose: { topic: 'shop-loose', format: 'raw' },
  },
  routes: [
    ...['orders', 'refunds', 'payments', 'cloud'].map((name) => ({ subject: `${name}.{key}`, stream: name, by })),
    { subject: 'crc.{key}', stream: 'crc', by: { hash: 'librdkafka' } },
    { subject: 'loose.{header:region}.{json:id}', stream: 'loose' },
  ],
})

// biome-ignore lint/suspicious/noExplicitAny: the test knows what it published
type Json = any

interface Message {
  readonly key: string
  readonly value: Buffer | string
  readonly headers?: Record<string, string>
}

describe('existing topics on a real Kafka', skip === undefined ? {} : { skip }, () => {
  let site: KafkaSite
  let gateway: GatewayProcess

  before(async () => {
    site = await KafkaSite.start(
      basePort,
      topics.map((name) => ({ name, partitions })),
    )
    gateway = await site.gateway(basePort + 2, config(site.broker))
  })

  after(() => site?.close())

  /** What a client of that gateway that reads the subject from its beginning is given, so many events. */
  async function eventsOf(subject: string, count: number, on = gateway): Promise<Json[]> {
    const events: Json[] = []
    let position = 'earliest'
    while (events.length < count) {
      const query = `subject=${encodeURIComponent(subject)}&after=${encodeURIComponent(position)}&wait=5000`
      const { json, text } = await ask(on.port, `/v1/poll?${query}`)
      assert.ok(json.frames.length > 0, `${events.length} of ${count} events came, then ${text}`)
      events.push(...json.frames.map((frame: Json) => frame.delivery?.event ?? frame))
      position = json.after
    }
    return events
  }

  const kcat = (topic: string, args: readonly string[]) =>
    promisify(execFile)('kcat', ['-P', '-b', site.broker, '-t', topic, ...args])
  const murmur2 = ['-X', 'partitioner=murmur2_random']

  async function produce(topic: string, messages: readonly Message[]): Promise<void> {
    const producer = kafkaClient([site.broker]).producer({ createPartitioner: javaPartitioner })
    await producer.connect()
    try {
      await producer.send({ topic, messages: [...messages] })
    } finally {
      await producer.disconnect()
    }
  }

  const javaPartitioner = () => (each: { message: { key?: Buffer | string | null } }) =>
    javaPartition(String(each.message.key), partitions)

  /** Runs a command of the CLI to its end. */
  async function carillon(...args: string[]) {
    const run = new Run(args, site.dir)
    return { code: await run.ended, stdout: run.stdout, stderr: run.stderr }
  }

  const admin = ['--admin', `http://127.0.0.1:${basePort + 3}`]

  test("what Kafka's Java producer writes to a raw topic reaches every transport, deletions too", async () => {
    const clients = await connectAll(gateway.url, ['orders.java.>'])
    try {
      const settings = ['parse.key=true', 'parse.headers=true', 'null.marker=NULL'].flatMap((each) => [
        '--reader-property',
        each,
      ])
      const args = ['--bootstrap-server', site.broker, '--topic', 'shop-orders', ...settings]
      await runKafkaTool('ConsoleProducer', args, 'zone:7,tür:zu\tjava.c1\t{"paid":true}\nzone:8\tjava.c1\tNULL\n')
      await haveEvents(clients, 2)
      for (const { story, transport } of clients) {
        const told = story.events.map(({ subject, data, deleted }) => [subject, data, deleted])
        assert.deepEqual(
          told,
          [
            ['orders.java.c1', '{"paid":true}', false],
            ['orders.java.c1', '', true],
          ],
          transport,
        )
      }
    } finally {
      closeAll(clients)
    }
    const [paid, gone] = await eventsOf('orders.java.c1', 2)
    const { publishedAtUs, ...rest } = paid
    assert.ok(Math.abs(publishedAtUs / 1000 - Date.now()) < 60_000, 'the record time')
    assert.deepEqual(rest, {
      subject: 'orders.java.c1',
      contentType: 'application/json',
      data: { paid: true },
      attributes: { zone: '7', tür: 'zu' },
    })
    assert.deepEqual([gone.deleted, gone.attributes], [true, { zone: '8' }])
  })

  test('kcat writes raw records with headers; what is no JSON goes as base64, what has its own type by that', {
    skip: noKcat,
  }, async () => {
    const file = (name: string, content: string | Buffer) => {
      const path = join(site.dir, name)
      writeFileSync(path, content)
      return path
    }
    const key = ['-k', 'kcat.c1', ...murmur2]
    await kcat('shop-orders', [...key, '-H', 'origin=kcat', file('json', '{"n":12345678901234567890}')])
    await kcat('shop-orders', [...key, file('no-json', '{"n":')])
    await kcat('shop-orders', [...key, '-H', 'content-type=text/plain', file('text', 'two\nlines')])
    const [json, broken, text] = await eventsOf('orders.kcat.c1', 3)
    assert.deepEqual([typeof json.data.n, json.attributes], ['number', { origin: 'kcat' }])
    assert.deepEqual([broken.base64, broken.data], [Buffer.from('{"n":').toString('base64'), undefined])
    assert.deepEqual([text.text, text.contentType], ['two\nlines', 'text/plain'])
  })

  test('two topics with the same keys are told apart by their prefixes, also by a wildcard over both', async () => {
    const clients = await connectAll(gateway.url, ['*.same'])
    try {
      await produce('shop-orders', [{ key: 'same', value: '"order"' }])
      await produce('shop-refunds', [{ key: 'same', value: 'refund' }])
      await haveEvents(clients, 2)
      for (const { story, transport } of clients) {
        const told = story.events.map(({ subject, data }) => `${subject} ${data}`).sort()
        assert.deepEqual(told, ['orders.same "order"', 'refunds.same refund'], transport)
      }
    } finally {
      closeAll(clients)
    }
    assert.equal((await eventsOf('refunds.same', 1))[0].text, 'refund')
  })

  test("a schema registry's frame is taken off; a value without it is rejected and named", async () => {
    const framed = Buffer.concat([Buffer.from('000000002a', 'hex'), Buffer.from('{"paid":1}')])
    const indexed = Buffer.concat([Buffer.from('000000002b0200', 'hex'), Buffer.from('protobuf')])
    await produce('shop-payments', [
      { key: 'framed', value: framed },
      { key: 'framed', value: indexed, headers: { 'content-type': 'application/x-protobuf' } },
      { key: 'framed', value: '{"paid":2}' },
    ])
    const [json, protobuf] = await eventsOf('payments.framed', 2)
    assert.deepEqual([json.data, json.attributes], [{ paid: 1 }, { schemaId: '42' }])
    assert.deepEqual(
      [protobuf.base64, protobuf.attributes],
      [Buffer.from('protobuf').toString('base64'), { schemaId: '43' }],
    )
    await rejected(/payments +\d@2 +bad_framing +framed +streams\.payments\.framing is confluent, but/)
  })

  test('CloudEvents in binary and in structured mode are events, and what is none is rejected and named', {
    skip: noKcat,
  }, async () => {
    const value = join(site.dir, 'cloud')
    writeFileSync(value, '{"open":true}')
    const attributes = [
      'specversion=1.0',
      'id=i-1',
      'type=door',
      'source=/house',
      'time=2026-11-23T05:00:00.5Z',
      'zone=7',
    ]
    const headers = [...attributes.map((each) => `ce_${each}`), 'content-type=application/json', 'internal=x']
    await kcat('shop-cloud', ['-k', 'door', ...murmur2, ...headers.flatMap((each) => ['-H', each]), value])
    assert.deepEqual(await eventsOf('cloud.door', 1), [
      {
        subject: 'cloud.door',
        id: 'i-1',
        type: 'door',
        contentType: 'application/json',
        data: { open: true },
        publishedAtUs: Date.UTC(2026, 10, 23, 5) * 1000 + 500_000,
        attributes: { zone: '7', source: '/house' },
      },
    ])
    const structured = join(site.dir, 'structured')
    const event = { specversion: '1.0', id: 'i-2', type: 'door', source: '/house', data: { open: false } }
    writeFileSync(structured, JSON.stringify(event))
    const json = ['-H', 'content-type=application/cloudevents+json']
    await kcat('shop-cloud', ['-k', 'yard', ...murmur2, ...json, structured])
    const [yard] = await eventsOf('cloud.yard', 1)
    assert.deepEqual([yard.id, yard.data, yard.attributes], ['i-2', { open: false }, { source: '/house' }])
    await kcat('shop-cloud', ['-k', 'door', ...murmur2, ...json, value])
    await rejected(
      /cloud +\d@\d +bad_envelope +door +it is a CloudEvent in structured mode, and its value can't be used/,
    )
  })

  /** Waits until `carillon rejected` has such a line. */
  function rejected(line: RegExp): Promise<unknown> {
    return until(`the gateway has rejected ${line}`, patienceMs, async () => {
      const { code, stdout } = await carillon('rejected', ...admin)
      assert.equal(code, 0)
      return line.test(stdout)
    })
  }

  test("kcat's default partitioner is named as the mistake, in the table, in JSON, and as it comes", {
    skip: noKcat,
  }, async (t: TestContext) => {
    const value = join(site.dir, 'moved')
    writeFileSync(value, '1')
    const follow = new Run(['rejected', '--follow', '--json', ...admin], site.dir)
    t.after(() => follow.child.kill('SIGKILL'))
    await until('it follows', patienceMs, async () => follow.stdout !== '' || follow.stderr !== '')
    const key = movedByCrc32('crc', partitions)
    await kcat('shop-orders', ['-k', key, value])
    const mistake = /places keys by librdkafka's default hash \(CRC32\).*or partitioner=murmur2_random/
    await rejected(new RegExp(`orders +\\d@\\d+ +misrouted +${key} .*${mistake.source}`))
    await until('the follower has it', patienceMs, async () =>
      follow.lines.some((line) => JSON.parse(line).key === key),
    )
    const { stdout } = await carillon('rejected', '--json', ...admin)
    const last = JSON.parse(stdout.trimEnd().split('\n').at(-1)!)
    assert.deepEqual([last.key, last.reason, last.stream], [key, 'misrouted', 'orders'])
    follow.child.kill('SIGINT')
    assert.equal(await follow.ended, 130)
  })

  test("what kcat's default partitioner writes is read by the route that names its hash", {
    skip: noKcat,
  }, async () => {
    const keys = Array.from({ length: 20 }, (_, i) => `key-${i}`)
    const lines = join(site.dir, 'lines')
    writeFileSync(lines, keys.map((key) => `${key}:"${key}"\n`).join(''))
    await kcat('shop-crc', ['-K:', '-l', lines])
    const found = await eventsOf('crc.>', keys.length)
    assert.deepEqual(found.map(({ subject }) => subject).sort(), keys.map((key) => `crc.${key}`).sort())
    for (const key of keys) assert.equal((await eventsOf(`crc.${key}`, 1))[0].data, key)
  })

  test('records without keys have subjects of a header and a field, from whichever partition', {
    skip: noKcat,
  }, async () => {
    const lines = join(site.dir, 'loose')
    for (const [partition, region] of ['eu', 'us', 'eu'].entries()) {
      writeFileSync(lines, `{"id":"c1","n":${partition}}\n{"id":"c.1"}\n`)
      await kcat('shop-loose', ['-p', `${partition}`, '-H', `region=${region}`, '-l', lines])
    }
    const eu = await eventsOf('loose.eu.c1', 2)
    assert.deepEqual(eu.map(({ data }) => data.n).sort(), [0, 2])
    assert.equal((await eventsOf('loose.us.c1', 1))[0].data.n, 1)
    await rejected(/loose +\d@1 +bad_subject +.*its field id is the string "c\.1": it must be one token/)
    const refused = await gateway.publish({ subject: 'loose.eu.c1', data: 1 })
    assert.deepEqual([refused.status, refused.json.error.code], [404, 'no_route'])
    assert.match(refused.json.error.message, /"loose\.\{header:region\}\.\{json:id\}": publish to the broker/)
  })

  test('what is posted to a gateway is a record of the topic as it was: the data alone, or with ce_ headers', {
    skip: noKcat,
  }, async () => {
    const order = await gateway.publish({ subject: 'orders.posted', data: { n: 1 }, attributes: { zone: '7' } })
    assert.equal(order.status, 200, order.text)
    const door = await gateway.publish({
      subject: 'cloud.posted',
      id: 'i-2',
      type: 'door',
      data: { n: 2 },
      publishedAtUs: 1_500_000,
    })
    assert.equal(door.status, 200, door.text)
    const record = async (topic: string, { json }: Json) => {
      const { partition, offset } = json.results[0]
      const at = ['-C', '-b', site.broker, '-t', topic, '-p', `${partition}`, '-o', `${offset}`, '-c', '1']
      return (await promisify(execFile)('kcat', [...at, '-f', '%k|%h|%s'])).stdout
    }
    assert.equal(await record('shop-orders', order), 'posted|zone=7|{"n":1}')
    const [key, headers, value] = (await record('shop-cloud', door)).split('|')
    assert.deepEqual([key, value], ['posted', '{"n":2}'])
    assert.deepEqual(headers!.split(',').sort(), [
      ...[
        'ce_id=i-2',
        'ce_source=carillon',
        'ce_specversion=1.0',
        'ce_subject=posted',
        'ce_time=1970-01-01T00:00:01.500000Z',
      ],
      ...['ce_type=door', 'content-type=application/json'],
    ])
    assert.deepEqual((await eventsOf('orders.posted', 1))[0].data, { n: 1 })
    assert.equal((await eventsOf('cloud.posted', 1))[0].id, 'i-2')
    const refused = await gateway.publish({ subject: 'orders.posted', data: 1, ttlMs: 5 })
    assert.deepEqual([refused.status, refused.json.error.code], [400, 'bad_event'])
  })

  test('a gateway that was not there reads the same back, rejects the same, and has nothing unread', async () => {
    await produce(
      'shop-orders',
      Array.from({ length: 30 }, (_, i) => ({ key: `back.${i % 5}`, value: `${i}`, headers: { i: `${i}` } })),
    )
    const live = await eventsOf('orders.back.>', 30)
    const second = await site.gateway(basePort + 4, config(site.broker))
    try {
      const bySubject = (events: Json[]) => events.toSorted((a, b) => a.data - b.data)
      assert.deepEqual(bySubject(await eventsOf('orders.back.>', 30, second)), bySubject(live))
      assert.equal(await second.metric('carillon_partition_lag_seconds{stream="orders",partition="0"}'), 0)
      const rejectedBy = async (process: GatewayProcess) => {
        const { total, records } = (await process.admin('/v1/admin/rejected')).json
        const places = records.map(({ stream, partition, offset, reason }: Json) =>
          [stream, partition, offset, reason].join(),
        )
        return [total, places.sort()]
      }
      assert.deepEqual(await rejectedBy(second), await rejectedBy(gateway), 'what lay there is rejected as well')
    } finally {
      await second.end()
    }
  })

  test('without a rejected record, and without a gateway, the command says so', async () => {
    const { streams, routes, ...others } = config(site.broker)
    const sound = { streams: { refunds: streams.refunds }, routes: routes.filter(({ stream }) => stream === 'refunds') }
    const third = await site.gateway(basePort + 6, { ...others, ...sound })
    const of = (port: number) => carillon('rejected', '--admin', `http://127.0.0.1:${port}`)
    const none = await of(basePort + 7)
    assert.deepEqual([none.code, none.stdout], [0, ''])
    assert.match(none.stderr, /no record was rejected since the gateway started/)
    await third.end()
    const nobody = await of(basePort + 7)
    assert.deepEqual([nobody.code, nobody.stdout], [3, ''])
    assert.match(nobody.stderr, /no answer from/)
  })
})
