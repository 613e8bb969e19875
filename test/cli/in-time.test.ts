import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { CarillonError } from '../../src/base/errors.ts'
import { Unreachable } from '../../src/cli/exit.ts'
import { reach } from '../../src/cli/gateway-url.ts'
import { inTime, type Patience } from '../../src/cli/in-time.ts'
import { localInsteadOf, reachLocal } from '../../src/cli/local-gateway.ts'
import type { Config } from '../../src/config/config.ts'
import { loadConfig } from '../../src/config/load.ts'
import { ManualClock } from '../model/clock.ts'

/** Ways of a command's request: over TCP, and through the Unix socket next to an embedded log. */
const ways = ['tcp', 'socket'] as const
async function asking(t: TestContext, way: (typeof ways)[number], listener: http.RequestListener) {
  const server = http.createServer(listener)
  const asked = once(server, 'request')
  const dir = mkdtempSync(join(tmpdir(), 'carillon-in-time-'))
  const socket = join(dir, 'gateway.sock')
  await new Promise<void>((resolve) => {
    if (way === 'tcp') server.listen(0, '127.0.0.1', resolve)
    else server.listen(socket, resolve)
  })
  t.after(() => {
    server.closeAllConnections()
    server.close()
    rmSync(dir, { recursive: true })
  })
  const origin = way === 'tcp' ? `http://127.0.0.1:${(server.address() as AddressInfo).port}` : socket
  const ask = (patience: Patience) =>
    way === 'tcp' ? reach(`${origin}/v1/x`, {}, patience) : reachLocal(socket, '/v1/x', {}, patience)
  return { origin, ask, asked }
}

const isLate = (who: string) => (error: unknown) => {
  assert.ok(error instanceof Unreachable)
  const problem = `expected a complete answer from ${who} within 30 s: does it hang?`
  assert.equal(error.message, problem)
  return true
}

test('an answer that begins but does not end is given up after the timeout', async () => {
  const request = async (signal: AbortSignal) => {
    const start = (body: ReadableStreamDefaultController) => {
      body.enqueue(Buffer.from('{"a"'))
      signal.addEventListener('abort', () => body.error(signal.reason))
    }
    return new Response(new ReadableStream({ start }))
  }
  const timing = new ManualClock()
  const refused = assert.rejects(inTime('a gateway', request, { ms: 30_000, timing }), isLate('a gateway'))
  await timing.advance(30_000)
  await refused
})

for (const way of ways) {
  test(`a server that does not answer is given up after the timeout and named (${way})`, async (t) => {
    const { origin, ask, asked } = await asking(t, way, () => {})
    const timing = new ManualClock()
    const refused = assert.rejects(ask({ ms: 30_000, timing }), isLate(origin))
    await asked
    await timing.advance(30_000)
    await refused
  })

  test(`an answer in time is read, and leaves no timer (${way})`, async (t) => {
    const { ask } = await asking(t, way, (_, response) => void response.writeHead(404).end('{"error":{}}'))
    const timing = new ManualClock()
    const answer = await ask({ ms: 30_000, timing })
    assert.deepEqual([answer.status, await answer.text()], [404, '{"error":{}}'])
    assert.equal(timing.waiting, 0)
  })
}

test('if the gateway that has the log open hangs, the error names the gateway, not the lock', async (t) => {
  const { origin, asked } = await asking(t, 'socket', () => {})
  const timing = new ManualClock()
  const { config } = loadConfig({ flags: { broker: `embedded:${dirname(origin)}` }, env: {} })
  const locked = new CarillonError('storage_locked', 'it is open')
  const instead = (broker: Config) => localInsteadOf(locked, 'storage_locked', () => broker, { ms: 30_000, timing })
  const late = assert.rejects(instead(config), isLate(origin))
  await asked
  await timing.advance(30_000)
  await late
  await assert.rejects(instead({ ...config, broker: 'embedded:/nowhere' }), locked)
})
