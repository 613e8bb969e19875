/**
 * Carillon and others under the same load, one after the other: `$(bin/find-node) scripts/peers.ts --help`. Exit status: 1 where a peer failed, 2 where
 * nothing could be measured, 130 after Ctrl-C (what was measured until then is shown).
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { describeHost } from '../src/bench/process/host.ts'
import { catalog, type Entry } from '../test/peers/catalog.ts'
import { docsOf, type Results } from '../test/peers/docs.ts'
import { installPeers } from '../test/peers/install.ts'
import { PeerMeasurement, type PeerRun, parts } from '../test/peers/measure.ts'
import { PeerSite } from '../test/peers/site.ts'

const usage = `usage: $(bin/find-node) scripts/peers.ts install | [options]
  install            fetch the peers' packages into .cache/peers (once)
  --only IDS         of the peers, comma-separated (all that are installed)
  --parts NAMES      of ${parts.join(', ')} (all)
  --duration S       seconds that each rate is measured, after a warm-up of at most 2 s (5)
  --centrifugo PATH  measure this binary of Centrifugo as well, with history and without
  --mercure PATH     measure this binary of Mercure (1.0) as well, with history and without
  --first-port N     a hundred ports from there on are used (19500)
  --json             print the figures as JSON, not as tables
  --docs             write docs/benchmarks.md`

/** Deliveries are counted over whole seconds, without the first. */
const leastS = 2
const docsFile = new URL('../docs/benchmarks.md', import.meta.url)

const progress = (line: string): void => {
  process.stderr.write(`${line}\n`)
}

function flagsOf(args: string[]) {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string' },
      parts: { type: 'string', default: parts.join(',') },
      duration: { type: 'string', default: '5' },
      centrifugo: { type: 'string' },
      mercure: { type: 'string' },
      'first-port': { type: 'string', default: '19500' },
      json: { type: 'boolean', default: false },
      docs: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (!(Number(values.duration) >= leastS)) {
    throw new Error(`--duration: expected at least ${leastS} seconds, got ${values.duration}`)
  }
  const port = Number(values['first-port'])
  if (!(Number.isInteger(port) && port > 0 && port < 65_436)) {
    throw new Error(`--first-port: expected a port with a hundred above it, got ${values['first-port']}`)
  }
  return { ...values, durationS: Number(values.duration), port }
}
type Flags = ReturnType<typeof flagsOf>

/** Of `all`, those that are named; all where nothing is. Throws for a name that is none. */
function named<T extends string>(option: string, text: string | undefined, all: readonly T[]): T[] {
  if (text === undefined) return [...all]
  const names = text.split(',')
  const unknown = names.find((name) => !all.includes(name as T))
  if (unknown !== undefined) throw new Error(`${option}: expected names of ${all.join(', ')}, got "${unknown}"`)
  return all.filter((each) => names.includes(each))
}

async function run(flags: Flags): Promise<void> {
  const site = new PeerSite(flags.port)
  try {
    const results = await measureAll(site, flags)
    if (flags.json) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`)
    else process.stdout.write(docsOf(results))
    if (flags.docs && process.exitCode === undefined) writeFileSync(docsFile, docsOf(results))
    if (results.runs.some(failed)) process.exitCode ??= 1
  } finally {
    await site.close()
  }
}

/** A rate that was too much for a peer is a figure; what was lost or never came is a failure. */
const failed = ({ failure, figures }: PeerRun) =>
  failure !== undefined || figures.some((each) => each.problems.length > 0)

async function measureAll(site: PeerSite, flags: Flags): Promise<Results> {
  const all = catalog(site, flags)
  const ids = named(
    '--only',
    flags.only,
    all.map(({ id }) => id),
  )
  const chosen: Entry[] = all.filter(({ id }) => ids.includes(id))
  const lacking = chosen.filter(({ lacks }) => lacks !== undefined)
  for (const { id, lacks } of lacking) progress(`${id} is left out: ${lacks}`)
  const wanted = named('--parts', flags.parts, parts)
  const { durationS } = flags
  const measurement = new PeerMeasurement(site, { parts: wanted, durationS, progress })
  onInterrupt(measurement)
  const startedAt = new Date().toISOString()
  const runs: PeerRun[] = []
  for (const entry of chosen) {
    if (entry.lacks === undefined && !measurement.interrupted) runs.push(await measurement.run(entry))
  }
  const left = Object.fromEntries(lacking.map(({ id, lacks }) => [id, lacks!]))
  return { startedAt, host: describeHost(), command: commandLine(), durationS, parts: wanted, runs, left }
}

/** The first Ctrl-C ends the run with what it has, the second one at once. */
function onInterrupt(measurement: PeerMeasurement): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (measurement.interrupted) process.exit(130)
      process.exitCode = 130
      progress('ending ...')
      measurement.interrupt()
    })
  }
}

function commandLine(): string {
  // Where somebody keeps a program says nothing to others.
  const options = process.argv
    .slice(2)
    .filter((option) => option !== '--docs')
    .map((option) => (option.startsWith('/') ? 'PATH' : option))
  return options.length === 0 ? 'make peers' : `$(bin/find-node) scripts/peers.ts ${options.join(' ')}`
}

try {
  const args = process.argv.slice(2)
  if (args[0] === 'install') await installPeers(progress)
  else {
    const flags = flagsOf(args)
    if (flags.help) process.stdout.write(`${usage}\n`)
    else await run(flags)
  }
} catch (error) {
  progress(error instanceof Error ? error.message : String(error))
  process.exitCode = 2
}
