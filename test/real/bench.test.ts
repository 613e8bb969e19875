import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after, before, describe } from 'node:test'
import type { Report } from '../../src/bench/report/report.ts'
import { natsAvailable, startNats } from '../brokers/nats.ts'
import { GatewayProcess } from '../support/gateway-process.ts'
import { until } from '../support/until.ts'
import { TcpProxy } from './support/proxy.ts'
import { Run } from './support/run.ts'

const ports = { gateway: 21_200, proxy: 21_210, started: 21_220, nats: 21_240 } as const
const skip = process.platform === 'linux' ? false : 'CPU time and memory are read from /proc'
const small = ['--clients', '50', '--duration', '2', '--warmup', '1', '--no-calibrate']
const started = ['--first-port', String(ports.started)]
const dir = mkdtempSync(join(tmpdir(), 'carillon-bench-test-'))

const bench = (...args: string[]): Run => new Run(['bench', ...args], dir, { BENCH_TEST_RUN: dir })

/** The report of a run, and its exit code. */
async function measured(...args: string[]): Promise<{ report: Report; code: number | NodeJS.Signals; stderr: string }> {
  const run = bench(...args, '--json', '-')
  const code = await run.ended
  assert.notEqual(run.stdout, '', run.stderr)
  return { report: JSON.parse(run.stdout), code, stderr: run.stderr }
}

/** Processes that a run has left: each has its environment. */
function left(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && readOf(name, 'environ').includes(`BENCH_TEST_RUN=${dir}`))
    .map((pid) => readOf(pid, 'cmdline'))
}

/** '' = it has ended meanwhile. */
function readOf(pid: string, file: 'environ' | 'cmdline'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch {
    return ''
  }
}

/** The guard ends a moment after its parent. */
const nothingLeft = () => until('all have ended', 10_000, () => left().length === 0)

/** The gateway that a run has started: the child of its that is one. */
function gatewayOf({ child }: Run): number {
  const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ').map(Number)
  const found = children.find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('\0serve\0'))
  assert.ok(found !== undefined)
  return found
}

after(() => rmSync(dir, { recursive: true, force: true }))

