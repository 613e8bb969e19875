import assert from 'node:assert/strict'
import test from 'node:test'
import { adminDefaults } from '../../src/admin/options.ts'
import { parseListen } from '../../src/base/listen-address.ts'
import { configuredWindows, plannedWindows, windowOptions } from '../../src/capacity/windows.ts'
import { loadConfig } from '../../src/config/load.ts'
import { ConfigError } from '../../src/config/mistakes.ts'
import { edgeDefaults } from '../../src/edge/options.ts'
import { fillDefaults } from '../../src/fanout/options.ts'
import { bytesPerEntry } from '../../src/log/entry-arena.ts'
import { defaultRoutes } from '../../src/routing/options.ts'
import { windowPool } from '../../src/serving/sizes.ts'
import { readBackDefaults, sessionLimits } from '../../src/session/options.ts'
import { embeddedDefaults } from '../../src/source/embedded/options.ts'
import { natsDefaults } from '../../src/source/jetstream/options.ts'
import { kafkaDefaults } from '../../src/source/kafka/options.ts'
import { traceDefaults } from '../../src/telemetry/options.ts'
import { streamFormatDefaults } from '../../src/wire/stream-format.ts'

const mib = 1 << 20
const { config } = loadConfig({ flags: {}, env: {} })

/** The part of `defaults` that a section of the configuration names. */
function shared(section: object, defaults: object): [object, object] {
  const names = Object.keys(section).filter((name) => name in defaults)
  assert.ok(names.length > 0)
  const only = (all: object) => Object.fromEntries(Object.entries(all).filter(([name]) => names.includes(name)))
  return [only(section), only(defaults)]
}

test("the rooms' defaults equal the configuration's", () => {
  const { limits, kafka, nats, embedded, readBack, traces, streams, window, listen, admin } = config
  const listener = { ...config, ...limits, ...parseListen(listen) }
  for (const [section, defaults] of [
    [listener, edgeDefaults],
    [parseListen(admin), adminDefaults],
    [limits, sessionLimits],
    [readBack, readBackDefaults],
    [kafka, kafkaDefaults],
    [nats, natsDefaults],
    [embedded, embeddedDefaults],
    [traces, traceDefaults],
    [streams.events!, streamFormatDefaults],
    [{ ageMs: window.fillAgeMs, budgetMs: window.fillBudgetMs }, fillDefaults],
  ] as const) {
    assert.deepEqual(...shared(section, defaults))
  }
  assert.deepEqual(config.routes, defaultRoutes)
})

test('plan counts the memory pools that a gateway creates by default, for any number of partitions', () => {
  const { window, limits } = config
  const budgets = { payloadBytes: window.windowMiB * mib, indexBytes: window.indexMiB * mib }
  const pool = windowPool(budgets, limits.maxEventBytes, 'ranges')
  const index = pool.entries * bytesPerEntry('ranges')
  for (const partitions of [1, 4, 9, 64]) {
    const planned = plannedWindows(partitions, 512)
    assert.deepEqual(planned, configuredWindows(config))
    assert.deepEqual([planned.windowMiB * mib, planned.indexMiB * mib], [pool.payloadBytes, index])
    assert.deepEqual(windowOptions(planned), [])
  }
})

/** Whether a gateway would start with these windows. */
function starts(partitions: number, window: object, limits = {}): boolean {
  const streams = { events: { topic: 't', partitions } }
  const flags = Object.entries({ window, limits }).flatMap(([section, values]) => {
    return Object.entries(values).map(([name, value]) => [`${section}.${name}`, String(value)])
  })
  try {
    loadConfig({ flags: Object.fromEntries(flags), env: { CARILLON_STREAMS: JSON.stringify(streams) } })
    return true
  } catch (error) {
    if (error instanceof ConfigError) return false
    throw error
  }
}

test('if partitions or events need more than the default, plan says how much, and a gateway does not start with less', () => {
  for (const [partitions, maxEventBytes] of [
    [300, 1_000_000],
    [9000, 1_000_000],
    [200, 3_000_000],
  ] as const) {
    const { windowMiB, indexMiB, cacheMiB } = plannedWindows(partitions, maxEventBytes)
    const options = windowOptions({ windowMiB, indexMiB, cacheMiB })
    assert.ok(options.includes(`window.windowMiB: ${windowMiB}`), options.join())
    const given = { windowMiB, indexMiB }
    assert.ok(starts(partitions, given, { maxEventBytes }))
    assert.ok(!starts(partitions, { ...given, windowMiB: windowMiB - 1 }, { maxEventBytes }))
    if (indexMiB > config.window.indexMiB) assert.ok(!starts(partitions, { ...given, indexMiB: indexMiB - 1 }))
  }
})
