import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { GatewayProcess } from './gateway-process.ts'

test("another process's answer on a gateway's port is not taken for the gateway's", async (t) => {
  const other = createServer((_, response) => {
    response.setHeader('Content-Type', 'application/json').end('{"ready":true,"reasons":[],"degraded":[]}')
  })
  other.listen(0, '127.0.0.1')
  await once(other, 'listening')
  const dir = mkdtempSync(join(tmpdir(), 'carillon-gateway-process-'))
  t.after(() => {
    other.close()
    rmSync(dir, { recursive: true })
  })
  const { port } = other.address() as AddressInfo
  const gateway = new GatewayProcess({ port: port - 1, dir, config: { broker: `embedded:${join(dir, 'log')}` } })
  gateway.start()
  t.after(() => gateway.end())
  await assert.rejects(gateway.becomesReady(), (error: Error) => {
    assert.match(error.message, /the last answer was undefined; the gateway wrote: .*listen_failed/s)
    assert.match(String(error.cause), /has ended/)
    return true
  })
})
