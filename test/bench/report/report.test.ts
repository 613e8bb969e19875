import assert from 'node:assert/strict'
import test from 'node:test'
import { Latencies } from '../../../src/bench/load/latencies.ts'
import { type LoadOptions, loadOf, type ScenarioName } from '../../../src/bench/load/scenario.ts'
import type { Target } from '../../../src/bench/load/target.ts'
import { Metrics } from '../../../src/bench/process/metrics.ts'
import { composeReport } from '../../../src/bench/report/compose.ts'
import { reportHtml } from '../../../src/bench/report/html.ts'
import type { Measured } from '../../../src/bench/report/measured.ts'
import { Stop } from '../../../src/bench/stop.ts'
import { reportText } from '../../../src/cli/bench-text.ts'

const none = { totalUs: 0, userUs: 0, systemUs: 0 }

function latencies(...values: number[]): Latencies {
  const all = new Latencies()
  for (const value of values) all.record(value)
  return all
}

const target = { name: 'Carillon <0>', settings: { transport: 'ws' }, endpoints: [] } as unknown as Target

/** What a quiet run of ten seconds brought; `changes` are deep by one level. */
function measured(changes: { [K in keyof Measured]?: Partial<Measured[K]> } = {}): Measured {
  const quiet: Measured = {
    seconds: 10,
    eventsPerSecond: 1000,
    deliveriesPerSecond: 1000,
    usage: {
      seconds: 10,
      cpu: { servers: { totalUs: 2e5, userUs: 1e5, systemUs: 1e5 }, clients: none, publisher: none, broker: none },
      busiest: { servers: 0.02, clients: 0.1, publisher: 0.1, broker: 0 },
      idle: 0.8,
    },
    received: {
      live: latencies(1000, 2000, 3000),
      caughtUp: latencies(),
      slow: latencies(),
      coming: latencies(100),
      returning: latencies(),
      repeated: 0,
      gaps: 0,
      broken: 0,
      refused: 0,
      reasons: [],
      loopDelayP99Ms: 1,
    },
    late: latencies(100),
    lost: 0,
    told: 0,
    unknown: 0,
    stormMs: undefined,
    timeline: [0, 1, 2].map((second) => ({
      ...{ second, published: 1000, received: 1000, p50Ms: 1, p99Ms: 2, maxMs: 3, live: 10, serverMiB: 100 },
    })),
    before: [],
    after: [],
    publisherReasons: [],
  }
  const merged = Object.entries(changes).map(([name, change]) => {
    const value = quiet[name as keyof Measured]
    const deep = typeof value === 'object' && !Array.isArray(value) && !(value instanceof Latencies)
    return [name, deep ? { ...(value as object), ...(change as object) } : change]
  })
  return { ...quiet, ...Object.fromEntries(merged) }
}

function reportOf(changes: Parameters<typeof measured>[0] = {}, name: ScenarioName = 'unicast', stop = new Stop()) {
  const options: LoadOptions = { clients: 10, rate: 1000, durationS: 10 }
  const run = { target, load: loadOf(name, options), stop, calibration: undefined, startedAt: new Date(0), host: 'h' }
  const opening = { connectSeconds: 2, connected: 10, userBytes: 1024, kernelBytes: 2048 }
  return composeReport(run, opening, 1, measured(changes))
}

test('a quiet run has no problems and no limits, and its figures are what was measured', () => {
  const report = reportOf()
  assert.deepEqual([report.problems, report.generator.limits], [[], []])
  assert.ok(Math.abs(report.latency.p50Ms - 2) < 0.008)
  assert.equal(report.latency.meanMs, 2)
  assert.equal(report.cpuUsPerDelivery, 20)
  assert.equal(report.connecting.perSecond, 5)
  assert.match(reportText(report), /Nothing was lost/)
})

test('a gateway that has shrunk while clients came is no memory below nothing', () => {
  const memory = (bytes: number) => {
    const report = reportOf({})
    return { ...report, memory: { ...report.memory, userBytesPerConnection: bytes } }
  }
  for (const [bytes, said] of [
    [1024, '1 KiB'],
    [-16_000, 'too little to measure'],
  ] as const) {
    assert.ok(reportText(memory(bytes)).includes(`memory a connection  ${said} of the gateways`))
    assert.ok(reportHtml(memory(bytes)).includes(said))
  }
})

