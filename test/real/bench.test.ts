import assert from 'node:assert/strict'
import { join } from 'node:path'
import test, { after, before, describe } from 'node:test'
import type { Report } from '../../src/bench/report/report.ts'
import { FaultyProxy } from '../support/faulty-proxy.ts'
import { GatewayProcess } from '../support/gateway-process.ts'
import { until } from '../support/until.ts'
import { BenchRuns, benchSkip, small } from './support/bench-runs.ts'

const ports = { gateway: 21_200, proxy: 21_210, started: 21_220 } as const
const started = ['--first-port', String(ports.started)]
const runs = new BenchRuns()

after(() => runs.remove())

describe('bench on gateways that it starts', { skip: benchSkip, timeout: 240_000 }, () => {
  test('latency, CPU, memory and promises of a short run are reported, for each transport', async () => {
    for (const transport of ['ws', 'sse', 'poll']) {
      const options = ['--rate', '200', '--transport', transport, ...small, ...started]
      const { report, code } = await runs.measured('unicast', ...options)
      assert.deepEqual(report.problems, [])
      assert.equal(code, 0)
      const { latency, caughtUp, promises, cpu, server, memory, timeline } = report
      // A due time is rounded, so one may fall out of the window.
      assert.ok(Math.abs(latency.count + caughtUp.count - 400) <= 1, `${latency.count} over ${transport}`)
      assert.ok(latency.p50Ms > 0 && latency.p50Ms <= latency.p99Ms && latency.p99Ms <= latency.maxMs)
      assert.deepEqual([promises.lost, promises.repeated, promises.gaps, promises.told], [0, 0, 0, 0])
      for (const part of ['servers', 'clients', 'publisher'] as const)
        assert.ok(cpu[part].userS + cpu[part].systemS > 0)
      assert.ok(memory.serverMiB > 30 && server !== undefined && timeline.length >= 3)
    }
  })

  test('a gateway that is killed at full load loses nothing', async () => {
    const options = ['--rate', '200', '--clients', '50', '--duration', '6', '--warmup', '1', '--no-calibrate']
    const { report, code } = await runs.measured('failover', ...options, ...started)
    assert.deepEqual(report.problems, [])
    assert.equal(code, 0)
    assert.equal(report.promises.broken, 50)
    assert.ok(report.caughtUp.count > 0 && report.connecting.again.count === 50)
  })

  test('clients that come and go, at once or one by one, lose nothing', async () => {
    for (const scenario of ['storm', 'churn']) {
      const { report, code } = await runs.measured(scenario, '--rate', '100', ...small, ...started)
      assert.deepEqual(report.problems, [], scenario)
      assert.equal(code, 0)
    }
  })

  test('Ctrl-C ends a run with its report, and nothing is left', async () => {
    const options = ['--rate', '100', '--clients', '20', '--duration', '600', '--warmup', '0', '--no-calibrate']
    const run = runs.start('unicast', ...options, ...started, '--json')
    await until('a second was measured', 30_000, () => run.stderr.includes(' deliveries,'))
    run.child.kill('SIGINT')
    assert.equal(await run.ended, 130, run.stderr)
    const report: Report = JSON.parse(run.stdout)
    assert.ok(report.interrupted && report.latency.count > 0)
    assert.deepEqual(report.problems, [])
    await runs.nothingLeft()
  })

  test('a run that is killed leaves no gateway and no client behind', async () => {
    const run = runs.start('unicast', '--duration', '600', '--clients', '20', '--no-calibrate', ...started)
    await until('events flow', 30_000, () => run.stderr.includes(' deliveries,'))
    assert.ok(runs.left().length >= 3)
    run.child.kill('SIGKILL')
    await run.ended
    await runs.nothingLeft()
  })
})

describe('bench on a gateway that runs', { skip: benchSkip, timeout: 240_000 }, () => {
  let gateway: GatewayProcess
  let proxy: FaultyProxy
  const through = ['--url', `http://127.0.0.1:${ports.proxy}`]

  before(async () => {
    gateway = new GatewayProcess({
      port: ports.gateway,
      dir: runs.dir,
      config: { broker: `embedded:${join(runs.dir, 'log')}` },
    })
    gateway.start()
    await gateway.becomesReady()
    proxy = await FaultyProxy.start(ports.proxy, ports.gateway)
  })

  after(async () => {
    proxy.close()
    await gateway.end()
  })

  test('a delay of 50 ms on the way to the clients is a latency of 50 ms', async () => {
    const plain = await runs.measured('unicast', '--rate', '50', ...small, ...through)
    proxy.delayMs = 50
    const delayed = await runs.measured('unicast', '--rate', '50', ...small, ...through)
    proxy.delayMs = 0
    assert.deepEqual(delayed.report.problems, [])
    assert.ok(delayed.report.latency.p50Ms >= 50)
    // On a busy host the quickest message is the one that tells the delay alone.
    const quickest = ({ distribution }: Report) => distribution[0]![0]
    const more = quickest(delayed.report) - quickest(plain.report)
    assert.ok(more > 45 && more < 65, `the quickest came ${more} ms later`)
  })

  test('a message that does not come is reported as lost, and fails the run', async () => {
    let dropped = 0
    proxy.passes = (chunk) => {
      const drop = dropped === 0 && chunk.includes('"n":"00000003"')
      if (drop) dropped++
      return !drop
    }
    // A rate at which each message is a piece of its own.
    const { report, code } = await runs.measured(
      'unicast',
      '--rate',
      '50',
      '--clients',
      '10',
      ...small.slice(2),
      ...through,
    )
    proxy.passes = () => true
    assert.equal(dropped, 1)
    assert.equal(report.promises.lost, 1)
    assert.match(report.problems.join(), /1 deliveries were lost/)
    assert.equal(code, 1)
  })

  test('connections that the network cuts are told, and what was missed comes all the same', async () => {
    const run = runs.measured('unicast', '--rate', '50', ...small, ...through)
    await until('clients are there', 30_000, () => proxy.connections >= 50)
    await new Promise((resolve) => setTimeout(resolve, 1500))
    proxy.cut()
    const { report, code } = await run
    assert.equal(report.promises.lost, 0)
    assert.ok(report.promises.broken > 0)
    assert.equal(code, 1)
  })
})
