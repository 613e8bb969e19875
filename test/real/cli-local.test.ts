import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { openEmbedded } from '../../src/source/embedded/open.ts'
import { listensText, patienceMs } from '../support/gateway-process.ts'
import { ask } from '../support/http.ts'
import { until } from '../support/until.ts'
import { Run } from './support/run.ts'

/** Commands beside a gateway that has the embedded log open and listens beyond the loopback: as in the container, by `docker exec`. */

const folder = mkdtempSync(join(tmpdir(), 'carillon-cli-local-'))
const port = 19_420
const log = `embedded:${join(folder, 'log')}`
/** What an image sets, or an operator: each command has it too. */
const container = { CARILLON_LISTEN: `0.0.0.0:${port}`, CARILLON_ADMIN: `0.0.0.0:${port + 1}`, CARILLON_BROKER: log }

let gateway: Run

async function ends(args: readonly string[], { env = container, input = '' }: { env?: object; input?: string } = {}) {
  const run = new Run(args, folder, { ...env })
  run.child.stdin!.end(input)
  return { code: await run.ended, stdout: run.stdout, stderr: run.stderr, lines: run.lines, run }
}

before(async () => {
  gateway = new Run(['serve'], folder, container)
  const isReady = async () => gateway.stdout.includes(listensText) && (await ask(port + 1, '/readyz')).status === 200
  await until('the gateway is ready', patienceMs, isReady)
})
after(async () => {
  gateway.child.kill()
  assert.equal(await gateway.ended, 0)
  rmSync(folder, { recursive: true })
})

test('what is published where the gateway takes nothing over HTTP goes through the gateway that has the log', async () => {
  const one = await ends(['publish', 'local.a', '1'])
  assert.deepEqual([one.code, one.stderr], [0, ''])
  const many = await ends(['publish', 'local.a'], { input: '2\n3\n' })
  assert.deepEqual([many.code, many.lines.length], [0, 2])
  const read = await ends(['subscribe', 'local.a', '--after', 'earliest', '--count', '3', '--json'])
  assert.deepEqual(
    read.run.events.map(({ data }) => data),
    [1, 2, 3],
  )
})

test('with --broker as well, also where the gateway is not known by its address', async () => {
  const { code, stderr, stdout } = await ends(['publish', '--broker', log, 'direct.a', 'x', '--json'], { env: {} })
  assert.equal(code, 0, stderr)
  assert.equal(JSON.parse(stdout).stream, 'events')
  const refused = await ends(['publish', '--broker', log, 'a..b', 'x'], { env: {} })
  assert.deepEqual([refused.code, /\(bad_subject\)/.test(refused.stderr)], [2, true])
})

test('a gateway that is named, and takes nothing, is not passed by', async () => {
  const { code, stderr } = await ends(['publish', 'named.a', 'x', '--gateway', `127.0.0.1:${port}`])
  assert.equal(code, 1)
  assert.match(stderr, /\(publish_closed\)/)
})

test('the streams of the log are those of the gateway that has it', async () => {
  const listed = JSON.parse((await ends(['streams', '--json'])).stdout)
  assert.deepEqual([listed.length, listed[0].name, listed[0].topic, listed[0].partitions], [1, 'events', 'carillon', 4])
  assert.match(listed[0].incarnation, /^[0-9a-f-]{36}$/)
  assert.equal((await ends(['streams', 'create'])).code, 0)
  const other = ['--streams', '{events: {topic: other, partitions: 3}}']
  assert.match((await ends(['streams', ...other])).stdout, /^events +other +missing$/m)
  const { code, stderr } = await ends(['streams', 'create', ...other])
  assert.equal(code, 1)
  assert.match(stderr, /does not serve "other".*with 3 partitions \(stream_missing\)/)
})

test('commands ask the listeners that the environment names, by an address of this host', async () => {
  assert.deepEqual((await ends(['health'])).stdout, 'ready\n')
  assert.equal((await ends(['status'])).code, 0)
  assert.equal((await ends(['rejected', '--json'])).code, 0)
  const wrong = { ...container, CARILLON_ADMIN: '0.0.0.0:99999' }
  const { code, stderr } = await ends(['health'], { env: wrong })
  assert.equal(code, 2)
  assert.match(stderr, /CARILLON_ADMIN.*expected a URL/)
  const flag = await ends(['health', '--admin', `localhost:${port + 1}`], { env: wrong })
  assert.equal(flag.code, 0)
})

test('a log that something else than a gateway has open is named', async () => {
  const dir = join(folder, 'held')
  const source = await openEmbedded({ dir }, { log() {} })
  for (const args of [
    ['publish', '--broker', `embedded:${dir}`, 'a', 'x'],
    ['streams', '--broker', `embedded:${dir}`],
  ]) {
    const { code, stderr } = await ends(args, { env: {} })
    assert.equal(code, 1, args.join())
    assert.match(stderr, /held.*\(storage_locked\)/)
  }
  await source.close()
})
