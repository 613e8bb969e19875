import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { after, describe } from 'node:test'
import { natsAvailable, startNats } from '../brokers/nats.ts'
import { until } from '../support/until.ts'
import { BenchRuns, benchSkip, gatewayOf, small } from './support/bench-runs.ts'

const ports = { started: 21_310, nats: 21_320, nobody: 21_339 } as const
const nobody = `127.0.0.1:${ports.nobody}`
const started = ['--first-port', String(ports.started)]
const runs = new BenchRuns()

after(() => runs.remove())

describe('bench that can not run', { skip: benchSkip, timeout: 240_000 }, () => {
  const fails = async (args: string[], code: number, said: RegExp) => {
    const run = runs.start(...args)
    assert.equal(await run.ended, code, run.stderr)
    assert.match(run.stderr, said)
    await runs.nothingLeft()
  }

  test('mistakes of the command line are named', async () => {
    await fails(['unicats'], 2, /expected one of each-own-subject, unicast.*; did you mean unicast\?/)
    await fails(['unicast', '--rate', '-5'], 2, /--rate.*expected a number/)
    await fails(['unicast', '--transport', 'sse', '--codec', 'protobuf'], 2, /sse supports only json/)
    await fails(['unicast', '--gateways', '2'], 2, /embedded log belongs to one gateway/)
  })

  test('more clients than descriptors are refused with the number of gateways that can hold them', async () => {
    await fails(['unicast', '--clients', '9000000', '--rate', '1', ...started], 1, /give --gateways \d+/)
  })

  test('a report that can not be written is told, and the figures are printed all the same', async () => {
    const run = runs.start('broadcast', ...small, ...started, '--html', join(runs.dir, 'none', 'report.html'))
    assert.equal(await run.ended, 1)
    assert.match(run.stderr, /could not be written to .*report.html/)
    assert.match(run.stdout, /publish to received/)
    const page = join(runs.dir, 'report.html')
    const right = runs.start('broadcast', ...small, ...started, '--html', page)
    assert.equal(await right.ended, 0, right.stderr)
    assert.match(readFileSync(page, 'utf8'), /<svg/)
  })

  test('a gateway that dies ends the run, with what was measured until then', async () => {
    const run = runs.start(
      'unicast',
      '--clients',
      '20',
      '--duration',
      '600',
      '--warmup',
      '0',
      '--no-calibrate',
      ...started,
    )
    await until('events flow', 30_000, () => run.stderr.includes(' deliveries,'))
    process.kill(gatewayOf(run), 'SIGKILL')
    assert.equal(await run.ended, 1)
    assert.match(run.stdout, /FAILED: the gateway on port \d+ ended/)
    assert.match(run.stdout, /publish to received +[1-9]/)
    await runs.nothingLeft()
  })

  test('a broker that is not there is named', async () => {
    await fails(['unicast', ...small, ...started, '--broker', `nats://${nobody}`], 3, new RegExp(nobody))
  })

  test('a stream that gateways which run would have to read is not made for them', {
    skip: natsAvailable(),
  }, async () => {
    const server = await startNats({ port: ports.nats, dir: join(runs.dir, 'nats') })
    const broker = ['--broker', `nats://127.0.0.1:${ports.nats}`]
    const running = ['--url', `http://${nobody}`]
    try {
      await fails(['unicast', ...small, ...running, ...broker], 1, /no stream "carillon": expected the one .*--config/)
    } finally {
      await server.stop()
    }
  })
})
