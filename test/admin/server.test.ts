import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import type { AdminContracts } from '../../src/admin/contracts.ts'
import { adminDefaults } from '../../src/admin/options.ts'
import { type Admin, openAdmin } from '../../src/admin/server.ts'
import { systemClock } from '../../src/base/clock.ts'
import { CarillonError } from '../../src/base/errors.ts'
import { settled } from '../model/clock.ts'
import { until } from '../support/until.ts'

let reasons: string[] = []
let degraded: string[] = []
let broken = false
const refusedBy: string[] = []

const contracts: AdminContracts = {
  gateway: 'g-1',
  clock: systemClock(),
  version: '0.1.0',
  readiness: () => ({ reasons, degraded }),
  metrics: () => ({ contentType: 'text/plain; version=0.0.4', text: 'carillon_sessions 1\n' }),
  status: () => {
    if (broken) throw new Error('secret detail')
    return {
      uptimeMs: 1234,
      broker: 'kafka://h:9092',
      sessions: { websocket: 1, sse: 2, poll: 3 },
      subscriptions: 9,
      limits: [],
      streams: [
        {
          name: 'events',
          topic: 'carillon',
          state: 'up',
          detail: '',
          incarnation: 'abc',
          partitions: [{ partition: 0, first: 1, head: 10, read: 8, blocked: 3, windowTail: 4 }],
        },
      ],
    }
  },
  refused: (limit) => refusedBy.push(limit),
  rejected: () => ({ total: 7, records: [{ stream: 'events', reason: 'misrouted' }] }),
  routes: () => [{ subjects: '>', stream: 'events' }],
}

const options = { ...adminDefaults, port: 0, requestMs: 500, maxConnections: 8 }
const patienceMs = 30_000
let admin: Admin

before(async () => {
  admin = await openAdmin(options, contracts)
})
after(() => admin.close(0))

interface Reply {
  status: number
  /** Whether the connection had served an earlier request. */
  reused: boolean
  headers: Record<string, string | string[] | undefined>
  text: string
}

interface Ask {
  method?: string
  host?: string
  agent?: Agent
}

function ask(path: string, { method = 'GET', host, agent }: Ask = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const headers = host === undefined ? {} : { Host: host }
    const outgoing = request(`${admin.url}${path}`, { method, headers, agent: agent ?? false }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => {
        const { reusedSocket: reused } = outgoing
        resolve({ status: response.statusCode!, reused, headers: response.headers, text })
      })
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}

const errorOf = ({ text }: Reply) => JSON.parse(text).error as { code: string; message: string }

/** Sends raw bytes and resolves with everything received once the server has closed. */
function raw(bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(admin.url).port), '127.0.0.1', () => socket.write(bytes))
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString()
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(text))
  })
}

test('livez is 200 even if the gateway is not ready', async () => {
  reasons = ['stream events is away']
  const reply = await ask('/livez')
  reasons = []
  assert.equal(reply.status, 200)
})

test('readyz is 200 with the problems when ready, and 503 with the reasons when not', async () => {
  const ready = await ask('/readyz')
  assert.equal(ready.status, 200)
  assert.deepEqual(JSON.parse(ready.text), { ready: true, reasons: [], degraded: [] })
  degraded = ['stream events is away: connection refused']
  const still = await ask('/readyz')
  assert.equal(still.status, 200)
  assert.deepEqual(JSON.parse(still.text), { ready: true, reasons: [], degraded })
  reasons = ['the gateway is going away']
  const reply = await ask('/readyz')
  assert.equal(reply.status, 503)
  assert.deepEqual(JSON.parse(reply.text), { ready: false, reasons, degraded })
  reasons = []
  degraded = []
})

test("metrics are the contract's text and content type, with any query", async () => {
  const reply = await ask('/metrics?x=1')
  assert.equal(reply.status, 200)
  assert.equal(reply.headers['content-type'], 'text/plain; version=0.0.4')
  assert.equal(reply.text, 'carillon_sessions 1\n')
})

test("status names the gateway and includes each partition's lag", async () => {
  const status = JSON.parse((await ask('/v1/admin/status')).text)
  assert.equal(status.gateway, 'g-1')
  assert.equal(status.version, '0.1.0')
  assert.deepEqual(status.sessions, { websocket: 1, sse: 2, poll: 3 })
  assert.deepEqual(status.streams[0].partitions, [
    { partition: 0, first: 1, head: 10, read: 8, blocked: 3, windowTail: 4, lag: 2 },
  ])
})

