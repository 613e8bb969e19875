import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { crc32 } from 'node:zlib'
import type { Finding } from '../../src/doctor/finding.ts'
import { kafkaAvailable } from '../brokers/kafka.ts'
import { administer, createTopics, kafkaClient } from '../brokers/kafka-admin.ts'
import { type NatsServer, natsAvailable, startNats } from '../brokers/nats.ts'
import { administerNats } from '../brokers/nats-admin.ts'
import { until } from '../client/recorder.ts'
import { KafkaSite } from './support/kafka-site.ts'
import { Run } from './support/run.ts'

/** `carillon doctor` and `carillon plan` as programs: against real brokers, and their exit codes. */

const folder = mkdtempSync(join(tmpdir(), 'carillon-doctor-'))
after(() => rmSync(folder, { recursive: true }))

async function carillon(...args: string[]) {
  const run = new Run(args, folder)
  run.child.stdin!.end()
  const code = await run.ended
  return { code, stdout: run.stdout, stderr: run.stderr }
}

interface Report {
  readonly level: string
  readonly findings: readonly Finding[]
}

async function doctor(...args: string[]): Promise<Report & { readonly code: number | string }> {
  const { code, stdout, stderr } = await carillon('doctor', '--json', ...args)
  assert.notEqual(stdout, '', stderr)
  return { ...(JSON.parse(stdout) as Report), code }
}

function found({ findings }: Report, check: string, stream?: string): Finding {
  const all = findings.filter((each) => each.check === check && each.stream === stream)
  assert.equal(all.length, 1, `${check} of ${stream}: ${JSON.stringify(all)}`)
  return all[0]!
}

const levelOf = (report: Report, check: string, stream?: string) => found(report, check, stream).level

function configFile(name: string, content: unknown): string {
  const file = join(folder, name)
  writeFileSync(file, JSON.stringify(content))
  return file
}

describe('with a real Kafka', { skip: kafkaAvailable() ?? false }, () => {
  let site: KafkaSite
  let file: string

  before(async () => {
    site = await KafkaSite.start(21_100, [{ name: 'good', partitions: 4 }])
    const configEntries = [
      { name: 'retention.ms', value: '60000' },
      { name: 'cleanup.policy', value: 'compact' },
      { name: 'max.message.bytes', value: '20000' },
      { name: 'unclean.leader.election.enable', value: 'true' },
    ]
    await createTopics(site.cluster.brokers, [{ topic: 'bad', numPartitions: 4, configEntries }])
    file = configFile('kafka.json', {
      broker: site.url,
      streams: {
        good: { topic: 'good' },
        bad: { topic: 'bad', format: 'raw', contentType: 'text/plain' },
        gone: { topic: 'gone' },
      },
      routes: ['good', 'bad', 'gone'].map((stream) => ({ subjects: `${stream}.>`, stream, by: { hash: 'java' } })),
    })
    const only = configFile('good.json', {
      streams: { good: { topic: 'good' } },
      routes: [{ subjects: '>', stream: 'good', by: { hash: 'java' } }],
    })
    for (let i = 0; i < 4; i++) {
      const { code, stderr } = await carillon('publish', '--config', only, '--broker', site.url, `good.s${i}`, 'hello')
      assert.equal(code, 0, stderr)
    }
    const producer = kafkaClient(site.cluster.brokers).producer()
    await producer.connect()
    // As librdkafka places them unless told otherwise.
    const messages = Array.from({ length: 40 }, (_, i) => {
      const key = `bad.s${i}`
      return { key, value: 'hello', partition: crc32(key) % 4 }
    })
    await producer.send({ topic: 'bad', messages })
    await producer.disconnect()
  })

  after(() => site?.close())

  test('a topic that is set up well passes, but for its one copy on one broker', async () => {
    const report = await doctor('--config', file)
    assert.equal(levelOf(report, 'broker'), 'pass')
    for (const check of [
      'stream',
      'in sync',
      'retention',
      'retention size',
      'cleanup',
      'record time',
      'event size',
      'placement',
    ]) {
      assert.equal(levelOf(report, check, 'good'), 'pass', check)
    }
    assert.match(found(report, 'placement', 'good').figure, /^0 of 4 recent records misplaced$/)
    assert.equal(levelOf(report, 'replication', 'good'), 'warn')
    assert.match(found(report, 'replication', 'good').figure, /^1 copy on 1 broker$/)
  })

  test('a topic that is not is told option by option, each with the command that mends it', async () => {
    const report = await doctor('--config', file)
    assert.equal(report.code, 1)
    assert.equal(report.level, 'fail')
    const levels = {
      retention: 'fail',
      cleanup: 'warn',
      'record time': 'warn',
      'event size': 'warn',
      'unclean elections': 'fail',
    }
    for (const [check, level] of Object.entries(levels)) {
      const { fix, level: got } = found(report, check, 'bad')
      assert.equal(got, level, check)
      assert.match(
        fix,
        /^kafka-configs\.sh --bootstrap-server 127\.0\.0\.1:\d+ --alter --entity-type topics --entity-name bad --add-config \S+=\S+$/,
      )
    }
    assert.match(found(report, 'stream', 'gone').fix, /^kafka-topics\.sh .* --create --topic gone /)
  })

  test("records that librdkafka's partitioner placed are found, and its option is named", async () => {
    const { level, figure, reason, fix } = found(await doctor('--config', file), 'placement', 'bad')
    assert.equal(level, 'fail')
    assert.match(figure, /of 40 recent records misplaced$/)
    assert.match(reason, /CRC32/)
    assert.match(fix, /partitioner=murmur2_random/)
  })

  test('what mends a finding is taken by the broker, and the finding passes then', async () => {
    const { fix } = found(await doctor('--config', file), 'unclean elections', 'bad')
    const [name, value] = fix.split('--add-config ')[1]!.split('=') as [string, string]
    await administer(site.cluster.brokers, (admin) => {
      const configEntries = [{ name, value }]
      return admin.alterConfigs({ validateOnly: false, resources: [{ type: 2, name: 'bad', configEntries }] })
    })
    assert.equal(levelOf(await doctor('--config', file), 'unclean elections', 'bad'), 'pass')
  })
})

