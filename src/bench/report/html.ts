import { type Axis, chart, linearAxis, logAxis } from './chart.ts'
import { growth, type LatencyFigures, type Report } from './report.ts'

/** One run as one page that needs nothing else: no script, no font, no host. */
export function reportHtml(report: Report): string {
  const { load, target } = report
  const title = `${load.scenario}: ${target}`
  const body = [
    `<h1>${escaped(load.scenario)}</h1>`,
    `<p>${escaped(target)}, ${report.startedAt}, ${whole(load.clients)} clients, ${shown(load.rate)} events/s of ${load.payloadBytes} bytes, measured for ${shown(report.measuredSeconds)} s</p>`,
    verdict(report),
    section('Latency, publish to received, ms', latencyTable(report)),
    percentilePlot(report),
    latencyTimeline(report),
    rateTimeline(report),
    section('Figures', keyValues(figures(report))),
    section('CPU', cpuTable(report)),
    found(report),
    section('Machine and settings', keyValues(machine(report))),
    `<details><summary>Everything, as JSON</summary><pre>${escaped(JSON.stringify(report, null, 1))}</pre></details>`,
  ]
  return `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(title)}</title><style>${style}</style></head>\n<body>${body.join('\n')}</body></html>\n`
}

const style = `
:root { color-scheme: light dark; --line: #8884; --a: #2563eb; --b: #d97706; --c: #dc2626; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 900px; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } th, td { padding: .2rem .7rem; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child, .words td { text-align: left; } .words td { overflow-wrap: anywhere; }
figure { margin: 1.5rem 0; } svg { width: 100%; height: auto; font-size: 12px; } svg text { fill: currentColor; }
.grid { stroke: var(--line); } .line { fill: none; stroke-width: 1.8; }
.a { stroke: var(--a); } .b { stroke: var(--b); } .c { stroke: var(--c); }
.key { margin-left: .8rem; } .key.a { color: var(--a); } .key.b { color: var(--b); } .key.c { color: var(--c); }
.good, .bad, .note { padding: .5rem .8rem; border-left: 4px solid; } .good { border-color: #16a34a; }
.bad { border-color: var(--c); } .note { border-color: var(--b); } pre { overflow: auto; max-height: 30rem; }
`

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}
const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => entities[character]!)

function shown(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return '–'
  const size = Math.abs(value)
  if (size >= 100 || Number.isInteger(value)) return whole(value)
  return value.toFixed(size >= 10 ? 1 : 2)
}

const whole = (value: number): string => Math.round(value).toLocaleString('en')
const section = (title: string, content: string): string => `<h2>${escaped(title)}</h2>\n${content}`

function verdict({ problems, generator, interrupted }: Report): string {
  const lines = problems.map((problem) => `<p class="bad">Failed: ${escaped(problem)}</p>`)
  if (problems.length === 0) lines.push('<p class="good">Nothing was lost or repeated.</p>')
  if (interrupted) lines.push('<p class="note">Interrupted: the figures cover the time until then.</p>')
  for (const limit of generator.limits) {
    lines.push(`<p class="note">Limited outside the gateways: ${escaped(limit)}</p>`)
  }
  return lines.join('\n')
}

function rows(heads: readonly string[], cells: readonly (readonly string[])[], kind = ''): string {
  const head = heads.length === 0 ? '' : `<tr>${heads.map((cell) => `<th>${escaped(cell)}</th>`).join('')}</tr>`
  const body = cells.map((row) => `<tr>${row.map((cell) => `<td>${escaped(cell)}</td>`).join('')}</tr>`)
  return `<table class="${kind}">${head}${body.join('')}</table>`
}

function latencyTable({ latency, caughtUp, slow, connecting }: Report): string {
  const named: (readonly [string, LatencyFigures])[] = [
    ['publish to received', latency],
    ['missed while away', caughtUp],
    ['to slow readers', slow],
    ['connect to live', connecting.first],
    ['lost to live again', connecting.again],
  ]
  const cells = named
    .filter(([, of]) => of.count > 0)
    .map(([name, of]) => {
      const values = [of.meanMs, of.sdMs, of.p50Ms, of.p90Ms, of.p99Ms, of.p999Ms, of.p9999Ms, of.maxMs]
      return [name, whole(of.count), ...values.map(shown)]
    })
  return rows(['', 'count', 'mean', 'sd', 'p50', 'p90', 'p99', 'p99.9', 'p99.99', 'max'], cells)
}

/** The share above a percentile shrinks tenfold from tick to tick. */
const percentileTicks = [0, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999, 0.9999999]

function percentilePlot({ distribution, latency }: Report): string {
  if (distribution.length < 2) return ''
  const last = 1 - 1 / Math.max(10, latency.count)
  const ticks = percentileTicks.filter((_, i) => i === 0 || percentileTicks[i - 1]! < last)
  const x: Axis = {
    title: 'percentile',
    ticks: ticks.map((value) => ({ value, label: `${Number((value * 100).toFixed(5))}` })),
    scale: (share) => -Math.log10(1 - Math.min(share, ticks.at(-1)!)),
  }
  const points = distribution.map(([ms, share]) => [share, Math.max(ms, 0.001)] as const)
  const y = logAxis(
    'ms',
    points.map(([, ms]) => ms),
  )
  return chart('Percentiles', x, y, [{ name: 'publish to received', style: 'a', points }])
}

