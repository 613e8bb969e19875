import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { readPage, section, tables, uncode } from '../docs/markdown.ts'
import { GatewayProcess, patienceMs } from '../support/gateway-process.ts'
import { until } from '../support/until.ts'
import { connect, transports } from './support/clients.ts'
import { observe, oddRequests } from './support/odd-requests.ts'
import { lacksProxy, type ProxyKind, proxies, startProxy } from './support/proxies.ts'
import type { Run } from './support/run.ts'

/** A gateway behind the proxies that docs/operations.md configures, and what docs/security.md says of each of them. */

const port = 19_930
const ports: Record<ProxyKind, number> = { nginx: port + 2, haproxy: port + 3 }
const dir = mkdtempSync(join(tmpdir(), 'carillon-proxies-'))
const gateway = new GatewayProcess({ port, dir, config: { broker: `embedded:${join(dir, 'log')}` } })
const rows = tables(section(readPage('security.md'), 'What the parser accepts'))[0]!

before(async () => {
  gateway.start()
  await gateway.becomesReady()
})

after(async () => {
  await gateway.end()
  rmSync(dir, { recursive: true })
})

test('docs/security.md has a row for each request that is tried', () => {
  assert.deepEqual(
    rows.map(([request]) => request),
    Object.keys(oddRequests),
  )
})

const tries = 3

/**
 * Tries all requests at once: most of the time they wait for silence. A request that meets another
 * outcome is tried again alone: a busy host may read two segments as one, or answer after the silence.
 */
async function observed(at: number, column: number): Promise<void> {
  const outcome = (request: string, expected: string) => observe(at, oddRequests[request]!, expected)
  const seen = await Promise.all(
    rows.map(async ([request, ...cells]): Promise<[string, string, string]> => {
      const expected = uncode(cells[column]!)
      return [request!, expected, await outcome(request!, expected)]
    }),
  )
  for (const row of seen) {
    const [request, expected] = row
    for (let i = 1; i < tries && row[2] !== expected; i++) row[2] = await outcome(request, expected)
  }
  assert.deepEqual(
    seen.map(([request, , got]) => [request, got]),
    seen.map(([request, expected]) => [request, expected]),
  )
}

test('the gateway alone does what docs/security.md says', () => observed(port, 0))

for (const [column, kind] of proxies.entries()) {
  describe(`behind ${kind}`, { skip: lacksProxy(kind) ?? false }, () => {
    let proxy: Run
    before(async () => {
      proxy = await startProxy(kind, dir, ports[kind], port)
    })
    after(async () => {
      proxy.child.kill('SIGKILL')
      await proxy.ended
    })

    test('a request comes through as docs/security.md says', () => observed(ports[kind], column + 1))

    for (const transport of transports) {
      test(`${transport}: events come without delay`, async (t) => {
        const subject = `proxied.${transport.replace(' ', '-')}`
        const client = connect(transport, `127.0.0.1:${ports[kind]}`, [subject])
        t.after(() => client.close())
        await until('it is live', patienceMs, () => client.live)
        const delays: number[] = []
        for (let n = 0; n < 9; n++) {
          const sentAt = performance.now()
          await gateway.publish({ subject, data: { n } })
          await until('it has come', patienceMs, () => client.story.events.length > n)
          delays.push(performance.now() - sentAt)
        }
        // A proxy that waits for more to send delays each of them, by 200 ms.
        assert.ok(Math.min(...delays) < 150, `${delays.map(Math.round)} ms`)
      })
    }
  })
}