describe('with a real NATS', { skip: natsAvailable() ?? false }, () => {
  const port = 21_150
  const monitor = `http://127.0.0.1:${port + 1}`
  let server: NatsServer
  let file: string

  before(async () => {
    server = await startNats({ port, dir: join(folder, 'nats'), config: `http: "127.0.0.1:${port + 1}"\n` })
    file = configFile('nats.json', {
      broker: `nats://${server.address}`,
      streams: { good: { topic: 'good', partitions: 2 }, bad: { topic: 'bad', partitions: 1 } },
      routes: ['good', 'bad'].map((stream) => ({ subjects: `${stream}.>`, stream, by: { hash: 'java' } })),
    })
    const { code, stderr } = await carillon('streams', 'create', '--config', file)
    assert.equal(code, 0, stderr)
    await carillon('publish', '--config', file, '--broker', `nats://${server.address}`, 'good.s1', 'hello')
    await administerNats(server.address, async (manager) => {
      await manager.streams.update('bad-0', {
        max_age: 150e9,
        duplicate_window: 60e9,
        max_msgs_per_subject: 1,
        max_msg_size: 1000,
      })
    })
  })

  after(() => server?.kill())

  test('streams that are set up well pass, and the server is asked for its clock', async () => {
    const report = await doctor('--config', file)
    for (const check of [
      'stream',
      'in sync',
      'retention',
      'retention size',
      'consumers',
      'record limits',
      'discard',
      'storage',
      'event size',
      'broker clock',
      'placement',
    ]) {
      assert.equal(levelOf(report, check, 'good'), 'pass', check)
    }
    assert.match(found(report, 'broker clock', 'good').figure, /^\d+ ms (ahead of|behind) this host/)
    assert.equal(levelOf(report, 'replication', 'good'), 'warn')
  })

  test('limits that lose events are told, with the command that mends them', async () => {
    const report = await doctor('--config', file)
    for (const check of ['retention', 'record limits', 'event size']) {
      const { level, fix } = found(report, check, 'bad')
      assert.notEqual(level, 'pass', check)
      assert.match(fix, /^nats -s nats:\/\/127\.0\.0\.1:\d+ stream edit bad-0 --max-\S+ --force$/)
    }
  })

  test('how often it syncs is unknown without its monitoring port, and known with it', async () => {
    assert.equal(levelOf(await doctor('--config', file), 'sync', 'good'), 'unknown')
    const { level, figure } = found(await doctor('--config', file, '--nats-monitor', monitor), 'sync', 'good')
    assert.deepEqual([level, figure], ['warn', 'every 2 minutes'])
    const wrong = await carillon('doctor', '--config', file, '--nats-monitor', 'http://127.0.0.1:21159')
    assert.equal(wrong.code, 3)
    assert.match(
      wrong.stderr,
      /^carillon: expected the monitoring port of a nats-server .*got none: ECONNREFUSED \(broker_unavailable\)\n$/,
    )
  })
})

