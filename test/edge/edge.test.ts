import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import tls from 'node:tls'
import { WebSocket } from 'ws'
import { type CarillonError, errors } from '../../src/base/errors.ts'
import { pageHeaders } from '../../src/edge/router.ts'
import { ManualClock } from '../model/clock.ts'
import { ask, RawClient } from '../support/http.ts'
import { until, withEdge } from './harness.ts'

test('the answer to an unknown path names the known ones', async (t) => {
  const { port, edge } = await withEdge(t)
  const answer = await ask(port, '/v2/nothing')
  assert.equal(answer.status, 404)
  assert.equal(answer.json.error.code, 'not_found')
  assert.match(
    answer.json.error.message,
    /expected one of \/v1\/ws, \/v1\/sse, \/v1\/poll, \/v1\/publish, got \/v2\/nothing/,
  )
  assert.equal((await ask(port, '/')).status, 404)
  assert.equal(edge.counters.refused.not_found, 2)
})

test('the answer to a wrong method names the right ones', async (t) => {
  const { port } = await withEdge(t)
  const answer = await ask(port, '/v1/publish')
  assert.equal(answer.status, 405)
  assert.equal(answer.headers.allow, 'POST, OPTIONS')
  assert.equal(answer.json.error.code, 'method_not_allowed')
  assert.equal((await ask(port, '/v1/poll', { method: 'DELETE' })).headers.allow, 'GET, POST, OPTIONS')
})

test('every refusal has the status of the errors table and the same shape', async (t) => {
  const { port } = await withEdge(t)
  for (const path of ['/nowhere', '/v1/sse', '/v1/poll', '/v1/poll?wait=x&subject=a', '/v1/ws', '/v1/publish']) {
    const { status, json, headers } = await ask(port, path)
    assert.deepEqual([Object.keys(json.error), json.error.retry], [['code', 'message', 'retry'], 'no'], path)
    assert.equal(status, errors[json.error.code as keyof typeof errors].http, path)
    assert.equal(headers['cache-control'], 'no-cache, no-store')
    assert.equal(headers['x-content-type-options'], 'nosniff')
  }
})

test('only allowed origins get an answer to a preflight, and only they may read answers', async (t) => {
  const { port } = await withEdge(t, { allowOrigin: ['https://app.example'] })
  const preflight = { Origin: 'https://app.example', 'Access-Control-Request-Method': 'POST' }
  const allowed = await ask(port, '/v1/poll', { method: 'OPTIONS', headers: preflight })
  assert.equal(allowed.status, 204)
  assert.equal(allowed.headers['access-control-allow-origin'], 'https://app.example')
  assert.equal(allowed.headers['access-control-allow-methods'], 'GET, POST, OPTIONS')
  assert.equal(allowed.headers['access-control-allow-headers'], pageHeaders.join(', '))
  const foreign = await ask(port, '/v1/poll', { method: 'OPTIONS', headers: { Origin: 'https://evil.example' } })
  assert.equal(foreign.status, 403)
  assert.equal(foreign.headers['access-control-allow-origin'], undefined)
  const none = await ask(port, '/v1/poll?subject=a')
  assert.equal(none.headers['access-control-allow-origin'], undefined)
})

test("a preflight allows a CloudEvent's attributes by the names that the page asks for", async (t) => {
  const { port } = await withEdge(t, { allowOrigin: ['https://app.example'] })
  const headers = {
    Origin: 'https://app.example',
    'Access-Control-Request-Method': 'POST',
    'Access-Control-Request-Headers': 'ce-id,ce-myext, x-other,ce-,ce-my-ext',
  }
  const answer = await ask(port, '/v1/publish', { method: 'OPTIONS', headers })
  const allowed = answer.headers['access-control-allow-headers']!.split(', ')
  assert.deepEqual(allowed, [...pageHeaders, 'ce-id', 'ce-myext'])
})

