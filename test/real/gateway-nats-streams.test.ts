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
const basePort = 19_950

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
    routes: [{ subjects: '>', stream: 'orders', by: { hash: 'murmur2' } }],
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
    const { json } = await gateway.readiness(({ status, json: { degraded } }) => status === 200 && degraded.length > 0)
    assert.match(json.degraded.join(), /paused-0: its consumer gives nothing, and the stream has records from 1 on/)
    await haveEvents([client], 20)
    await gateway.becomesReady()
    assert.deepEqual(client.story.gaps, [])
  })
})

/** What the doctor finds with the gateway's configuration. */
async function findings(gateway: GatewayProcess, check: string): Promise<{ level: string; figure: string }> {
  const run = promisify(execFile)(carillon, ['doctor', '--config', gateway.configFile, '--json'])
  const { stdout } = await run.catch((error: { stdout: string }) => error)
  return JSON.parse(stdout).findings.find((each: { check: string }) => each.check === check)
}
