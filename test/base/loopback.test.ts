import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLoopback, isLoopbackHostHeader } from '../../src/base/loopback.ts'

test('loopback is 127.0.0.0/8, ::1 and the names under localhost', () => {
  for (const host of ['127.0.0.1', '127.9.8.7', '::1', '[::1]', 'localhost', 'LocalHost', 'app.localhost']) {
    assert.ok(isLoopback(host), host)
  }
  for (const host of [
    '0.0.0.0',
    '::',
    '10.0.0.1',
    'example.com',
    'localhost.example.com',
    '127.0.0.1.example.com',
    '',
  ]) {
    assert.ok(!isLoopback(host), host)
  }
})

test('a Host header is loopback with any port, and never with another name', () => {
  for (const header of ['127.0.0.1:8081', 'localhost', 'localhost:1', '[::1]:8081']) {
    assert.ok(isLoopbackHostHeader(header), header)
  }
  for (const header of [
    '',
    'evil.example:8081',
    'localhost@evil.example',
    'evil.example/localhost',
    'localhost:80:80',
    '::1',
  ]) {
    assert.ok(!isLoopbackHostHeader(header), header)
  }
})