test('pages of origins allowed by name may send credentials; `*` allows no credentials', async (t) => {
  const { port } = await withEdge(t, { allowOrigin: ['https://app.example', '*'] })
  for (const [origin, credentials] of [
    ['https://app.example', 'true'],
    [`http://127.0.0.1:${port}`, 'true'],
    ['https://other.example', undefined],
  ] as const) {
    for (const method of ['OPTIONS', 'GET']) {
      const headers = { Origin: origin, Host: `127.0.0.1:${port}` }
      const answer = await ask(port, '/v1/poll?subject=a', { method, headers })
      assert.equal(answer.headers['access-control-allow-origin'], origin)
      assert.equal(answer.headers['access-control-allow-credentials'], credentials, `${method} of ${origin}`)
    }
  }
})

test('a second listener on the port fails and names the option', async (t) => {
  const { port } = await withEdge(t)
  await assert.rejects(withEdge(t, { port }), (error: CarillonError) => {
    assert.equal(error.code, 'listen_failed')
    assert.match(error.message, new RegExp(`--listen: cannot listen on 127.0.0.1:${port}`))
    return true
  })
  assert.equal((await ask(port, '/v1/poll?subject=a')).status, 200)
})

test('a port is free again as soon as its edge has closed, even if it had connections', async (t) => {
  const first = await withEdge(t)
  const ws = new WebSocket(`ws://127.0.0.1:${first.port}/v1/ws`)
  await until('it is open', () => ws.readyState === WebSocket.OPEN)
  await first.edge.close(0)
  const second = await withEdge(t, { port: first.port })
  assert.equal((await ask(second.port, '/v1/poll?subject=a')).status, 200)
})

test('a head with many tokens fits, and one above the limit is refused with 431', async (t) => {
  const { port } = await withEdge(t)
  assert.equal((await ask(port, `/v1/poll?subject=a&after=${'x'.repeat(12_000)}&wait=0`)).status, 200)
  const raw = new RawClient(port)
  raw.send(`GET /v1/poll?subject=a&after=${'x'.repeat(40_000)} HTTP/1.1`, 'Host: localhost', '', '')
  await until('it is refused', () => raw.text.includes('431'))
})

test('a closing edge accepts no connection, answers kept-alive ones with 503 and waits for its sessions', async (t) => {
  const clock = new ManualClock()
  const { port, edge, sessions } = await withEdge(t, {}, clock)
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  assert.equal((await ask(port, '/v1/poll?subject=a', { agent })).status, 200)
  const ws = new WebSocket(`ws://127.0.0.1:${port}/v1/ws`)
  await until('it is open', () => ws.readyState === WebSocket.OPEN)
  let closed = false
  const closing = edge.close(5000).then(() => {
    closed = true
  })
  const refused = await ask(port, '/v1/poll?subject=a', { agent })
  assert.deepEqual([refused.status, refused.json.error.code], [503, 'shutting_down'])
  await assert.rejects(ask(port, '/v1/poll?subject=a'), /ECONNREFUSED/)
  await clock.advance(2000)
  assert.equal(closed, false)
  sessions.last.outlet.end(undefined)
  // Long before the deadline.
  await clock.advance(500)
  await closing
  agent.destroy()
})

test('at its deadline, a closing edge cuts the remaining connections', async (t) => {
  const { port, edge, sessions } = await withEdge(t)
  const ws = new WebSocket(`ws://127.0.0.1:${port}/v1/ws`)
  await until('it is open', () => ws.readyState === WebSocket.OPEN)
  const raw = new RawClient(port)
  raw.send('GET /v1/sse?subject=a HTTP/1.1', 'Host: localhost', '', '')
  await until('it is open too', () => sessions.opened.length === 2)
  await edge.close(20)
  await until('both are closed', () => ws.readyState === WebSocket.CLOSED && raw.closed)
  assert.deepEqual(
    sessions.opened.map(({ closes }) => closes),
    [['lost'], ['lost']],
  )
})

