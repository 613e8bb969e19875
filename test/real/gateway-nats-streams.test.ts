import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { natsAvailable } from '../brokers/nats.ts'
import { administerNats } from '../brokers/nats-admin.ts'
import { patienceMs } from '../support/gateway-process.ts'
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
})
