/**
 * Ten thousand clients leave, ten minutes of events pass, and all come back within a second: `$(bin/find-node) scripts/reconnect-storm.ts --help`. What
 * the columns mean is in docs/figures.md. Exit status: 1 where something was lost or repeated, 2 where it could not be measured.
 */
import { mkdirSync } from 'node:fs'
import type { GatewayConfig } from '../src/bench/carillon/gateway.ts'
import { maxConnections } from '../src/bench/process/host.ts'
import { CannotRun, endsAtCtrlC, exitCodes, progress, runScript } from '../test/command/command.ts'
import { Site } from '../test/figures/site.ts'
import { type Results, type Row, resultText, type Table } from '../test/figures/table.ts'
import { measureCost } from '../test/reconnect-storm/cost.ts'
import { command, expectSubjects, type Options, type Part } from '../test/reconnect-storm/options.ts'
import { type Latency, measureStorm, type Storm } from '../test/reconnect-storm/run.ts'

const limits = { maxEventBytes: 200_000 }

/** What a gateway has of the ten minutes when they come back: for `scan`, the index has forgotten most of them too. */
function settings(part: Exclude<Part, 'cost'>, partitions: number): Partial<GatewayConfig> {
  if (part === 'memory') return {}
  const indexMiB = part === 'index' ? 8 * partitions : Math.ceil(partitions / 12)
  return { window: { windowMiB: partitions, indexMiB }, limits }
}

/** Which promises a run broke. */
function faults({ name, lost, repeated, gaps, broken }: Storm): string[] {
  const found = {
    'deliveries lost': lost,
    'deliveries repeated': repeated,
    'gaps told': gaps,
    'connections broken': broken,
  }
  return Object.entries(found).flatMap(([what, n]) => (n === 0 ? [] : [`${name}: ${n} ${what}`]))
}

function stormRow({ name, clients, arrival, returning, cpu, counted, lost, repeated }: Storm): Row {
  const { reads, bytes, records, looked, caughtUp, throttledS } = counted
  return {
    'missed is in': name,
    given: caughtUp,
    'range reads': reads,
    'MiB read': bytes / 2 ** 20,
    'records read': records,
    'looked at': looked,
    'held back s': throttledS,
    'connecting ms': arrival.begunMs,
    'last live ms': arrival.allLiveMs,
    'a client p50 ms': returning.quantileUs(0.5) / 1000,
    'p99 ms': returning.quantileUs(0.99) / 1000,
    'CPU s': cpu.totalUs / 1e6,
    'CPU µs a client': cpu.totalUs / clients,
    lost,
    repeated,
  }
}

function latencyRows({ name, quiet, meanwhile }: Storm): Row[] {
  const row = (when: string, latency: Latency): Row => ({
    'missed is in': name,
    when,
    'received p50 ms': latency.p50Us / 1000,
    'p99 ms': latency.p99Us / 1000,
    'max ms': latency.maxUs / 1000,
    'written p99 ≤ ms': latency.writtenP99 * 1000,
    'read to written p99 ≤ ms': latency.readToWrittenP99 * 1000,
    'loop delay p99 ≤ ms': latency.loopDelayP99 * 1000,
    'waits for a core %': latency.coreWait * 100,
  })
  return [row('quiet', quiet), row('while they come', meanwhile)]
}

async function measureAll(site: Site, options: Options): Promise<Results> {
  const tables: Table[] = []
  const storms: Storm[] = []
  for (const part of ['memory', 'index', 'scan'] as const) {
    if (!options.only.includes(part)) continue
    progress(`${options.clients.toLocaleString('en')} clients, what they missed is in: ${part} ...`)
    storms.push(await measureStorm(site, part, options, settings(part, options.partitions)))
  }
  if (storms.length > 0) {
    const { broker, clients, each, subjects, missed, within, rate, live, partitions } = options
    const away = `${missed.toLocaleString('en')} events of ${subjects.toLocaleString('en')} subjects were published as fast as it goes while they were away`
    const note =
      `Broker: ${broker}, ${partitions} partitions. ${clients.toLocaleString('en')} clients with ${each} subjects each begin to come back within ${within} ms; ${away}, ` +
      `which is ${Math.round(missed / rate)} s of ${rate} events a second, the rate at which they flow before and meanwhile.`
    tables.push({ title: 'A reconnect storm', note, rows: storms.map(stormRow) })
    const latency = `${live} live clients get one event a second each, due at a fixed rate. The processes of those who come back have the lowest priority.`
    tables.push({ title: 'Live latency meanwhile', note: latency, rows: storms.flatMap(latencyRows) })
  }
  if (options.only.includes('cost')) {
    progress('read-back against what was missed ...')
    const note =
      'One client alone, one partition, one event in 500 is of its subject. `scan`: more than the index knows.'
    tables.push({ title: 'Read-back against what was missed', note, rows: await measureCost(site, options) })
  }
  return { tables, problems: storms.flatMap(faults) }
}

async function main(options: Options): Promise<number> {
  expectSubjects(options)
  const most = maxConnections()
  if (options.clients + options.live > most) {
    throw new CannotRun(
      `expected at most ${most} clients, for the gateway has a descriptor for each, got ${options.clients}`,
    )
  }
  if (options.profile !== undefined) mkdirSync(options.profile, { recursive: true })
  const site = new Site(options.profile)
  const lacking = site.lacks(options.broker)
  if (lacking !== undefined) throw new CannotRun(`${options.broker} can't be started: ${lacking}`)
  try {
    const results = await measureAll(site, options)
    process.stdout.write(resultText(results, options.json ? 'json' : options.markdown ? 'markdown' : 'text'))
    for (const problem of results.problems) progress(`broken promise: ${problem}`)
    return results.problems.length > 0 ? exitCodes.failed : exitCodes.ok
  } finally {
    await site.close()
  }
}

endsAtCtrlC()
await runScript(command(), main)
