import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { natsAvailable } from '../brokers/nats.ts'
import { administerNats } from '../brokers/nats-admin.ts'
import { FaultyProxy } from '../support/faulty-proxy.ts'
import { carillon, GatewayProcess, patienceMs } from '../support/gateway-process.ts'
import { type Answer, ask } from '../support/http.ts'
import { until } from '../support/until.ts'
import { closeAll, connect, connectAll, haveEvents } from './support/clients.ts'
import { gatewayFacts, siteStreams } from './support/gateway-facts.ts'
import { NatsSite } from './support/nats-site.ts'
import { envelope } from './support/publish.ts'

/** Whoever publishes to a real JetStream, clients of real gateways get each event once and in order, and resume exactly. */

const skip = natsAvailable()
const basePort = 19_820
const mapping = 'mappings = { "in.*.*": "events.{{partition(4,1,2)}}.events.{{wildcard(1)}}.{{wildcard(2)}}" }\n'

describe('gateways on a real JetStream', skip === undefined ? {} : { skip }, () => {
  let site: NatsSite
  let first: GatewayProcess
  let second: GatewayProcess

  before(async () => {
    site = await NatsSite.start(basePort, [...siteStreams, { name: 'sparse', partitions: 8 }], mapping)
    ;[first, second] = await Promise.all([site.gateway(basePort + 2), site.gateway(basePort + 4)])
  })

  after(() => site?.close())

  const reach = gatewayFacts(
    () => site,
    () => first,
    () => second,
    basePort + 6,
  )

  test('what JetStream acknowledges reaches every transport', async () => {
    const events = [
      ['events.nats.tür', 'a'],
      ['events.nats.tür', 'b'],
    ] as const
    await reach('events.nats.tür', events, () => site.publisher.events('events', [['events.other', 'x'], ...events]))
  })

  test('whoever comes before the streams are known waits for them', async (t) => {
    const proxy = await FaultyProxy.start(basePort + 12, basePort)
    t.after(() => proxy.close())
    // A broker that takes its time to say what there is.
    proxy.delayMs = 250
    const config = { ...site.config(['events']), broker: `nats://127.0.0.1:${basePort + 12}` }
    const gateway = new GatewayProcess({ port: basePort + 14, dir: site.dir, config })
    t.after(() => gateway.end())
    gateway.start()
    const early = () => ask(gateway.port, '/v1/poll?subject=events.early').catch(() => undefined)
    const answer = await until('it listens', patienceMs, early)
    assert.equal(answer.status, 200, answer.text)
    await gateway.becomesReady()
  })

  test('what core NATS publishes through an account mapping reaches every transport', async () => {
    const events = Array.from({ length: 20 }, (_, i) => [`events.zone${i}.door${i % 3}`, `${i}`] as const)
    await reach('events.*.*', events, () =>
      administerNats(site.server.address, async (_, connection) => {
        for (const [subject, data] of events)
          connection.publish(subject.replace('events', 'in'), envelope(subject, data))
        await connection.flush()
      }),
    )
    assert.deepEqual((await first.admin('/v1/admin/rejected')).json.records, [])
  })

  test('a partition that never had a record is nothing that a token must name', async (t) => {
    const [subject, pattern] = ['sparse.one', 'sparse.>']
    const client = connect('websocket json', first.url, [subject])
    t.after(() => closeAll([client]))
    await until('it is live', patienceMs, () => client.live)
    await site.publisher.events('sparse', [[subject, '1']])
    await haveEvents([client], 1)
    const resumed = connect('websocket json', first.url, [pattern], client.token)
    t.after(() => closeAll([resumed]))
    await until('it is live again', patienceMs, () => resumed.live)
    await site.publisher.events('sparse', [['sparse.two', '2']])
    await haveEvents([resumed], 1)
    assert.deepEqual(resumed.story.gaps, [])
  })

  test('the command line lists, prints and creates streams', async () => {
    const file = join(site.dir, 'made.yaml')
    const route = '{subjects: made.>, stream: made, by: {hash: nats}}'
    writeFileSync(file, `broker: ${site.url}\nstreams: {made: {topic: made, partitions: 2}}\nroutes: [${route}]\n`)
    const run = async (...args: string[]) => {
      return (await promisify(execFile)(carillon, ['streams', ...args, '--config', file])).stdout
    }
    assert.match(await run('list'), /made +made +missing/)
    assert.match(await run('list', '--print'), /nats -s nats:\/\/\S+ stream add "\$n-\$p" --subjects "\$n\.\$p\.>"/)
    assert.match(await run('create'), /made +made +2 +\d{4}-/)
    const subjects = await administerNats(site.server.address, async ({ streams }) => {
      return (await streams.info('made-1')).config.subjects
    })
    assert.deepEqual(subjects, ['made.1.>'])
  })

  test('a server that dies and comes back costs clients nothing, and publishers the wait', async (t) => {
    const clients = await connectAll(first.url, ['events.outage'])
    t.after(() => closeAll(clients))
    const publish = (...data: string[]) =>
      site.publisher.events(
        'events',
        data.map((each) => ['events.outage', each] as const),
      )
    await publish('before')
    await haveEvents(clients, 1)
    await site.server.kill()
    const away = ({ status, json }: Answer) =>
      status === 200 && json.degraded.some((each: string) => each.includes('events is away'))
    const { json } = await first.readiness(away)
    assert.match(json.degraded.join(), /events is away: nats:\/\/127\.0\.0\.1:19820: connection refused/)
    const waiting = first.publish({ subject: 'events.outage', text: 'meanwhile' })
    await site.server.start()
    assert.equal((await waiting).status, 200)
    await first.becomesReady()
    await publish('after')
    await haveEvents(clients, 3)
    for (const { transport, story } of clients) {
      assert.deepEqual(story.data, ['before', 'meanwhile', 'after'], transport)
      assert.deepEqual(story.gaps, [], transport)
    }
    assert.equal(await first.metric('carillon_broker_outages_total{stream="events"}'), 1)
  })

  test('a token of a history that a restored backup took back is told where the two differ', async (t) => {
    const name = 'leave'
    // Not in partition 0, whose creation is the whole stream's.
    const subject = ['leave.a', 'leave.b', 'leave.c', 'leave.d'].find((each) => {
      return site.publisher.partitionOf(name, each) === 1
    })!
    const client = connect('websocket json', first.url, [subject])
    t.after(() => closeAll([client]))
    await until('it is live', patienceMs, () => client.live)
    const [written] = await site.publisher.events(name, [[subject, 'kept']])
    const { offset } = written!
    await site.publisher.events(name, [[subject, 'gone']])
    await haveEvents([client], 2)
    const { token } = client
    closeAll([client])
    // The same offset again, with another record: what a server does that lost its last seconds.
    await administerNats(site.server.address, async ({ streams }) => {
      const stream = `${name}-1`
      const { config } = await streams.info(stream)
      await streams.delete(stream)
      await streams.add({ ...config, first_seq: offset } as typeof config)
    })
    await site.publisher.events(name, [
      [subject, 'new 1'],
      [subject, 'new 2'],
    ])
    await until('the gateway has read it', patienceMs, async () => {
      const { json } = await first.admin('/v1/admin/status')
      const { partitions } = json.streams.find((each: { name: string }) => each.name === name)
      return partitions[1].head === offset + 2 && partitions[1].read === offset + 2
    })
    const again = connect('websocket json', first.url, [subject], token)
    t.after(() => closeAll([again]))
    await haveEvents([again], 2)
    assert.deepEqual(again.story.data, ['new 1', 'new 2'])
    assert.deepEqual(
      again.story.gaps.map(({ reason }) => reason),
      ['rewritten'],
    )
  })
})
