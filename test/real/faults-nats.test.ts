import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { openNats } from '../../src/source/jetstream/source.ts'
import { type NatsServer, natsAvailable, startNats } from '../brokers/nats.ts'
import { administerNats } from '../brokers/nats-admin.ts'
import { assertUntold, keptPromises, steadyFlow, whileAway } from './support/faults.ts'
import { type Damage, damageTable, type SteadyFlow, SteadySite } from './support/steady.ts'

/** One real nats-server: its faults as clients of two gateways see them. */

const skip = natsAvailable()
const port = 19_840
const partitions = 4
const streams = ['steady', 'again', 'kept'].map((name) => ({ name, partitions }))
/** How long a gateway may take to be back after its broker is, ms. */
const backMs = 4000

describe('faults of a nats-server under a steady flow', skip === undefined ? {} : { skip }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'carillon-faults-nats-'))
  const rows: Damage[] = []
  let server: NatsServer
  let site: SteadySite

  before(async () => {
    // Each message is on disk when it is acknowledged: a kill loses nothing that anybody was told of.
    server = await startNats({ port, dir: join(dir, 'server') })
    for (const { name } of streams) await create(name)
    site = await SteadySite.start({ broker: `nats://${server.address}`, streams, dir, ports: [port + 1, port + 3] })
  })

  after(async () => {
    await site?.close()
    await server?.kill()
    rmSync(dir, { recursive: true, force: true })
  })

  async function create(name: string): Promise<void> {
    const source = await openNats({ servers: [server.address] }, { log: () => {} })
    await source.create(name, partitions)
    await source.close()
  }

  const flow = (t: TestContext, stream: string, fault: string) => steadyFlow(t, site, stream, fault)
  const each = (name: string) => Array.from({ length: partitions }, (_, partition) => `${name}-${partition}`)

  async function judged(running: SteadyFlow): Promise<Damage> {
    const row = await keptPromises(running)
    rows.push(row)
    return row
  }

  test('a server that is killed and started again costs clients the time between', async (t) => {
    const running = await flow(t, 'steady', 'server killed')
    await server.kill()
    await delay(2000)
    await server.start()
    const row = await judged(running)
    assert.deepEqual(row.gaps, [])
    assert.ok(row.outageMs > 2000 && row.outageMs < 2000 + backMs, `${row.outageMs} ms`)
  })

  test('a server that freezes for ten seconds loses and repeats nothing', async (t) => {
    const running = await flow(t, 'steady', 'server frozen 10 s')
    server.freeze()
    try {
      await delay(10_000)
    } finally {
      server.resume()
    }
    const row = await judged(running)
    assert.deepEqual(row.gaps, [])
    assert.ok(row.outageMs > 9000 && row.outageMs < 10_000 + backMs, `${row.outageMs} ms`)
  })

  test('a gateway that is killed loses nothing for clients that go on at the other', async (t) => {
    const running = await flow(t, 'steady', 'gateway killed')
    const [first, second] = site.gateways
    const orphans = running.on(first)
    await first.end('SIGKILL')
    for (const client of orphans) client.cut()
    for (const client of orphans) client.resume(second.url)
    await running.recovered()
    await site.begin(first)
    assertUntold(await judged(running), backMs)
  })

  test('streams that are purged are told to those who were away, and cost nobody else anything', async (t) => {
    const running = await flow(t, 'kept', 'streams purged')
    const returned = await whileAway(site, running, async () => {
      await delay(1000)
      await administerNats(server.address, async ({ streams: api }) => {
        for (const name of each('kept')) await api.purge(name)
      })
    })
    const row = await judged(running)
    assert.ok(row.gaps.length >= returned.length, `${row.gaps.length} gaps for ${returned.length} clients`)
    for (const { reason } of row.gaps) assert.equal(reason, 'retention')
  })

  test('streams that are deleted and created again are told, and read from their beginning', async (t) => {
    const running = await flow(t, 'again', 'streams re-created')
    await administerNats(server.address, async ({ streams: api }) => {
      for (const name of each('again')) await api.delete(name)
    })
    await create('again')
    const row = await judged(running)
    assert.ok(row.gaps.length > 0)
    for (const { reason } of row.gaps) assert.ok(['recreated', 'rewritten'].includes(reason), reason)
  })

  test('the table of all faults', (t) => {
    for (const line of damageTable(rows)) t.diagnostic(line)
    assert.ok(rows.length > 0)
  })
})
