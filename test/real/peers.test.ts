import assert from 'node:assert/strict'
import test, { after, describe } from 'node:test'
import { Bench } from '../../src/bench/bench.ts'
import { loadOf, type ScenarioName } from '../../src/bench/load/scenario.ts'
import type { Target } from '../../src/bench/load/target.ts'
import type { Report } from '../../src/bench/report/report.ts'
import { Stop } from '../../src/bench/stop.ts'
import { bare, carillon, catalog } from '../peers/catalog.ts'
import { PeerSite } from '../peers/site.ts'
import { FaultyProxy } from '../support/faulty-proxy.ts'
import { until } from '../support/until.ts'

/** Each peer that is measured is measured fairly: what was published reaches its clients, and what does not is seen. */

const site = new PeerSite(21_400)
// Kafka has ports 80 and 90 of the hundred.
const proxyPort = 21_495
const entries = catalog(site, {})
const of = (id: string) => entries.find((entry) => entry.id === id)!
const clients = 20

after(() => site.close())

async function measured(target: Target, scenario: ScenarioName, rate: number, stop = new Stop()): Promise<Report> {
  const load = loadOf(scenario, { rate, clients, durationS: 2, warmupS: 0 })
  const progress = { step() {}, connecting() {}, second() {} }
  const bench = new Bench({ target, load, stop, progress, calibrated: false })
  try {
    await bench.open()
    return bench.report(await bench.measure())
  } finally {
    await bench.close()
  }
}

async function deliversAll(make: () => Promise<Target>, broadcasts = false): Promise<void> {
  const unicast = await measured(await make(), 'unicast', 200)
  assert.deepEqual(unicast.problems, [])
  const { latency, caughtUp } = unicast
  // A due time is rounded, so one may fall out of the window.
  assert.ok(Math.abs(latency.count + caughtUp.count - 400) <= 1, `${latency.count} events came`)
  assert.ok(unicast.cpuUsPerDelivery > 0)
  if (!broadcasts) return
  const broadcast = await measured(await make(), 'broadcast', 10)
  assert.deepEqual(broadcast.problems, [])
  assert.ok(Math.abs(broadcast.latency.count - clients * 20) <= clients, `${broadcast.latency.count} deliveries came`)
}

describe('peers side by side', { timeout: 180_000 }, () => {
  for (const [kind, name] of [
    ['nats', 'NATS'],
    ['kafka', 'Kafka'],
  ] as const) {
    const skip = site.lacks(kind) ?? false
    const broadcasts = kind === 'nats'
    test(`bare uWebSockets.js delivers all of ${name}`, { skip }, () => deliversAll(() => bare(site, kind), broadcasts))
    test(`Carillon delivers all of ${name}`, { skip }, () => deliversAll(() => carillon(site, kind)))
  }

  // nchan is a package of Debian's alone: elsewhere its peer is left out, and its test with it.
  const packaged = of('nchan').lacks === undefined ? ['nchan'] : []
  for (const id of ['nats', 'ws', 'socketio', ...packaged]) {
    const { lacks, make } = of(id)
    test(`${id} delivers all`, { skip: lacks ?? false }, () => deliversAll(() => make(site), id === 'ws'))
  }

  test('a message that a peer swallows is a loss', { skip: of('ws').lacks ?? false }, async () => {
    const target = await of('ws').make(site)
    const proxy = await FaultyProxy.start(proxyPort, target.endpoints[0]!.port)
    let dropped = 0
    proxy.passes = (chunk) => {
      const drop = dropped === 0 && chunk.includes('"n":"00000002"')
      if (drop) dropped++
      return !drop
    }
    const stop = new Stop()
    const endpoints = [{ host: '127.0.0.1', port: proxyPort, tls: false }]
    const run = measured(through(target, endpoints), 'unicast', 50, stop)
    // What is late is waited for as long as the run has no other problem.
    await until('the message is swallowed', 20_000, () => dropped === 1)
    setTimeout(() => stop.fail('waited enough'), 2500)
    const report = await run
    proxy.close()
    assert.equal(report.promises.lost, 1)
    assert.match(report.problems.join(), /1 deliveries were lost/)
  })
})

/** The target with its clients sent elsewhere. */
function through(target: Target, endpoints: Target['endpoints']): Target {
  const { name, settings, clients: crowd, publisher, crash } = target
  return {
    ...{ name, settings, clients: crowd, publisher, crash, endpoints },
    pids: () => target.pids(),
    start: () => target.start(),
    stop: () => target.stop(),
    problem: () => target.problem(),
    metrics: () => target.metrics(),
  }
}
