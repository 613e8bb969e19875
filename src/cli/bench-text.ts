import { growth, type LatencyFigures, type Report, type Second } from '../bench/report/report.ts'
import { table } from './text.ts'

/** Formats a number with three digits, more than repeated runs agree on. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return '-'
  const size = Math.abs(value)
  if (size >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString('en')
  return value.toFixed(size >= 10 ? 1 : 2)
}

/** Returns the progress line for one second. */
export function secondLine({ second, published, received, p50Ms, p99Ms, maxMs, live }: Second): string {
  const when = second < 0 ? `warm-up, ${-second} s to go` : `${second} s`
  const latency = `p50 ${digits(p50Ms)} p99 ${digits(p99Ms)} max ${digits(maxMs)} ms`
  return `${when}: ${digits(published)} events, ${digits(received)} deliveries, ${latency}, ${digits(live)} live`
}

/** Returns the report for a terminal. */
export function reportText(report: Report): string {
  const { load, target, host, measuredSeconds, interrupted } = report
  const settings = Object.entries(report.settings).map(([name, value]) => `${name} ${shown(value)}`)
  const head = [
    `${load.scenario}: ${digits(load.clients)} clients, ${digits(load.rate)} events/s of ${load.payloadBytes} bytes, ${digits(measuredSeconds)} s${interrupted ? ' (interrupted)' : ''}`,
    `${target} (${settings.join(', ')})`,
    host,
  ]
  const parts = [head.join('\n'), latencyTable(report), figures(report), cpuTable(report), verdict(report)]
  if (report.found !== undefined) parts.push(foundText(report.found))
  return `${parts.join('\n\n')}\n`
}

const shown = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

function latencyTable({ latency, caughtUp, slow, connecting }: Report): string {
  const heads = ['ms', 'count', 'mean', 'sd', 'p50', 'p90', 'p99', 'p99.9', 'p99.99', 'max']
  const rows: (readonly [string, LatencyFigures])[] = [['publish to received', latency]]
  if (caughtUp.count > 0) rows.push(['missed while away', caughtUp])
  if (slow.count > 0) rows.push(['to slow readers', slow])
  rows.push(['connect to live', connecting.first])
  if (connecting.again.count > 0) rows.push(['lost to live again', connecting.again])
  return table(
    heads,
    rows.map(([name, of]) => [
      name,
      digits(of.count),
      ...[of.meanMs, of.sdMs, of.p50Ms, of.p90Ms, of.p99Ms, of.p999Ms, of.p9999Ms, of.maxMs].map(digits),
    ]),
  )
}

function figures(report: Report): string {
  const { promises, memory, server, connecting, generator } = report
  const rows: [string, string][] = [
    ['events/s', digits(report.eventsPerSecond)],
    ['deliveries/s', digits(report.deliveriesPerSecond)],
    ['CPU a delivery', `${digits(report.cpuUsPerDelivery)} µs of the gateways`],
    ['lost, repeated', `${promises.lost}, ${promises.repeated}`],
    ['gaps reported', `${promises.gaps} (${promises.told} events)`],
    ['connects/s', digits(connecting.perSecond)],
    ['memory a connection', memoryText(memory)],
  ]
  if (connecting.stormMs !== undefined) rows.push(['storm over after', `${digits(connecting.stormMs)} ms`])
  if (promises.broken > 0) rows.push(['connections broken', digits(promises.broken)])
  if (promises.unknown > 0) rows.push(['not acknowledged', `${digits(promises.unknown)} events`])
  if (server !== undefined) {
    rows.push([
      'gateway GC',
      `${digits(server.gcPauses)} pauses, ${digits(server.gcMs)} ms total, p99 ≤ ${digits(server.gcP99Ms)} ms`,
    ])
    rows.push(['gateway loop delay', `p99 ≤ ${digits(server.loopDelayP99Ms)} ms`])
  }
  rows.push([
    'publisher late',
    `p99 ${digits(generator.publisherLateP99Ms)} ms, max ${digits(generator.publisherLateMaxMs)} ms`,
  ])
  const { calibration } = generator
  if (calibration !== undefined) {
    const clients = `${digits(calibration.clientMessagesPerSecond)} messages/s per process of clients`
    rows.push(['the generator can', `${clients}, ${digits(calibration.publisherEventsPerSecond)} events/s made`])
  }
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n')
}

function memoryText({ userBytesPerConnection, kernelBytesPerConnection, serverMiB }: Report['memory']): string {
  const grown = (bytes: number) => growth(bytes, digits)
  return `${grown(userBytesPerConnection)} of the gateways, ${grown(kernelBytesPerConnection)} of the kernel (both ends); gateways ${digits(serverMiB)} MiB at the end`
}

function cpuTable({ cpu, hostIdle }: Report): string {
  const rows = Object.entries(cpu).map(([name, { userS, systemS, busiest }]) => [
    name,
    digits(userS),
    digits(systemS),
    `${Math.round(busiest * 100)} %`,
  ])
  const idle = `host idle ${Math.round(hostIdle * 100)} %`
  return `${table(['CPU', 'user s', 'kernel s', 'busiest process'], rows)}\n${idle}`
}

function verdict({ generator, problems }: Report): string {
  const limits = generator.limits.map((limit) => `limited outside the gateways: ${limit}`)
  const failed = problems.map((problem) => `FAILED: ${problem}`)
  if (limits.length + failed.length === 0) return 'Nothing was lost or repeated; the load generator was not the limit.'
  return [...limits, ...failed].join('\n')
}

function foundText({ p99Ms, rate, failedAt, trials }: NonNullable<Report['found']>): string {
  const rows = trials.map((trial) => [digits(trial.rate), digits(trial.p99Ms), trial.passed ? 'passed' : trial.why])
  const above = failedAt === undefined ? 'nothing higher was tried' : `${digits(failedAt)} failed`
  const said =
    rate === undefined
      ? `No rate passed three times with a p99 of at most ${p99Ms} ms.`
      : `${digits(rate)} events/s passed three times with a p99 of at most ${p99Ms} ms; ${above}. Rates within 10 % are not distinguished.`
  return `${table(['events/s', 'p99 ms', 'verdict'], rows)}\n\n${said}`
}