describe('bench on gateways that it starts', { skip, timeout: 240_000 }, () => {
  test('latency, CPU, memory and promises of a short run are reported, for each transport', async () => {
    for (const transport of ['ws', 'sse', 'poll']) {
      const options = ['--rate', '200', '--transport', transport, ...small, ...started]
      const { report, code } = await measured('unicast', ...options)
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
    const { report, code } = await measured('failover', ...options, ...started)
    assert.deepEqual(report.problems, [])
    assert.equal(code, 0)
    assert.equal(report.promises.broken, 50)
    assert.ok(report.caughtUp.count > 0 && report.connecting.again.count === 50)
  })

  test('clients that come and go, at once or one by one, lose nothing', async () => {
    for (const scenario of ['storm', 'churn']) {
      const { report, code } = await measured(scenario, '--rate', '100', ...small, ...started)
      assert.deepEqual(report.problems, [], scenario)
      assert.equal(code, 0)
    }
  })

  test('Ctrl-C ends a run with its report, and nothing is left', async () => {
    const options = ['--rate', '100', '--clients', '20', '--duration', '600', '--warmup', '0', '--no-calibrate']
    const run = bench('unicast', ...options, ...started, '--json', '-')
    await until('a second was measured', 30_000, () => run.stderr.includes(' deliveries,'))
    run.child.kill('SIGINT')
    assert.equal(await run.ended, 130, run.stderr)
    const report: Report = JSON.parse(run.stdout)
    assert.ok(report.interrupted && report.latency.count > 0)
    assert.deepEqual(report.problems, [])
    await nothingLeft()
  })

  test('a run that is killed leaves no gateway and no client behind', async () => {
    const run = bench('unicast', '--duration', '600', '--clients', '20', '--no-calibrate', ...started)
    await until('events flow', 30_000, () => run.stderr.includes(' deliveries,'))
    assert.ok(left().length >= 3)
    run.child.kill('SIGKILL')
    await run.ended
    await nothingLeft()
  })
})

describe('bench on a gateway that runs', { skip, timeout: 240_000 }, () => {
  let gateway: GatewayProcess
  let proxy: TcpProxy
  const through = ['--url', `http://127.0.0.1:${ports.proxy}`]

  before(async () => {
    gateway = new GatewayProcess({ port: ports.gateway, dir, config: { broker: `embedded:${join(dir, 'log')}` } })
    gateway.start()
    await gateway.becomesReady()
    proxy = await TcpProxy.start(ports.proxy, ports.gateway)
  })

  after(async () => {
    proxy.close()
    await gateway.end()
  })

  test('a delay of 50 ms on the way to the clients is a latency of 50 ms', async () => {
    const plain = await measured('unicast', '--rate', '50', ...small, ...through)
    proxy.delayMs = 50
    const delayed = await measured('unicast', '--rate', '50', ...small, ...through)
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
    const { report, code } = await measured('unicast', '--rate', '50', '--clients', '10', ...small.slice(2), ...through)
    proxy.passes = () => true
    assert.equal(dropped, 1)
    assert.equal(report.promises.lost, 1)
    assert.match(report.problems.join(), /1 deliveries were lost/)
    assert.equal(code, 1)
  })

  test('connections that the network cuts are told, and what was missed comes all the same', async () => {
    const run = measured('unicast', '--rate', '50', ...small, ...through)
    await until('clients are there', 30_000, () => proxy.connections >= 50)
    await new Promise((resolve) => setTimeout(resolve, 1500))
    proxy.cut()
    const { report, code } = await run
    assert.equal(report.promises.lost, 0)
    assert.ok(report.promises.broken > 0)
    assert.equal(code, 1)
  })
})

describe('bench that can not run', { skip, timeout: 240_000 }, () => {
  const fails = async (args: string[], code: number, said: RegExp) => {
    const run = bench(...args)
    assert.equal(await run.ended, code, run.stderr)
    assert.match(run.stderr, said)
    await nothingLeft()
  }

  test('mistakes of the command line are named', async () => {
    await fails(['unicats'], 2, /expected a scenario of each-own-subject, unicast/)
    await fails(['unicast', '--rate', '-5'], 2, /--rate.*expected a number/)
    await fails(['unicast', '--transport', 'sse', '--codec', 'protobuf'], 2, /sse has JSON only/)
    await fails(['unicast', '--gateways', '2'], 2, /embedded log belongs to one gateway/)
  })

  test('more clients than descriptors are refused with the number of gateways that can hold them', async () => {
    await fails(['unicast', '--clients', '9000000', '--rate', '1', ...started], 1, /give --gateways \d+/)
  })

  test('a report that can not be written is told, and the figures are printed all the same', async () => {
    const run = bench('broadcast', ...small, ...started, '--html', join(dir, 'none', 'report.html'))
    assert.equal(await run.ended, 1)
    assert.match(run.stderr, /could not be written to .*report.html/)
    assert.match(run.stdout, /publish to received/)
    const page = join(dir, 'report.html')
    const right = bench('broadcast', ...small, ...started, '--html', page)
    assert.equal(await right.ended, 0, right.stderr)
    assert.match(readFileSync(page, 'utf8'), /<svg/)
  })

  test('a gateway that dies ends the run, with what was measured until then', async () => {
    const run = bench('unicast', '--clients', '20', '--duration', '600', '--warmup', '0', '--no-calibrate', ...started)
    await until('events flow', 30_000, () => run.stderr.includes(' deliveries,'))
    process.kill(gatewayOf(run), 'SIGKILL')
    assert.equal(await run.ended, 1)
    assert.match(run.stdout, /FAILED: the gateway on port \d+ ended/)
    assert.match(run.stdout, /publish to received +[1-9]/)
    await nothingLeft()
  })

  test('a broker that is not there is named', async () => {
    await fails(['unicast', ...small, ...started, '--broker', 'nats://127.0.0.1:21399'], 3, /127.0.0.1:21399/)
  })

  test('a stream that gateways which run would have to read is not made for them', {
    skip: natsAvailable(),
  }, async () => {
    const server = await startNats({ port: ports.nats, dir: join(dir, 'nats') })
    const broker = ['--broker', `nats://127.0.0.1:${ports.nats}`]
    const running = ['--url', 'http://127.0.0.1:21399']
    try {
      await fails(['unicast', ...small, ...running, ...broker], 1, /no stream "carillon": expected the one .*--config/)
    } finally {
      await server.stop()
    }
  })
})