test('rejected records and routes are passed through unchanged', async () => {
  assert.deepEqual(JSON.parse((await ask('/v1/admin/rejected')).text), contracts.rejected())
  assert.deepEqual(JSON.parse((await ask('/v1/admin/routes')).text), { routes: contracts.routes() })
})

test('HEAD is answered like GET, without a body', async () => {
  const reply = await ask('/readyz', { method: 'HEAD' })
  assert.equal(reply.status, 200)
  assert.equal(reply.text, '')
  assert.ok(Number(reply.headers['content-length']) > 0)
})

test('an unknown path is a 404 that lists the known ones', async () => {
  for (const path of ['/', '/v1/admin', '/metrics/', '/%2e%2e/etc/passwd']) {
    const reply = await ask(path)
    assert.equal(reply.status, 404, path)
    assert.equal(errorOf(reply).code, 'not_found')
    assert.match(errorOf(reply).message, /\/livez, \/readyz, \/metrics, \/v1\/admin\/status/)
  }
})

test('a method other than GET and HEAD is a 405 that lists the allowed ones', async () => {
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    const reply = await ask('/readyz', { method })
    assert.equal(reply.status, 405, method)
    assert.equal(errorOf(reply).code, 'method_not_allowed')
    assert.equal(reply.headers.allow, 'GET, HEAD')
  }
})

test('on the loopback a foreign Host header is refused on every path, including health', async () => {
  for (const host of ['rebound.example', 'rebound.example:8081', 'localhost.rebound.example']) {
    for (const path of ['/livez', '/v1/admin/status', '/nowhere']) {
      const reply = await ask(path, { host })
      assert.equal(reply.status, 403, `${host} ${path}`)
      assert.equal(errorOf(reply).code, 'origin_refused')
    }
  }
  for (const host of ['localhost:8081', '127.0.0.1', '[::1]:8081'])
    assert.equal((await ask('/livez', { host })).status, 200)
})

test('no page of another origin may read a response, and no cache keeps it', async () => {
  const { headers } = await ask('/v1/admin/status')
  assert.equal(headers['access-control-allow-origin'], undefined)
  assert.equal(headers['cache-control'], 'no-store')
  assert.equal(headers['x-content-type-options'], 'nosniff')
})

test("a contract that throws is a 500 without the error's text", async () => {
  broken = true
  const reply = await ask('/v1/admin/status')
  broken = false
  assert.equal(reply.status, 500)
  assert.equal(errorOf(reply).code, 'internal')
  assert.doesNotMatch(reply.text, /secret/)
})

test('bytes that are not HTTP are answered with 400, and the connection closes', async () => {
  assert.match(await raw('\x16\x03\x01 not http\r\n\r\n'), /^HTTP\/1\.1 400 [\s\S]*"bad_request"/)
})

test('headers over the limit are answered with 431, and the connection closes', async () => {
  const reply = await raw(`GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ${'a'.repeat(9000)}\r\n\r\n`)
  assert.match(reply, /^HTTP\/1\.1 431 /)
})

test('a request that does not arrive in time is answered with 408, and the connection closes', async () => {
  assert.match(await raw('GET /livez HTTP/1.1\r\nHost: localhost\r\n'), /^HTTP\/1\.1 408 [\s\S]*"request_timeout"/)
})

/** Opens connections that the server has accepted. */
async function connections(to: Admin, count: number, localAddress = '127.0.0.1'): Promise<Socket[]> {
  const port = Number(new URL(to.url).port)
  const sockets = Array.from({ length: count }, () => connect({ port, host: '127.0.0.1', localAddress }))
  for (const socket of sockets) socket.on('error', () => {})
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve))))
  return sockets
}

test('no number of silent connections keeps a probe out, and no more than necessary are cut', async () => {
  const silent = await connections(admin, 2 * options.maxConnections)
  let cut = 0
  for (const socket of silent) socket.once('close', () => cut++)
  refusedBy.length = 0
  for (let i = 0; i < 5; i++) assert.equal((await ask('/livez')).status, 200)
  await until('the oldest are cut', patienceMs, () => cut === options.maxConnections + 1)
  assert.deepEqual(new Set(refusedBy), new Set(['adminConnections']))
  for (const socket of silent) socket.destroy()
})