function latencyTimeline({ timeline }: Report): string {
  const x = secondsAxis(timeline)
  if (x === undefined) return ''
  const line = (name: string, style: string, of: 'p50Ms' | 'p99Ms' | 'maxMs') => ({
    name,
    style,
    points: timeline.map((second) => [second.second, second[of]] as const),
  })
  const lines = [line('p50', 'a', 'p50Ms'), line('p99', 'b', 'p99Ms'), line('max', 'c', 'maxMs')]
  const y = logAxis(
    'ms',
    lines.flatMap(({ points }) => points.map(([, ms]) => ms)),
  )
  return chart('Latency of the events that arrived in each second', x, y, lines)
}

function rateTimeline({ timeline }: Report): string {
  const x = secondsAxis(timeline)
  if (x === undefined) return ''
  const points = timeline.map(({ second, received }) => [second, received] as const)
  const y = linearAxis('deliveries/s', 0, Math.max(1, ...points.map(([, received]) => received)))
  return chart('Deliveries a second', x, y, [{ name: 'deliveries', style: 'a', points }])
}

function secondsAxis(timeline: Report['timeline']): Axis | undefined {
  if (timeline.length < 2) return undefined
  const seconds = timeline.map(({ second }) => second)
  return linearAxis('seconds since the warm-up ended', Math.min(...seconds), Math.max(...seconds))
}

const keyValues = (pairs: readonly (readonly [string, string])[]): string => rows([], pairs, 'words')

function figures(report: Report): [string, string][] {
  const { promises, memory, server, connecting, generator } = report
  const pairs: [string, string][] = [
    ['events published a second', shown(report.eventsPerSecond)],
    ['deliveries a second', shown(report.deliveriesPerSecond)],
    ['CPU of the servers a delivery', `${shown(report.cpuUsPerDelivery)} µs`],
    ['lost, repeated', `${promises.lost}, ${promises.repeated}`],
    ['gaps reported', `${promises.gaps} (${promises.told} events)`],
    ['connections broken', whole(promises.broken)],
    ['events without acknowledgement', whole(promises.unknown)],
    ['connections a second while connecting', shown(connecting.perSecond)],
    ['memory a connection, servers', growth(memory.userBytesPerConnection, shown)],
    ['memory a connection, kernel, both ends', growth(memory.kernelBytesPerConnection, shown)],
    [
      'publisher late, p99 and max',
      `${shown(generator.publisherLateP99Ms)} ms, ${shown(generator.publisherLateMaxMs)} ms`,
    ],
    ['clients read late, p99', `${shown(generator.clientLoopP99Ms)} ms`],
  ]
  if (connecting.stormMs !== undefined) pairs.push(['all back after the storm', `${shown(connecting.stormMs)} ms`])
  if (server !== undefined) {
    pairs.push([
      'server GC',
      `${whole(server.gcPauses)} pauses, ${shown(server.gcMs)} ms in total, p99 ≤ ${shown(server.gcP99Ms)} ms`,
    ])
    pairs.push(['server loop delay, p99', `≤ ${shown(server.loopDelayP99Ms)} ms`])
  }
  const { calibration } = generator
  if (calibration !== undefined) {
    pairs.push(['capacity of a process of clients', `${whole(calibration.clientMessagesPerSecond)} messages/s`])
    pairs.push(['capacity of the publisher', `${whole(calibration.publisherEventsPerSecond)} events/s`])
  }
  return pairs
}

function cpuTable({ cpu, hostIdle }: Report): string {
  const cells = Object.entries(cpu).map(([part, { userS, systemS, busiest }]) => [
    part,
    shown(userS),
    shown(systemS),
    `${Math.round(busiest * 100)} %`,
  ])
  const table = rows(['', 'user s', 'kernel s', 'busiest process, of a core'], cells)
  return `${table}<p>Host idle: ${Math.round(hostIdle * 100)} %</p>`
}

function found({ found }: Report): string {
  if (found === undefined) return ''
  const cells = found.trials.map(({ rate, p99Ms, passed, why }) => [whole(rate), shown(p99Ms), passed ? 'passed' : why])
  const said =
    found.rate === undefined ? 'No rate passed three times.' : `${whole(found.rate)} events/s passed three times.`
  return section(
    `The highest rate with a p99 of at most ${found.p99Ms} ms`,
    `<p>${said} Rates within 10 % are not distinguished.</p>${rows(['events/s', 'p99 ms', 'verdict'], cells)}`,
  )
}

function machine({ host, settings, load, generator }: Report): [string, string][] {
  const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value))
  return [
    ['machine', host],
    ...Object.entries(settings).map(([name, value]): [string, string] => [name, text(value)]),
    ...Object.entries(load).map(([name, value]): [string, string] => [name, text(value)]),
    ['processes of clients', String(generator.clientProcesses)],
  ]
}