test('with --dev, the try-it page is served for names of the loopback, with a strict policy', async (t) => {
  const { port } = await withEdge(t, { dev: true })
  const page = await ask(port, '/')
  assert.equal(page.status, 200)
  assert.equal(page.headers['content-type'], 'text/html; charset=utf-8')
  assert.match(page.headers['content-security-policy'] as string, /^default-src 'none'; script-src 'self';/)
  const rebound = await ask(port, '/', { headers: { Host: 'evil.example' } })
  assert.equal(rebound.status, 403)
})

test('HEAD of the page returns its head, and no answer to HEAD has a body', async (t) => {
  const { port, sessions } = await withEdge(t, { dev: true })
  const page = await ask(port, '/')
  const head = await ask(port, '/', { method: 'HEAD' })
  assert.deepEqual([head.status, head.headers['content-length']], [200, String(Buffer.byteLength(page.text))])
  const requests = [
    ['/', 200],
    ['/v1/sse?subject=a', 405],
    ['/nowhere', 404],
  ] as const
  for (const [path, status] of requests) {
    const raw = new RawClient(port)
    raw.send(`HEAD ${path} HTTP/1.1`, 'Host: localhost', '', '')
    await until('it is answered', () => raw.text.includes('\r\n\r\n'))
    // The next bytes on the connection are the next answer, not a body.
    raw.send('GET /v1/poll?subject=a HTTP/1.1', 'Host: localhost', '', '')
    await until('the next one is answered too', () => raw.text.includes('"frames"'))
    assert.match(raw.text, new RegExp(`^HTTP/1\\.1 ${status} [^{<]*\\r\\n\\r\\nHTTP/1\\.1 200 OK`))
    if (status === 405) assert.match(raw.text, /Allow: GET, OPTIONS/)
    raw.socket.destroy()
  }
  assert.deepEqual(
    sessions.opened.map(({ outlet }) => outlet.transport),
    requests.map(() => 'poll'),
  )
})

test('a page whose name was pointed at the loopback (DNS rebinding) reaches no transport', async (t) => {
  const { port, sessions } = await withEdge(t, { allowOrigin: ['https://app.example:8443'] })
  const status = async (path: string, headers: http.OutgoingHttpHeaders) => {
    const { status, json } = await ask(port, path, { headers })
    return [status, json?.error?.code]
  }
  const Host = `evil.example:${port}`
  const upgrade = {
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==',
    'Sec-WebSocket-Version': '13',
  }
  for (const path of ['/v1/sse?subject=a', '/v1/poll?subject=a', '/v1/ws']) {
    assert.deepEqual(await status(path, { Host, ...(path === '/v1/ws' ? upgrade : {}) }), [403, 'origin_refused'])
    assert.deepEqual(await status(path, { Host, Origin: `http://${Host}` }), [403, 'origin_refused'])
  }
  assert.equal(sessions.opened.length, 0)
  // A proxy on this host passes on the name of an allowed site.
  assert.deepEqual(await status('/v1/poll?subject=a', { Host: 'APP.example:8443' }), [200, undefined])
  assert.deepEqual(await status('/v1/poll?subject=a', { Host: `[::1]:${port}` }), [200, undefined])
})

test('a listener that other hosts can reach accepts any Host header', async (t) => {
  const { port } = await withEdge(t, { host: '0.0.0.0' })
  assert.equal((await ask(port, '/v1/poll?subject=a', { headers: { Host: 'gw.example' } })).status, 200)
})

test('the try-it page is not served to other hosts', async (t) => {
  const { port } = await withEdge(t, { dev: true, host: '0.0.0.0' })
  assert.equal((await ask(port, '/')).status, 404)
})

