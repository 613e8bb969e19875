import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { EdgeOptions } from '../../src/edge/options.ts'
import { ManualClock } from '../model/clock.ts'
import { type Ask, ask } from '../support/http.ts'
import { until, withEdge } from './harness.ts'

const streams = () => [{ name: 'events', topic: 'carillon', partitions: 4, incarnation: 'i' }]

/** Starts an edge that other hosts can reach, with its Unix socket. */
async function withLocal(t: TestContext, options: Partial<EdgeOptions> = {}, name = 'gateway.sock') {
  const dir = mkdtempSync(join(tmpdir(), 'carillon-local-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const socket = join(dir, name)
  await leaveSocket(join(dir, 'gateway.sock'))
  const harness = await withEdge(t, { host: '0.0.0.0', ...options }, undefined, { local: { socket, streams } })
  const asked = (path: string, options: Ask = {}) => ask(socket, path, options)
  return { ...harness, socket, asked }
}

/** Leaves a socket file, as a killed process does. */
async function leaveSocket(path: string): Promise<void> {
  const server = net.createServer()
  await new Promise<void>((resolve) => server.listen(`${path}.before`, resolve))
  renameSync(`${path}.before`, path)
  await new Promise((resolve) => server.close(resolve))
  assert.ok(statSync(path).isSocket())
}

const event: Ask = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"subject":"a"}' }

test('a gateway that other hosts can reach takes events through its Unix socket, but not over HTTP', async (t) => {
  const { port, asked, publisher } = await withLocal(t)
  assert.equal((await ask(port, '/v1/publish', event)).json.error.code, 'publish_closed')
  assert.equal(publisher.calls.length, 0)
  const { status, json } = await asked('/v1/publish', event)
  assert.deepEqual([status, json.results.length, publisher.calls.length], [200, 1, 1])
})

test("only the gateway's user may use the socket", async (t) => {
  const { socket } = await withLocal(t)
  const { mode, uid } = statSync(socket)
  assert.deepEqual([mode & 0o077, uid], [0, process.getuid!()])
})

test('the socket lists the streams and serves no subscribers', async (t) => {
  const { port, asked } = await withLocal(t)
  assert.deepEqual((await asked('/v1/streams')).json, { streams: streams() })
  assert.equal((await ask(port, '/v1/streams')).status, 404)
  for (const path of ['/', '/v1/ws', '/v1/sse?subject=a', '/v1/poll?subject=a']) {
    assert.equal((await asked(path)).json.error.code, 'not_found', path)
  }
  assert.equal((await asked('/v1/publish', { ...event, headers: { ...event.headers, host: 'a.example' } })).status, 403)
})

test('requests through the socket have the same bounds as over HTTP', async (t) => {
  const { asked, publisher, edge } = await withLocal(t, { maxPublishes: 1, maxBodyBytes: 1024 })
  publisher.answer = () => new Promise(() => {})
  const waiting = asked('/v1/publish', event).catch(() => {})
  await until('it waits for the broker', () => publisher.calls.length === 1)
  assert.equal((await asked('/v1/publish', event)).json.error.code, 'overloaded')
  assert.equal((await asked('/v1/publish', { ...event, body: 'x'.repeat(2000) })).json.error.code, 'frame_too_large')
  assert.deepEqual(edge.counters.refused, { overloaded: 1, frame_too_large: 1 })
  await edge.close(0)
  await waiting
})

test('the socket is removed when its gateway closes', async (t) => {
  const { socket, edge } = await withLocal(t)
  assert.ok(statSync(socket).isSocket())
  await edge.close(0)
  assert.equal(existsSync(socket), false)
})

test('a file that is not a socket stays, and the gateway logs a warning', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'carillon-local-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const makers: Record<string, (path: string) => void> = {
    file: (path) => writeFileSync(path, 'mine'),
    link: (path) => symlinkSync(join(dir, 'file'), path),
    folder: (path) => mkdirSync(path),
  }
  for (const [name, make] of Object.entries(makers)) {
    const socket = join(dir, name)
    make(socket)
    const { logged, edge } = await withEdge(t, {}, undefined, { local: { socket, streams } })
    assert.match(logged.join(), /^warn: cannot listen on the Unix socket .*: a file that is not a socket has this path/)
    await edge.close(0)
    assert.ok(existsSync(socket), name)
  }
  assert.equal(readFileSync(join(dir, 'link'), 'utf8'), 'mine')
})

test('a file that replaced the socket in the meantime stays as well', async (t) => {
  const { socket, edge } = await withLocal(t)
  rmSync(socket)
  writeFileSync(socket, 'mine')
  await edge.close(0)
  assert.equal(readFileSync(socket, 'utf8'), 'mine')
})

test('an edge that cannot start leaves nothing open', async (t) => {
  const clock = new ManualClock()
  const fault = new TypeError('a fault of ours')
  const local = {
    get socket(): string {
      throw fault
    },
    streams,
  }
  await assert.rejects(withEdge(t, {}, clock, { local }), fault)
  assert.equal(clock.waiting, 0)
})

test('without its socket, the gateway serves and logs what does not work', async (t) => {
  for (const name of ['x'.repeat(120), 'missing/gateway.sock']) {
    const { port, logged } = await withLocal(t, {}, name)
    assert.equal((await ask(port, '/v1/publish', event)).status, 403)
    assert.match(logged.join(), /^warn: cannot listen on the Unix socket .*: commands on this host can't publish/)
  }
})