test('an active connection stays when others of its address are cut', async () => {
  const kept = new Agent({ keepAlive: true, maxSockets: 1 })
  assert.equal((await ask('/livez', { agent: kept })).status, 200)
  const silent = await connections(admin, options.maxConnections - 1)
  const [first] = silent
  const gone = new Promise((resolve) => first!.once('close', resolve))
  assert.equal((await ask('/livez', { agent: kept })).status, 200)
  const more = await connections(admin, 1)
  await gone
  assert.equal((await ask('/livez', { agent: kept })).reused, true)
  kept.destroy()
  for (const socket of [...silent, ...more]) socket.destroy()
})

test('an address with few connections keeps them, however many another address opens', async () => {
  const [one] = await connections(admin, 1, '127.0.0.2')
  let cut = false
  one!.once('close', () => {
    cut = true
  })
  const many = await connections(admin, 3 * options.maxConnections, '127.0.0.3')
  assert.equal((await ask('/livez')).status, 200)
  assert.equal(cut, false)
  for (const socket of [one!, ...many]) socket.destroy()
})

test('a silent connection is cut, even if its client does not read the reason', async () => {
  refusedBy.length = 0
  const [reading, deaf] = await connections(admin, 2)
  deaf!.pause()
  let text = ''
  reading!.on('data', (chunk) => {
    text += chunk.toString()
  })
  await new Promise((resolve) => reading!.once('close', resolve))
  assert.match(text, /^HTTP\/1\.1 408 /)
  await until('the server has let go of the other one', patienceMs, () => {
    deaf!.write('x')
    return deaf!.destroyed
  })
  assert.deepEqual(refusedBy, ['adminRequestMs', 'adminRequestMs'])
})

for (const [fact, sent] of [
  ['that stays silent', ''],
  ['whose client reads no response', 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n'],
] as const) {
  test(`a connection ${fact} is closed, although no request is late`, async (t) => {
    const text = 'x'.repeat(32 << 20)
    const metrics = () => ({ contentType: 'text/plain', text })
    const quiet = { ...options, requestMs: 3_600_000, keepAliveMs: 200 }
    const other = await openAdmin(quiet, { ...contracts, metrics })
    t.after(() => other.close(0))
    /** The server's end: a client that reads nothing does not notice the close. */
    const served: Socket[] = []
    const accepted = (message: unknown) => served.push((message as { socket: Socket }).socket)
    subscribe('net.server.socket', accepted)
    t.after(() => unsubscribe('net.server.socket', accepted))
    const [socket] = await connections(other, 1)
    t.after(() => socket!.destroy())
    let came = 0
    socket!.on('data', ({ length }) => {
      came += length
      socket!.pause()
    })
    socket!.write(sent)
    await until('its end is closed', patienceMs, () => served[0]?.destroyed === true)
    assert.equal(served.length, 1)
    assert.ok(came < text.length)
  })
}

test('a port in use is an error that names the option and the address', async () => {
  const port = Number(new URL(admin.url).port)
  await assert.rejects(openAdmin({ ...options, port }, contracts), (error: unknown) => {
    assert.ok(error instanceof CarillonError)
    assert.equal(error.code, 'listen_failed')
    assert.match(error.message, new RegExp(`--admin.*127\\.0\\.0\\.1:${port}.*taken`))
    return true
  })
})

test('close ends at its deadline even if a client holds a half-sent request', async (t) => {
  const other = await openAdmin({ ...options, requestMs: 60_000 }, contracts)
  const socket = connect(Number(new URL(other.url).port), '127.0.0.1')
  socket.on('error', () => {})
  const cut = new Promise((resolve) => socket.once('close', resolve))
  await new Promise<void>((resolve) => socket.write('GET /livez HTTP/1.1\r\n', () => resolve()))
  // Its bytes have arrived by the time a later connection's have.
  await (await fetch(`${other.url}/livez`)).text()
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let closed = false
  const closing = other.close(100).then(() => {
    closed = true
  })
  t.mock.timers.tick(99)
  await settled()
  assert.equal(closed, false)
  t.mock.timers.tick(1)
  await closing
  await cut
})

test('close does not wait for idle connections', async (t) => {
  const other = await openAdmin({ ...options, keepAliveMs: 3_600_000 }, contracts)
  const reply = await fetch(`${other.url}/livez`)
  await reply.text()
  // The deadline is never reached.
  t.mock.timers.enable({ apis: ['setTimeout'] })
  await other.close(10_000)
})
