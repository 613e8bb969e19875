import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import kafkajs, { type AclOperationTypes } from 'kafkajs'
import type { KafkaOptions } from '../../src/source/kafka/options.ts'
import type { KafkaSasl, SaslMechanism } from '../../src/source/kafka/security.ts'
import { openKafka } from '../../src/source/kafka/source.ts'
import type { Source } from '../../src/source/source.ts'
import { Authority, type Certificate, opensslMissing } from '../brokers/certificates.ts'
import { kafkaAvailable } from '../brokers/kafka.ts'
import { administer, createTopics, kafkaClient } from '../brokers/kafka-admin.ts'
import { setScramPassword } from '../brokers/kafka-scram.ts'
import {
  admin,
  adminPassword,
  guest,
  guestPassword,
  type Listener,
  reauthMs,
  type SecuredKafka,
  startSecuredKafka,
} from '../brokers/kafka-secured.ts'
import { FaultyProxy } from '../support/faulty-proxy.ts'
import { GatewayProcess, patienceMs } from '../support/gateway-process.ts'
import { until } from '../support/until.ts'
import { type Client, closeAll, connect, connectAll, haveEvents, isLive } from './support/clients.ts'
import { KafkaPublisher } from './support/publish.ts'
import { Run } from './support/run.ts'

/** How a gateway comes to a Kafka that asks who it is, and what a person is told when it doesn't. */

const skip = kafkaAvailable() ?? opensslMissing()
const basePort = 19_850
/** Beside the broker's ports. */
const [impostorPort, gatewayPort, secondPort, sessionPort] = [19_861, 19_862, 19_864, 19_866]
const topic = 'secured'
const routes = [{ subjects: '>', stream: 'secured', by: { hash: 'java' } }]
const streams = { secured: { topic, partitions: 2 } }

