/**
 * Ten thousand clients disconnect, miss ten minutes of events, and reconnect within a second:
 * `$(bin/find-node) scripts/reconnect-storm.ts --help`. docs/figures.md explains the columns.
 * Exit status: 1 when something was lost or repeated, 2 when it could not be measured.
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

/**
 * Returns settings that determine how much of the ten minutes a gateway still holds at the
 * reconnect. For `scan`, the index has dropped most of it too.
 */
function settings(part: Exclude<Part, 'cost'>, partitions: number): Partial<GatewayConfig> {
  if (part === 'memory') return {}
  const indexMiB = part === 'index' ? 8 * partitions : Math.ceil(partitions / 12)
  return { window: { windowMiB: partitions, indexMiB }, limits }
}

/** Returns the promises that a run broke. */
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
    progress(`${options.clients.toLocaleString('en')} clients, missed events are in: ${part} ...`)
    storms.push(await measureStorm(site, part, options, settings(part, options.partitions)))
  }
  if (storms.length > 0) {
    const { broker, clients, each, subjects, missed, within, rate, live, partitions } = options
    const away = `${missed.toLocaleString('en')} events of ${subjects.toLocaleString('en')} subjects were published at full speed while they were away`
    const note =
      `Broker: ${broker}, ${partitions} partitions. ${clients.toLocaleString('en')} clients with ${each} subjects each begin to reconnect within ${within} ms; ${away}, ` +
      `which is ${Math.round(missed / rate)} s of ${rate} events a second, the rate before and during the storm.`
    tables.push({ title: 'A reconnect storm', note, rows: storms.map(stormRow) })
    const latency = `${live} live clients get one event a second each, due at a fixed rate. The processes of the returning clients have the lowest priority.`
    tables.push({ title: 'Live latency during the storm', note: latency, rows: storms.flatMap(latencyRows) })
  }
  if (options.only.includes('cost')) {
    progress('read-back cost by number of missed events ...')
    const note = 'A single client, one partition; one event in 500 has its subject. `scan`: more than the index holds.'
    tables.push({ title: 'Read-back cost by number of missed events', note, rows: await measureCost(site, options) })
  }
  return { tables, problems: storms.flatMap(faults) }
}

async function main(options: Options): Promise<number> {
  expectSubjects(options)
  const most = maxConnections()
  if (options.clients + options.live > most) {
    throw new CannotRun(
      `expected at most ${most} clients, because the gateway needs a descriptor for each, got ${options.clients}`,
    )
  }
  if (options.profile !== undefined) mkdirSync(options.profile, { recursive: true })
  const site = new Site(options.profile)
  const lacking = site.lacks(options.broker)
  if (lacking !== undefined) throw new CannotRun(`${options.broker} cannot be started: ${lacking}`)
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