test('a broker that is not there is one finding, beside those of the host', async () => {
  const report = await doctor('--broker', 'kafka://127.0.0.1:21199')
  assert.deepEqual([report.code, levelOf(report, 'broker')], [1, 'fail'])
  assert.match(found(report, 'broker').reason, /ECONNREFUSED/)
  assert.ok(report.findings.length > 15)
})

test("the exit code is the gravest finding's, and the host alone is examined where that is asked", async () => {
  const report = await doctor('--host-only')
  const codes = { pass: 0, unknown: 0, warn: 4, fail: 1 }
  assert.equal(report.code, codes[report.level as keyof typeof codes])
  assert.ok(report.findings.every(({ stream, check }) => stream === undefined && check !== 'broker'))
  const tooMany = await doctor('--host-only', '--clients', '900000000')
  assert.equal(tooMany.code, 1)
  const { stdout } = await carillon('doctor', '--host-only')
  assert.match(stdout, /^\d+ fail, \d+ warn, \d+ unknown, \d+ pass\n$/m)
})

test('a measurement that is interrupted ends with 130, writes nothing and leaves nothing running', async () => {
  const out = join(folder, 'measured.json')
  const own = mkdtempSync(join(folder, 'tmp-'))
  const run = new Run(['doctor', '--measure', '--clients', '200', '--out', out], folder, { TMPDIR: own })
  await until('the load flows', () => run.child.exitCode !== null || run.stderr.includes('events/s to 10 clients'))
  run.child.kill('SIGINT')
  assert.equal(await run.ended, 130, run.stderr)
  assert.equal(existsSync(out), false)
  assert.deepEqual(readdirSync(own), [])
})

test('a plan is made from the command line, as text and as JSON', async () => {
  const args = [
    'plan',
    '--clients',
    '60M',
    '--rate',
    '1/min',
    '--payload',
    '512',
    '--p99',
    '500ms',
    '--host',
    'migratorydata-12m',
  ]
  const text = await carillon(...args)
  assert.equal(text.code, 0, text.stderr)
  assert.match(text.stdout, /^7 hosts \(6 carry everything, 1 spare\)/)
  const { hosts, spares, figures } = JSON.parse((await carillon(...args, '--json')).stdout)
  assert.deepEqual([hosts, spares, figures.cores], [6, 1, 12])
})

test('what is missing or wrong for a plan is one clear line, with exit code 2', async () => {
  const right = { clients: '1k', rate: '1/min', payload: '512', p99: '50ms' }
  const broken = join(folder, 'broken.json')
  writeFileSync(broken, '{"source": "here", "cores": 0}')
  for (const [change, said] of [
    [{ clients: undefined }, /expected --clients, got none/],
    [{ rate: undefined }, /expected --rate \(of each client\) or --total-rate \(of all\), got neither/],
    [{ rate: '1/fortnight' }, /--rate: expected a rate above 0 with its period.*got "1\/fortnight"/],
    [{ rate: '5M/s' }, /no number of such hosts carries this/],
    [{ payload: '1GB' }, /--payload: expected a size/],
    [{ 'fan-out': '2k' }, /--fan-out: expected at most the 1,000 clients, got 2,000/],
    [{ host: join(folder, 'none.json') }, /--host .*none\.json: expected a readable JSON file.*ENOENT/],
    [{ host: broken }, /--host .*broken\.json: cores: expected a number of at least 1, got 0/],
  ] as const) {
    const options = Object.entries({ ...right, ...change }).filter(([, value]) => value !== undefined)
    const { code, stderr } = await carillon('plan', ...options.flatMap(([name, value]) => [`--${name}`, value!]))
    assert.equal(code, 2, stderr)
    assert.match(stderr, said)
    assert.equal(stderr.trimEnd().split('\n').length, 1)
  }
})
