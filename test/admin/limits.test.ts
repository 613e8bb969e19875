import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadConfig } from '../../src/config/load.ts'
import { startGateway } from '../../src/gateway/gateway.ts'
import { sessionSettings } from '../../src/session/options.ts'
import { until } from '../support/until.ts'

/**
 * For each limit of sessions in the configuration: a value, and subjects of one session that
 * exceed it.
 */
const cases: Readonly<Record<keyof typeof sessionSettings, readonly [value: number, subjects: readonly string[]]>> = {
  maxSubscriptions: [2, ['a', 'b', 'c']],
  maxSessionBytes: [12_288, Array.from({ length: 20 }, (_, i) => `a${i}`)],
  maxTotalSubscriptions: [2, ['a', 'b', 'c']],
  maxTotalPatterns: [2, ['a.*', 'b.*', 'c.*']],
  maxTotalSessionMiB: [1, Array.from({ length: 80 }, () => '>')],
}

for (const name of Object.keys(sessionSettings) as (keyof typeof sessionSettings)[]) {
  test(`limits.${name} of a configuration applies in its gateway: the client is refused, and status names the limit`, async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'carillon-limits-'))
    t.after(() => rmSync(dir, { recursive: true }))
    const [value, subjects] = cases[name]
    const flags = { broker: `embedded:${dir}`, listen: '127.0.0.1:0', admin: '127.0.0.1:0' }
    const streams = { events: { topic: 'events', partitions: name === 'maxTotalSessionMiB' ? 64 : 1 } }
    const { config } = loadConfig({ flags, env: { CARILLON_STREAMS: JSON.stringify(streams) } })
    const limits = { ...config.limits, maxSessionBytes: 64 << 20, [name]: value }
    const logger = { log() {}, every() {} }
    const gateway = await startGateway({ ...config, limits }, { logger })
    t.after(() => gateway.close())
    const codes: string[] = []
    const ws = new WebSocket(`${gateway.listen.replace('http', 'ws')}/v1/ws`)
    ws.onmessage = ({ data }) => codes.push(JSON.parse(data).error?.code ?? 'none')
    await until('welcome', 10_000, () => codes.length > 0)
    for (const [i, subject] of subjects.entries()) ws.send(JSON.stringify({ subscribe: { ref: i + 1, subject } }))
    await until('a refusal', 10_000, () => codes.some((code) => code !== 'none'))
    ws.close()
    const status = (await (await fetch(`${gateway.admin}/v1/admin/status`)).json()) as {
      limits: { limit: string; count: number }[]
    }
    const refused = status.limits.filter(({ count }) => count > 0).map(({ limit }) => limit)
    assert.deepEqual(refused, [name])
  })
}