describe('a Kafka that asks who it is', skip === undefined ? {} : { skip }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'carillon-secured-'))
  let kafka: SecuredKafka
  let other: Authority
  let publisher: KafkaPublisher

  before(async () => {
    kafka = await startSecuredKafka(basePort, dir)
    other = new Authority(dir, 'other')
    const brokers = [kafka.address('plaintext')]
    publisher = new KafkaPublisher(kafkaClient(brokers))
    await createTopics(brokers, [{ topic, numPartitions: 2 }])
  })

  after(async () => {
    await session?.end()
    await publisher?.close()
    await kafka?.cluster.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  const file = (name: string, content: string) => {
    const path = join(dir, name)
    writeFileSync(path, content)
    return path
  }
  const sasl = (mechanism: SaslMechanism, username = admin, password = adminPassword): KafkaSasl => {
    return { mechanism, username, passwordFile: file(`password-${mechanism}-${username}`, `${password}\n`) }
  }
  const tls = () => ({ enabled: true, caFile: kafka.authority.cert })
  const showing = ({ cert, key }: Certificate) => ({ ...tls(), certFile: cert, keyFile: key })

  type Options = Partial<Pick<KafkaOptions, 'tls' | 'sasl'>>
  const configOf = (address: string, options: Options) => {
    return { broker: `kafka://${address}`, kafka: options, streams, routes }
  }

  function gatewayAt(t: TestContext, port: number, address: string, options: Options): GatewayProcess {
    const gateway = new GatewayProcess({ port, dir, config: configOf(address, options) })
    gateway.start()
    t.after(() => gateway.end())
    return gateway
  }

  /** What `/readyz` says matches, and so does one line of the log, which stands there once. */
  async function says(gateway: GatewayProcess, words: RegExp): Promise<void> {
    const { json } = await gateway.readiness(({ text }) => words.test(text))
    assert.match([...json.reasons, ...json.degraded][0], /^stream secured is away: /)
    await until('the log says it', patienceMs, () => words.test(gateway.output))
    assert.equal(gateway.output.split('\n').filter((line) => words.test(line)).length, 1, gateway.output)
    for (const secret of [adminPassword, guestPassword]) assert.ok(!gateway.output.includes(secret))
  }

  const run = (...args: string[]) => new Run(args, dir)

  // What works

  const ways: readonly (readonly [what: string, Listener, () => Options])[] = [
    ['TLS', 'tls', () => ({ tls: tls() })],
    ['mutual TLS', 'mutual', () => ({ tls: showing(kafka.client) })],
    ['TLS to another name', 'elsewhere', () => ({ tls: { ...tls(), serverName: 'elsewhere.example' } })],
    ['SASL PLAIN', 'sasl', () => ({ sasl: sasl('plain') })],
    ['SCRAM-SHA-256', 'sasl', () => ({ sasl: sasl('scram-sha-256') })],
    ['SCRAM-SHA-512', 'sasl', () => ({ sasl: sasl('scram-sha-512') })],
  ]
  for (const [what, listener, options] of ways) {
    test(`a gateway reads and publishes by ${what}`, async (t) => {
      const gateway = gatewayAt(t, gatewayPort, kafka.address(listener), options())
      await gateway.becomesReady()
      await roundTrip(gateway, `ways.${listener}.${what.length}`)
    })
  }

  async function roundTrip(gateway: GatewayProcess, subject: string): Promise<void> {
    const clients = await connectAll(gateway.url, [subject])
    try {
      const answer = await gateway.publish({ subject, text: 'through the gateway' })
      assert.equal(answer.status, 200, answer.text)
      await publisher.events(topic, [[subject, 'beside it']])
      await haveEvents(clients, 2)
    } finally {
      closeAll(clients)
    }
  }

  /** The local ports of what is connected there. */
  function connectionsTo(address: string): string[] {
    const port = Number(address.split(':')[1]).toString(16).toUpperCase()
    const established = '01'
    const rows = readFileSync('/proc/net/tcp', 'utf8').split('\n')
    const columns = rows.map((row) => row.trim().split(/\s+/))
    const open = columns.filter(([, , to, state]) => to?.endsWith(`:${port}`) && state === established)
    return open.map(([, from]) => from!)
  }

  // Beside all that follows: the end of a session takes its time.
  let startedMs = 0
  const connections: string[] = []
  let session: GatewayProcess | undefined

  test('a gateway reads and publishes by TLS and SCRAM', async () => {
    const config = configOf(kafka.address('saslTls'), { tls: tls(), sasl: sasl('scram-sha-512') })
    session = new GatewayProcess({ port: sessionPort, dir, config })
    session.start()
    await session.becomesReady()
    startedMs = performance.now()
    await roundTrip(session, 'session.first')
    connections.push(...connectionsTo(kafka.address('saslTls')))
    assert.ok(connections.length > 0)
  })

  test('the command line takes the same options', async () => {
    const { passwordFile } = sasl('scram-sha-512')
    const config = file('cli.json', JSON.stringify({ streams, routes }))
    const to = ['--broker', `kafka://${kafka.address('saslTls')}`, '--config', config]
    const who = ['--kafka-sasl-mechanism', 'scram-sha-512', '--kafka-sasl-username', admin]
    const by = [...who, '--kafka-tls-enabled', '--kafka-tls-ca-file', kafka.authority.cert]
    const right = [...by, '--kafka-sasl-password-file', passwordFile!]
    const listed = run('streams', 'list', ...to, ...right)
    assert.equal(await listed.ended, 0, listed.stderr)
    assert.match(listed.stdout, /secured +secured +2/)
    const published = run('publish', ...to, ...right, 'cli.door', 'open')
    assert.equal(await published.ended, 0, published.stderr)
    const wrong = run('publish', ...to, ...by, '--kafka-sasl-password-file', config, 'cli.door', 'open')
    assert.notEqual(await wrong.ended, 0)
    assert.match(wrong.stderr, /refused user "alice" by SCRAM-SHA-512: wrong name .* or password .*cli\.json/)
  })

  // What does not, and what is said

  const anywhere = `127.0.0.1:${impostorPort}`
  const mistakes: readonly (readonly [what: string, Listener, () => Options, RegExp])[] = [
    [
      'a wrong PLAIN password',
      'sasl',
      () => ({ sasl: sasl('plain', admin, 'guess') }),
      /refused user "alice" by PLAIN: wrong name .* or password/,
    ],
    [
      'a wrong SCRAM password',
      'sasl',
      () => ({ sasl: sasl('scram-sha-256', admin, 'guess') }),
      /refused user "alice" by SCRAM-SHA-256: wrong name .* or password/,
    ],
    ['an unknown user', 'sasl', () => ({ sasl: sasl('scram-sha-512', 'nobody', 'guess') }), /refused user "nobody"/],
    [
      'a mechanism that is not enabled',
      'saslTls',
      () => ({ tls: tls(), sasl: sasl('plain') }),
      /does not accept PLAIN \(kafka\.sasl\.mechanism\).*offers SCRAM-SHA-512$/,
    ],
    ['no SASL where it is asked for', 'sasl', () => ({}), /closed the connection at the first request.*kafka\.sasl/],
    ['SASL where there is none', 'plaintext', () => ({ sasl: sasl('plain') }), /does not accept SASL on this port/],
    ['no TLS where it is spoken', 'tls', () => ({}), /uses TLS on this port: set kafka\.tls\.enabled/],
    ['TLS where it is not spoken', 'plaintext', () => ({ tls: tls() }), /does not use TLS on this port/],
    [
      'an authority that the system does not know',
      'tls',
      () => ({ tls: { enabled: true } }),
      /no authority that this system trusts.*kafka\.tls\.caFile/,
    ],
    [
      'another authority than that of the file',
      'tls',
      () => ({ tls: { enabled: true, caFile: other.cert } }),
      /no authority in kafka\.tls\.caFile .*other\.pem/,
    ],
    [
      'a certificate for another host',
      'elsewhere',
      () => ({ tls: tls() }),
      /not for 127\.0\.0\.1 \(it is for DNS:elsewhere\.example\).*kafka\.tls\.serverName/,
    ],
    ['an expired certificate', 'expired', () => ({ tls: tls() }), /certificate has expired/],
    [
      'no client certificate where it is asked for',
      'mutual',
      () => ({ tls: tls() }),
      /asks for a client certificate.*kafka\.tls\.certFile/,
    ],
    [
      'a client certificate of another authority',
      'mutual',
      () => ({ tls: showing(other.issue({ name: 'stranger' })) }),
      /refused the client certificate in .*stranger\.pem/,
    ],
  ]
  for (const [what, listener, options, words] of mistakes) {
    test(`${what} is named`, async (t) => {
      const source = await opened(t, kafka.address(listener), options())
      await assert.rejects(source.describe(topic), { code: 'broker_unavailable', message: words })
    })
  }

  async function opened(t: TestContext, address: string, options: Partial<KafkaOptions>): Promise<Source> {
    const source = await openKafka({ brokers: [address], ...options }, { log: () => {} })
    t.after(() => source.close())
    return source
  }

  /** A server in the place of a broker; returns what ends it with its connections. */
  async function listens(t: TestContext, server: Server): Promise<() => Promise<void>> {
    const sockets = new Set<{ destroy(): void }>()
    server.on('connection', (socket) => sockets.add(socket))
    await new Promise<void>((resolve) => server.listen(impostorPort, '127.0.0.1', resolve))
    const end = (): Promise<void> =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      })
    t.after(end)
    return end
  }

  /** A way to a listener of the broker, at the port of the impostors. */
  async function passage(t: TestContext, listener: Listener): Promise<FaultyProxy> {
    const proxy = await FaultyProxy.start(impostorPort, Number(kafka.address(listener).split(':')[1]))
    t.after(() => proxy.close())
    return proxy
  }

  test('a port with an HTTP server is told, and the gateway goes on when Kafka is there', async (t) => {
    const endWeb = await listens(t, createHttpServer())
    const gateway = gatewayAt(t, gatewayPort, anywhere, {})
    await says(gateway, /is not a Kafka broker but an HTTP server: it answered .{0,2}"HTTP\/1\.1 400 Bad Request/)
    await endWeb()
    await passage(t, 'plaintext')
    await gateway.becomesReady()
  })

  test('something that answers nothing is given up in time', async (t) => {
    await listens(
      t,
      createServer(() => {}),
    )
    for (const options of [{}, { tls: tls() }]) {
      const source = await opened(t, anywhere, { ...options, connectTimeoutMs: 300 })
      await assert.rejects(source.describe(topic), { code: 'broker_unavailable', message: /timeout|no answer/i })
    }
  })

  test('a broker that refuses a password is not asked again at once, but as soon as the password is another one', async (t) => {
    const seen = await passage(t, 'sasl')
    const wrong = sasl('plain', admin, 'guess')
    const source = await opened(t, anywhere, { sasl: wrong })
    for (let i = 0; i < 3; i++) await assert.rejects(source.describe(topic), { message: /wrong name/ })
    assert.equal(seen.opened, 1)
    writeFileSync(wrong.passwordFile!, adminPassword)
    assert.equal((await source.describe(topic))?.partitions, 2)
  })

  // Mended while it runs

  test('a gateway with a wrong password goes on when its file has the right one', async (t) => {
    const wrong = sasl('scram-sha-512', admin, 'guess')
    const gateway = gatewayAt(t, gatewayPort, kafka.address('sasl'), { sasl: wrong })
    await says(gateway, /refused user .{0,2}"alice.{0,2}" by SCRAM-SHA-512/)
    assert.doesNotMatch(gateway.output, /guess/)
    writeFileSync(wrong.passwordFile!, `${adminPassword}\n`)
    await gateway.becomesReady()
    await roundTrip(gateway, 'mended.password')
  })

  test('a password that changes at the broker ends no connection, and the next one needs the new password', async (t) => {
    const broker = kafka.address('plaintext')
    await setScramPassword(broker, guest, 'another')
    t.after(() => setScramPassword(broker, guest, guestPassword))
    const own = sasl('scram-sha-256', guest, guestPassword)
    const source = await opened(t, kafka.address('sasl'), { sasl: own, refusedMs: 200 })
    await assert.rejects(source.describe(topic), { message: /wrong name/ })
    await setScramPassword(broker, guest, guestPassword)
    // Known by now, if without rights.
    const isKnown = () => assert.rejects(source.describe(topic), { message: /User:bob may not Describe/ })
    await until('the broker takes it', patienceMs, () => isKnown().then(() => true))
    await setScramPassword(broker, guest, 'another')
    await isKnown()
  })

  test('a gateway with the wrong authority, then the wrong certificate, goes on when the files are right', async (t) => {
    const caFile = join(dir, 'mended-ca.pem')
    const certFile = join(dir, 'mended.pem')
    const keyFile = join(dir, 'mended.key')
    const stranger = other.issue({ name: 'mended' })
    copyFileSync(other.cert, caFile)
    copyFileSync(stranger.cert, certFile)
    copyFileSync(stranger.key, keyFile)
    const gateway = gatewayAt(t, gatewayPort, kafka.address('mutual'), { tls: { ...tls(), caFile, certFile, keyFile } })
    await says(gateway, /no authority in kafka\.tls\.caFile .*mended-ca\.pem/)
    copyFileSync(kafka.authority.cert, caFile)
    await says(gateway, /refused the client certificate in .*mended\.pem/)
    copyFileSync(kafka.client.key, keyFile)
    await says(gateway, /expected the private key of .*mended\.pem, got another one/)
    copyFileSync(kafka.client.cert, certFile)
    await gateway.becomesReady()
  })

  // ACLs

  const acl = (operation: AclOperationTypes) => ({
    resourceType: kafkajs.AclResourceTypes.TOPIC,
    resourceName: topic,
    resourcePatternType: kafkajs.ResourcePatternTypes.LITERAL,
    principal: `User:${guest}`,
    host: '*',
    operation,
    permissionType: kafkajs.AclPermissionTypes.ALLOW,
  })
  const grant = (operation: AclOperationTypes) =>
    administer([kafka.address('plaintext')], (client) => client.createAcls({ acl: [acl(operation)] }))
  const revoke = (operation: AclOperationTypes) =>
    administer([kafka.address('plaintext')], (client) => client.deleteAcls({ filters: [acl(operation)] }))
  const { DESCRIBE, READ, WRITE } = kafkajs.AclOperationTypes

  test('missing rights are named one after the other, and what may only be read is read', async (t) => {
    const gateway = gatewayAt(t, gatewayPort, kafka.address('sasl'), { sasl: sasl('plain', guest, guestPassword) })
    const needs = (operation: string) =>
      new RegExp(
        `User:bob may not ${operation} topic secured; grant it: kafka-acls.sh .*--allow-principal User:bob --operation ${operation} --topic secured`,
      )
    await says(gateway, needs('Describe'))
    await grant(DESCRIBE)
    await says(gateway, needs('Read'))
    await grant(READ)
    await gateway.becomesReady()
    const client = connect('sse', gateway.url, ['guests.>'])
    t.after(() => client.close())
    await isLive(client)
    const refused = await gateway.publish({ subject: 'guests.x', text: 'no' })
    assert.deepEqual([refused.status, refused.json.error.code], [403, 'publish_forbidden'])
    assert.match(refused.json.error.message, /^the gateway may not write to the stream of this subject$/)
    await until('the log names the right', patienceMs, () => needs('Write').test(gateway.output))
    await publisher.events(topic, [['guests.x', 'read']])
    await haveEvents([client], 1)
    await grant(WRITE)
    await until('it may publish', patienceMs, async () => {
      return (await gateway.publish({ subject: 'guests.x', text: 'written' })).status === 200
    })
    await haveEvents([client], 2)
    await loses(gateway, client)
  })

  /** A right that is taken away while a client listens. */
  async function loses(gateway: GatewayProcess, client: Client): Promise<void> {
    await revoke(READ)
    await gateway.readiness(({ text }) => /may not Read topic secured/.test(text))
    await publisher.events(topic, [['guests.x', 'meanwhile']])
    await grant(READ)
    await gateway.becomesReady()
    await haveEvents([client], 3)
    const told = client.story.events.map(({ data }) => data)
    assert.deepEqual([told, client.story.gaps, client.ends], [['read', 'written', 'meanwhile'], [], []])
    for (const operation of [DESCRIBE, READ, WRITE]) await revoke(operation)
  }

  test('a topic that may not be created is told with the right that lacks', async (t) => {
    const source = await opened(t, kafka.address('sasl'), { sasl: sasl('plain', guest, guestPassword) })
    await assert.rejects(source.create('mine', 1), {
      code: 'stream_unusable',
      message: /User:bob may not Create topic mine; grant it: .*--operation Create --topic mine/,
    })
  })

  test('a gateway without a right starts, and does not keep its client waiting', async (t) => {
    const gateway = gatewayAt(t, secondPort, kafka.address('sasl'), { sasl: sasl('plain', guest, guestPassword) })
    await gateway.readiness(({ status }) => status === 503)
    const answer = await until('it answers', patienceMs, () =>
      gateway.publish({ subject: 'guests.x', text: 'no' }).catch(() => undefined),
    )
    assert.deepEqual([answer.status, answer.json.error.code], [503, 'stream_unusable'])
    assert.match(answer.json.error.message, /^the gateway cannot use a required stream/)
    await until('the log names the right', patienceMs, () => /may not Describe/.test(gateway.output))
  })

  test('when its session is over the gateway has authenticated again on the same connections', async () => {
    assert.ok(session !== undefined)
    // The broker closes what has not by then.
    await until('its first session is over', patienceMs, () => performance.now() - startedMs > reauthMs + 1500)
    await roundTrip(session, 'session.second')
    const now = connectionsTo(kafka.address('saslTls'))
    assert.deepEqual(
      connections.filter((port) => !now.includes(port)),
      [],
    )
    assert.doesNotMatch(session.output, /is away/)
  })
})
