import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Unreachable } from '../../src/cli/exit.ts'
import { askAdmin, gatewayUrl, seconds } from '../../src/cli/gateway-url.ts'

test('a listener may be given as a URL or in the form for `serve`', () => {
  assert.equal(gatewayUrl('http://127.0.0.1:8081'), 'http://127.0.0.1:8081')
  assert.equal(gatewayUrl('https://gw.example/'), 'https://gw.example')
  assert.equal(gatewayUrl('127.0.0.1:8081'), 'http://127.0.0.1:8081')
  assert.equal(gatewayUrl('localhost:8081'), 'http://localhost:8081')
  assert.equal(gatewayUrl('[::1]:8081'), 'http://[::1]:8081')
})

test('other text is refused with both forms', () => {
  for (const text of ['', '127.0.0.1:99999', 'ftp://h:1', 'http://h/path', 'h:1/path', 'http://h?x=1']) {
    assert.throws(() => gatewayUrl(text), { message: 'expected a URL such as http://127.0.0.1:8080, or HOST:PORT' })
  }
})

test('a duration may be longer than a timer of the platform', () => {
  assert.deepEqual(['0.5', '30', '31536000'].map(seconds), [0.5, 30, 31_536_000])
  for (const text of ['0', '-1', 'x', '', 'Infinity', '1e999']) {
    assert.throws(() => seconds(text), { message: 'expected seconds above 0, such as 30 or 0.5' }, text)
  }
})

test('a server that does not answer like an admin listener is named, whatever it answers', async (t) => {
  const bodies = ['{}', 'null', '[]', '<html>', '', '{"streams":[]}']
  t.mock.method(globalThis, 'fetch', async () => new Response(bodies.shift()))
  const ask = () => askAdmin<{ streams: unknown[] }>('http://127.0.0.1:8081/v1/admin/status', 'streams')
  while (bodies.length > 1) {
    await assert.rejects(ask(), (error: unknown) => {
      assert.ok(error instanceof Unreachable)
      assert.match(error.message, /^http:.*\/status answered 200, but not like an admin listener: is it one\?$/)
      return true
    })
  }
  assert.deepEqual(await ask(), { streams: [] })
})
