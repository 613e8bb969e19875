import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createContext, runInContext } from 'node:vm'
import { gzipSync } from 'node:zlib'
import { bundle } from './bundle.ts'

/**
 * It was 20.9 kB before the SDK coped with frozen tabs, slow links, half-open WebSockets, custom
 * networks, users' functions that throw, frames above a gateway's limit, and workers that lead.
 */
const mostBytes = 23_000

test('the bundle of a page with JSON is below 23 kB, and contains no protobuf', async (t) => {
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

test('the worker script is below 18.5 kB, and contains no subscriptions', async (t) => {
  const { code, inputs } = await bundle('worker.ts', 'iife')
  const bytes = gzipSync(code, { level: 9 }).length
  t.diagnostic(`${code.length} bytes, ${bytes} with gzip`)
  assert.ok(bytes < 18_500, `${bytes} bytes with gzip`)
  assert.ok(inputs.includes('src/client/tab-leader.ts'), inputs.join())
  assert.deepEqual(
    inputs.filter((path) => /client\/(client|subscription|inbox|publish)\.ts|proto|node_modules/.test(path)),
    [],
  )
})

for (const entry of ['sdk.ts', 'worker.ts']) {
  test(`${entry} loads without any of Node's globals`, async () => {
    const { code } = await bundle(entry, 'iife')
    const platform = { TextEncoder, TextDecoder, URL, performance, setTimeout, clearTimeout, queueMicrotask }
    runInContext(
      Buffer.from(code).toString(),
      createContext({ ...platform, self: { addEventListener() {} }, addEventListener() {} }),
    )
  })
}
