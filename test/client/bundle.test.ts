import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { bundle } from './bundle.ts'

/**
 * What it was raised for, from 20.9 kB: ways round frozen tabs, slow links and half-open WebSockets, networks of the caller's own, and users'
 * functions that throw.
 */
const mostBytes = 22_500

test('what a page loads for JSON is below 22.5 kB, and has no protobuf in it', async (t) => {
  const { code, inputs } = await bundle('sdk.ts')
  const bytes = gzipSync(code, { level: 9 }).length
  t.diagnostic(`${code.length} bytes, ${bytes} with gzip`)
  assert.ok(bytes < mostBytes, `${bytes} bytes with gzip`)
  assert.ok(inputs.includes('src/client/link.ts'), inputs.join())
  assert.deepEqual(
    inputs.filter((path) => /proto|node_modules/.test(path)),
    [],
  )
})

test('what a worker loads is below 18 kB, and follows nothing itself', async (t) => {
  const { code, inputs } = await bundle('worker.ts', 'iife')
  const bytes = gzipSync(code, { level: 9 }).length
  t.diagnostic(`${code.length} bytes, ${bytes} with gzip`)
  assert.ok(bytes < 18_000, `${bytes} bytes with gzip`)
  assert.ok(inputs.includes('src/client/tab-leader.ts'), inputs.join())
  assert.deepEqual(
    inputs.filter((path) => /client\/(client|subscription|inbox|publish)\.ts|proto|node_modules/.test(path)),
    [],
  )
})