test('a loss, a repetition, a broken connection and an unacknowledged event each fail the run', () => {
  assert.match(reportOf({ lost: 3 }).problems.join(), /3 deliveries were lost/)
  assert.match(reportOf({ received: { repeated: 1 } }).problems.join(), /1 deliveries were repeated/)
  const broken = reportOf({ received: { broken: 2, reasons: ['ECONNRESET'] } })
  assert.match(broken.problems.join(), /2 connections broke \(ECONNRESET\)/)
  assert.match(
    reportOf({ unknown: 4, publisherReasons: ['507'] }).problems.join(),
    /4 events were not acknowledged \(507\)/,
  )
  assert.match(reportOf({ received: { live: latencies() } }).problems.join(), /nothing was delivered/)
  assert.match(reportText(broken), /FAILED: 2 connections broke/)
})

test('a gateway that is killed breaks connections by design, but may lose nothing', () => {
  const changes = { received: { broken: 2 }, unknown: 1 }
  assert.deepEqual(reportOf(changes, 'failover').problems, [])
  assert.equal(reportOf({ ...changes, lost: 1 }, 'failover').problems.length, 1)
})

test('what made the run end early is its problem', () => {
  const stop = new Stop()
  stop.fail('the gateway on port 1 ended')
  assert.deepEqual(reportOf({}, 'unicast', stop).problems, ['the gateway on port 1 ended'])
})

test('a generator, a way in or a host without room left is named', () => {
  const limits = (changes: Parameters<typeof measured>[0]) => reportOf(changes).generator.limits.join()
  const busy = { servers: 0.5, clients: 0.95, publisher: 0.1, broker: 0 }
  assert.match(limits({ usage: { busiest: busy } }), /clients used 95 %/)
  assert.match(limits({ usage: { idle: 0.01 } }), /1 % of its CPU time left/)
  assert.match(limits({ late: latencies(30_000) }), /30 ms late/)
  assert.match(limits({ eventsPerSecond: 900 }), /900 of 1000 events/)
  assert.match(limits({ received: { loopDelayP99Ms: 50 } }), /clients read 50 ms late/)
})

test("a server's pauses are those of the run, also where it has started again meanwhile", () => {
  const scrape = (start: number, pauses: number) =>
    new Metrics(
      `process_start_time_seconds ${start}\nnodejs_gc_duration_seconds_count{kind="minor"} ${pauses}\n` +
        `nodejs_gc_duration_seconds_bucket{le="0.01"} ${pauses}\nnodejs_gc_duration_seconds_bucket{le="+Inf"} ${pauses}\n`,
    )
  assert.equal(reportOf({ before: [scrape(1, 40)], after: [scrape(1, 45)] }).server?.gcPauses, 5)
  assert.equal(reportOf({ before: [scrape(1, 40)], after: [scrape(2, 7)] }).server?.gcPauses, 7)
  const oneGone = reportOf({ before: [scrape(1, 40), scrape(1, 1)], after: [scrape(1, 45), undefined] })
  assert.equal(oneGone.server?.gcPauses, 5)
  assert.equal(reportOf({ before: [undefined], after: [undefined] }).server, undefined)
})

test('the page stands alone, and nothing in it is taken for markup', () => {
  const page = reportHtml(reportOf({ lost: 1 }))
  assert.doesNotMatch(page, /<script|<link|<img|https?:\/\//)
  assert.ok(page.includes('Carillon &lt;0&gt;') && !page.includes('<0>'))
  assert.match(page, /Failed: 1 deliveries were lost/)
  assert.equal(page.match(/<svg/g)?.length, 3)
  assert.doesNotMatch(page, /NaN|undefined|Infinity/)
})

test('a run of which nothing came has a page too', () => {
  const nothing = { received: { live: latencies(), coming: latencies() }, timeline: [] as never }
  assert.doesNotMatch(reportHtml(reportOf(nothing)), /NaN|undefined|Infinity/)
  assert.doesNotMatch(reportText(reportOf(nothing)), /NaN|undefined|Infinity/)
})
