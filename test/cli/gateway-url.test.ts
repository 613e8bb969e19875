import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gatewayUrl } from '../../src/cli/gateway-url.ts'

test('a listener is named by its URL, or as `serve` takes it', () => {
  assert.equal(gatewayUrl('http://127.0.0.1:8081'), 'http://127.0.0.1:8081')
  assert.equal(gatewayUrl('https://gw.example/'), 'https://gw.example')
  assert.equal(gatewayUrl('127.0.0.1:8081'), 'http://127.0.0.1:8081')
  assert.equal(gatewayUrl('localhost:8081'), 'http://localhost:8081')
  assert.equal(gatewayUrl('[::1]:8081'), 'http://[::1]:8081')
})

test('what is no listener is refused with both forms', () => {
  for (const text of ['', '127.0.0.1:99999', 'ftp://h:1', 'http://h/path', 'h:1/path', 'http://h?x=1']) {
    assert.throws(() => gatewayUrl(text), { message: 'expected a URL such as http://127.0.0.1:8080, or HOST:PORT' })
  }
})
