import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { natsAvailable } from '../brokers/nats.ts'
import { administerNats } from '../brokers/nats-admin.ts'
import { carillon, type GatewayProcess, patienceMs } from '../support/gateway-process.ts'
import { until } from '../support/until.ts'
import { closeAll, connect, haveEvents } from './support/clients.ts'
import { NatsSite } from './support/nats-site.ts'

/** What others do to JetStream streams that gateways read: a gateway says so, and goes on. */

const skip = natsAvailable()
const basePort = 21_640

describe('gateways on JetStream streams that others change', skip === undefined ? {} : { skip }, () => {
  let site: NatsSite

  before(async () => {
    site = await NatsSite.start(basePort, [])
  })

  after(() => site?.close())

  const administer: <T>(run: Parameters<typeof administerNats<T>>[1]) => Promise<T> = (run) =>
    administerNats(site.server.address, run)

  /** Of one raw stream with one partition. */
  const configOf = (topic: string) => ({
    broker: site.url,
    streams: { orders: { topic, partitions: 1, format: 'raw' } },
    routes: [{ subjects: '>', stream: 'orders', by: { hash: 'java' } }],
  })

  test('records under a subject that was added beside that of the partition are rejected by name, and /readyz names it until it is gone', async (t) => {
    await administer(({ streams }) => streams.add({ name: 'edited-0', subjects: ['edited.0.>'] }))
    const gateway = await site.gateway(basePort + 2, configOf('edited'))
    const client = connect('websocket json', gateway.url, ['>'])
    t.after(() => closeAll([client]))
    await until('it is live', patienceMs, () => client.live)
    const subjects = (...all: string[]) => administer(({ streams }) => streams.update('edited-0', { subjects: all }))
    await subjects('edited.0.>', 'other.>', 'b', 'edited0x')
    await administer(async (_, connection) => {
      for (const subject of ['other.thing.x', 'edited0x', 'b', 'edited.0.a']) await connection.request(subject, '1')
    })
    await haveEvents([client], 1)
    assert.deepEqual(
      client.story.events.map(({ subject }) => subject),
      ['a'],
    )
    const { records } = (await gateway.admin('/v1/admin/rejected')).json
    assert.deepEqual(
      records.map(({ reason, key }: { reason: string; key: string }) => [reason, key]).reverse(),
      ['other.thing.x', 'edited0x', 'b'].map((subject) => ['foreign_subject', subject]),
    )
    const { json } = await gateway.readiness(({ status, json: { degraded } }) => status === 200 && degraded.length > 0)
    assert.match(
      json.degraded.join(),
      /orders is read, but JetStream stream edited-0: expected the subjects edited\.0\.>/,
    )
    assert.equal(await gateway.metric('carillon_stream_state{stream="orders",state="up"}'), 1)
    await subjects('edited.0.>')
    await gateway.becomesReady()
  })

  /** Of one partition, read from its beginning on, with a consumer that others may use up; and a client of it. */
  const limited = (name: string, limits: object) =>
    administer(({ streams }) => streams.add({ name: `${name}-0`, subjects: [`${name}.0.>`], ...limits }))

  const write = (subject: string, count: number) =>
    administer(async (_, connection) => {
      for (let i = 0; i < count; i++) await connection.request(subject, `${i}`)
    })

  test('a gateway that gets no consumer is not ready and says why, and reads all once it gets one', async (t) => {
    await limited('full', { max_consumers: 1 })
    await administer(({ consumers }) => consumers.add('full-0', { durable_name: 'other', ack_policy: 'explicit' }))
    const gateway = site.startGateway(basePort + 4, configOf('full'))
    const { json } = await gateway.readiness(({ status, json: { reasons } }) => {
      return status === 503 && reasons.some((each: string) => each.includes('full-0'))
    })
    assert.match(json.reasons.join(), /orders is away: .*stream full-0: .*maximum consumers limit reached \(10026\)/)
    assert.equal(await gateway.metric('carillon_stream_state{stream="orders",state="away"}'), 1)
    const { streams } = (await gateway.admin('/v1/admin/status')).json
    assert.match(streams[0].detail, /maximum consumers/)
    const doctor = await findings(gateway, 'consumers')
    assert.deepEqual([doctor.level, doctor.figure], ['fail', 'at most 1 a partition'])
    const client = connect('websocket json', gateway.url, ['>'])
    t.after(() => closeAll([client]))
    await write('full.0.a', 10)
    await administer(({ consumers }) => consumers.delete('full-0', 'other'))
    await haveEvents([client], 10)
    await gateway.becomesReady()
  })

  test('consumers that are paused behind the gateway are told, and made anew, with nothing lost', async (t) => {
    await limited('paused', {})
    const gateway = await site.gateway(basePort + 6, configOf('paused'))
    const client = connect('websocket json', gateway.url, ['>'])
    t.after(() => closeAll([client]))
    await until('it is live', patienceMs, () => client.live)
    await administer(async ({ consumers }) => {
      for await (const { name } of consumers.list('paused-0')) {
        await consumers.pause('paused-0', name, new Date(Date.now() + 3_600_000))
      }
    })
    await write('paused.0.a', 20)
    // What is known of any broker comes first: that nothing comes.
    const reason = /paused-0: its consumer delivers nothing, although the stream has records from 1 on/
    await gateway.readiness(({ status, json: { degraded } }) => status === 200 && reason.test(degraded.join()))
    await haveEvents([client], 20)
    await gateway.becomesReady()
    assert.deepEqual(client.story.gaps, [])
  })

  test('a stream that programs have is served as it is: their publishes, wildcards, resuming, publishing to it, and the commands', async (t) => {
    const config = {
      broker: site.url,
      streams: { orders: { topic: 'ORDERS', layout: 'single', partitions: 1, format: 'raw' } },
      routes: [{ subjects: '>', stream: 'orders', by: { hash: 'nats' } }],
    }
    const gateway = site.startGateway(basePort + 8, config)
    const { json } = await gateway.readiness(({ status, json: { reasons } }) => {
      return status === 503 && reasons.some((each: string) => each.includes('missing'))
    })
    assert.match(
      json.reasons.join(),
      /no stream "ORDERS"; create it with: nats -s \S+ stream add ORDERS --subjects SUBJE/,
    )
    const run = (...args: string[]) => promisify(execFile)(carillon, [...args, '--config', gateway.configFile])
    const { stdout: missing, stderr } = await run('streams', 'create')
    assert.match(missing, /orders +ORDERS +missing/)
    assert.match(stderr, /stream orders is read as it is \(layout: single\) and is missing; create it with: nats/)
    await administer(({ streams }) => streams.add({ name: 'ORDERS', subjects: ['orders.>', 'refunds.*'] }))
    await gateway.becomesReady()
    assert.match((await run('streams')).stdout, /orders +ORDERS +1 /)
    const eu = connect('websocket json', gateway.url, ['orders.eu.*'])
    const all = connect('sse', gateway.url, ['>'])
    t.after(() => closeAll([eu, all]))
    await until('they are live', patienceMs, () => eu.live && all.live)
    // Requests of JetStream's clients, and what core NATS publishes.
    await write('orders.eu.c1', 2)
    await administer(async (_, connection) => {
      connection.publish('orders.us.c2', 'core')
      await connection.flush()
      await connection.request('refunds.c1', 'refund')
    })
    await haveEvents([eu], 2)
    const { token } = eu
    closeAll([eu])
    const heard: string[] = []
    await administer(async (_, connection) => {
      const subscription = connection.subscribe('orders.>', { callback: (__, { subject }) => void heard.push(subject) })
      await connection.flush()
      const published = await gateway.publish({ subject: 'orders.eu.c3', contentType: 'text/plain', text: 'ours' })
      assert.equal(published.status, 200, published.text)
      assert.deepEqual([published.json.results[0].partition, published.json.results[0].offset], [0, 5])
      await until('whoever else listens hears it', patienceMs, () => heard.length > 0)
      subscription.unsubscribe()
    })
    assert.deepEqual(heard, ['orders.eu.c3'])
    const stranger = await gateway.publish({ subject: 'others.a', text: 'x' })
    assert.deepEqual([stranger.status, stranger.json.error.code], [404, 'no_route'])
    const resumed = connect('websocket json', gateway.url, ['orders.eu.*'], token)
    t.after(() => closeAll([resumed]))
    await haveEvents([resumed], 1)
    await haveEvents([all], 5)
    assert.deepEqual(
      resumed.story.events.map(({ subject, data, offset }) => [subject, data, offset]),
      [['orders.eu.c3', 'ours', 5]],
    )
    assert.deepEqual(
      all.story.events.map(({ subject, offset }) => [subject, offset]),
      [
        ['orders.eu.c1', 1],
        ['orders.eu.c1', 2],
        ['orders.us.c2', 3],
        ['refunds.c1', 4],
        ['orders.eu.c3', 5],
      ],
    )
    assert.deepEqual([resumed.story.gaps, all.story.gaps], [[], []])
    assert.match((await findings(gateway, 'replication')).fix, /cluster|stream edit ORDERS --replicas/)
    const { stdout: where } = await run('routes', 'orders.eu.c1')
    assert.match(where, /orders +0 +orders\.eu\.c1/)
    const { stdout: sent } = await run('publish', 'refunds.c9', 'by hand', '--broker', site.url)
    assert.match(sent, /orders/)
    await haveEvents([all], 6)
  })
})

/** What the doctor finds with the gateway's configuration. */
async function findings(
  gateway: GatewayProcess,
  check: string,
): Promise<Readonly<Record<'level' | 'figure' | 'fix', string>>> {
  const run = promisify(execFile)(carillon, ['doctor', '--config', gateway.configFile, '--json'])
  const { stdout } = await run.catch((error: { stdout: string }) => error)
  return JSON.parse(stdout).findings.find((each: { check: string }) => each.check === check)
}
