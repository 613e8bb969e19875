import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { cpuOf } from '../../src/bench/process/host.ts'
import { until } from '../client/recorder.ts'
import { carillon } from '../support/gateway-process.ts'
import { Run } from './support/run.ts'

/** A gateway whose process may have few descriptors. */

const folder = mkdtempSync(join(tmpdir(), 'carillon-descriptors-'))
after(() => rmSync(folder, { recursive: true }))

const port = 19_450
const admin = `http://127.0.0.1:${port + 1}`

function start(t: TestContext, limit: number): Run {
  const listeners = `--listen 127.0.0.1:${port} --admin 127.0.0.1:${port + 1}`
  const serve = `ulimit -n ${limit}; exec ${carillon} serve --broker embedded:${folder}/log ${listeners}`
  const run = new Run(['-c', serve], folder, {}, { program: '/bin/sh' })
  t.after(() => run.child.kill('SIGKILL'))
  return run
}

/** All that could be had of so many. */
async function connections(count: number): Promise<Socket[]> {
  const asked = Array.from({ length: count }, () => {
    const socket = connect(port, '127.0.0.1')
    return new Promise<Socket | undefined>((resolve) => {
      socket.on('connect', () => resolve(socket))
      socket.on('error', () => resolve(undefined))
    })
  })
  return (await Promise.all(asked)).filter((socket) => socket !== undefined)
}

const readyz = async () => {
  const answer = await fetch(`${admin}/readyz`)
  return { status: answer.status, ...((await answer.json()) as { reasons: string[] }) }
}

test('more connections than descriptors: no more are taken, operators are told, and it goes on when some have left', async (t) => {
  const run = start(t, 300)
  await until('serving', () => run.child.exitCode !== null || run.stdout.includes('clients on'))
  assert.equal(run.child.exitCode, null, run.stderr)
  const stream = await fetch(`http://127.0.0.1:${port}/v1/sse?subject=a`)
  const reader = stream.body!.getReader()
  const open: Socket[] = []
  let status = 200
  while (status === 200 && open.length < 1000) {
    open.push(...(await connections(50)))
    status = (await readyz()).status
  }
  const { reasons } = await readyz()
  assert.match(reasons.join(), /descriptors are used up/)
  const cpu = cpuOf(run.child.pid!).totalUs
  await new Promise((resolve) => setTimeout(resolve, 1000))
  assert.ok(cpuOf(run.child.pid!).totalUs - cpu < 500_000, 'it does not spin')
  assert.equal((await reader.read()).done, false, 'a stream that is open goes on')
  const metrics = await (await fetch(`${admin}/metrics`)).text()
  assert.match(metrics, /^carillon_accepting\S* 0$/m)
  assert.match(metrics, /^carillon_limit_refusals_total\{(.*,)?limit="openFiles".*\} [1-9]\d*$/m)
  for (const socket of open) socket.destroy()
  await until('it takes connections again', () => run.stderr.includes('descriptors are free again'))
  assert.equal((await readyz()).status, 200)
  assert.equal((await fetch(`http://127.0.0.1:${port}/v1/poll?subject=a&wait=0`)).status, 200)
  await reader.cancel()
})

test('a gateway that has no descriptors for clients says how many it needs, and does not start', async (t) => {
  const run = start(t, 110)
  assert.equal(await run.ended, 1)
  assert.match(run.stderr, /expected to be allowed more than \d+ open files.*got 110.*LimitNOFILE.*\(listen_failed\)/)
})