test('all transports work over TLS', async (t) => {
  const { cert, key } = selfSigned(t)
  const { port, edge, sessions } = await withEdge(t, { tlsCert: cert, tlsKey: key })
  assert.match(edge.url, /^https:\/\/127\.0\.0\.1:/)
  const ws = new WebSocket(`wss://127.0.0.1:${port}/v1/ws`, { rejectUnauthorized: false })
  const frames: string[] = []
  ws.on('message', (data) => frames.push(data.toString()))
  await until('the welcome is there', () => frames.length === 1)
  const poll = await new Promise<string>((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port,
      path: '/v1/poll?subject=a',
      rejectUnauthorized: false,
      agent: false,
    } as const
    https.get(options, (response) => response.on('data', (chunk) => resolve(String(chunk)))).on('error', reject)
  })
  assert.equal(poll, '{"frames":[],"live":true,"after":"AAAAAAAA"}')
  let stream = ''
  const path = '/v1/sse?subject=a'
  const sse = https.get({ host: '127.0.0.1', port, path, rejectUnauthorized: false, agent: false }, (response) => {
    response.on('data', (chunk) => {
      stream += chunk
    })
    response.on('error', () => {})
  })
  await until('the stream is open', () => stream.includes('id: AAAAAAAA'))
  sessions.last.deliver('B', { n: 1 })
  await until('the event is there', () => stream.endsWith('id: B\ndata: {"n":1}\n\n:\n'))
  sse.destroy()
  ws.terminate()
})

test('many TLS connections that arrive at once are all answered, except those that leave in the meantime', async (t) => {
  const { cert, key } = selfSigned(t)
  const { port, edge } = await withEdge(t, { tlsCert: cert, tlsKey: key })
  let answered = 0
  const clients = Array.from({ length: 40 }, (_, i) => {
    const client = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      client.write('GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n')
    })
    client.once('data', (data) => {
      if (String(data).startsWith('HTTP/1.1 404')) answered++
    })
    client.on('error', () => {})
    if (i % 10 === 9) client.destroy()
    return client
  })
  await until('those that stayed are answered', () => answered === 36)
  for (const client of clients) client.destroy()
  await until('none is left', () => edge.counters.httpConnections === 0)
})

test('a socket that pipelines requests has none of them handled in its own turn, and is closed', async (t) => {
  const harness = await withEdge(t)
  for (const path of ['/nowhere', '/v1/poll', '/v1/poll?subject=a', '/v1/ws', '/v1/sse?last=x']) {
    for (const method of ['GET', 'OPTIONS', 'DELETE']) {
      const before = harness.sessions.opened.length
      const refused = () => Object.values(harness.edge.counters.refused).reduce((sum, count) => sum + count, 0)
      const [at, client] = [refused(), new RawClient(harness.port)]
      client.send(`${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`.repeat(100))
      await until('it is closed', () => client.closed)
      assert.ok(refused() - at + harness.sessions.opened.length - before <= 1, `${method} ${path}`)
      assert.ok(client.text.split('HTTP/1.1').length <= 2)
    }
  }
})

test('unusable TLS files are reported by name before anything listens', async (t) => {
  const { cert, key } = selfSigned(t)
  await assert.rejects(
    withEdge(t, { tlsCert: cert, tlsKey: '/nowhere.pem' }),
    /--tls-key: expected the path of a PEM file, got \/nowhere/,
  )
  await assert.rejects(withEdge(t, { tlsCert: key, tlsKey: key }), /--tls-cert, --tls-key: expected a PEM certificate/)
})

function selfSigned(t: TestContext): { cert: string; key: string } {
  const folder = mkdtempSync(join(tmpdir(), 'carillon-tls-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const key = join(folder, 'key.pem')
  const cert = join(folder, 'cert.pem')
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
  const subject = ['-subj', '/CN=localhost', '-days', '1']
  execFileSync('openssl', ['req', '-x509', '-nodes', ...curve, ...subject, '-keyout', key, '-out', cert], {
    stdio: 'pipe',
  })
  return { cert, key }
}
