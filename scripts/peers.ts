/**
 * Carillon and others under the same load, one after the other: `$(bin/find-node) scripts/peers.ts --help`. Exit status: 1 where a peer failed, 2 where
 * nothing could be measured, 130 after Ctrl-C (what was measured until then is shown).
 */
import { writeFileSync } from 'node:fs'
import { Argument } from 'commander'
import { describeHost } from '../src/bench/process/host.ts'
import {
  exitCodes,
  interruptible,
  names,
  namesOption,
  number,
  progress,
  runScript,
  script,
  whole,
} from '../test/command/command.ts'
import { catalog, type Entry } from '../test/peers/catalog.ts'
import { docsOf, type Results } from '../test/peers/docs.ts'
import { installPeers } from '../test/peers/install.ts'
import { type Part, PeerMeasurement, type PeerRun, parts } from '../test/peers/measure.ts'
import { PeerSite } from '../test/peers/site.ts'

/** Deliveries are counted over whole seconds, without the first. */
const leastS = 2
const docsFile = new URL('../docs/benchmarks.md', import.meta.url)

interface Flags {
  readonly only?: string
  readonly parts: readonly Part[]
  readonly duration: number
  readonly centrifugo?: string
  readonly mercure?: string
  readonly firstPort: number
  readonly json?: boolean
  readonly docs?: boolean
}

const command = () =>
  script('peers', 'Carillon and others under the same load, one after the other.')
    .addArgument(
      new Argument('[install]', "fetch the peers' packages into .cache/peers (once) instead").choices(['install']),
    )
    .option('--only <ids>', 'peers, comma-separated (default: all that are installed)')
    .addOption(namesOption('--parts <names>', 'measurements', parts))
    .option(
      '--duration <s>',
      'seconds that each rate is measured, after a warm-up of at most 2 s',
      number({ least: leastS }),
      5,
    )
    .option('--centrifugo <path>', 'measure this binary of Centrifugo as well, with history and without')
    .option('--mercure <path>', 'measure this binary of Mercure (1.0) as well, with history and without')
    .option('--first-port <port>', 'first of a hundred ports to use', whole(1, 65_435), 19_500)
    .option('--json', 'print the figures as JSON, not as tables')
    .option('--docs', 'write docs/benchmarks.md')
    .addHelpText(
      'after',
      '\nExit status: 1 a peer failed, 2 nothing could be measured, 130 Ctrl-C (what was measured until then is shown).',
    )

async function run(flags: Flags): Promise<number> {
  const site = new PeerSite(flags.firstPort)
  try {
    const { results, interrupted } = await measureAll(site, flags)
    if (flags.json) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`)
    else process.stdout.write(docsOf(results))
    if (interrupted) return exitCodes.interrupted
    if (flags.docs) writeFileSync(docsFile, docsOf(results))
    return results.runs.some(failed) ? exitCodes.failed : exitCodes.ok
  } finally {
    await site.close()
  }
}

/** A rate that was too much for a peer is a figure; what was lost or never came is a failure. */
const failed = ({ failure, figures }: PeerRun) =>
  failure !== undefined || figures.some((each) => each.problems.length > 0)

/** Which peers there are depends on other options. */
function named(text: string, all: readonly Entry[]): Entry[] {
  const ids = names(all.map(({ id }) => id))(text)
  return all.filter(({ id }) => ids.includes(id))
}

async function measureAll(site: PeerSite, flags: Flags): Promise<{ results: Results; interrupted: boolean }> {
  const all = catalog(site, flags)
  const chosen = flags.only === undefined ? all : named(flags.only, all)
  const lacking = chosen.filter(({ lacks }) => lacks !== undefined)
  for (const { id, lacks } of lacking) progress(`${id} is left out: ${lacks}`)
  const { parts: wanted, duration: durationS } = flags
  const measurement = new PeerMeasurement(site, { parts: wanted, durationS, progress })
  interruptible(() => {
    progress('ending ...')
    measurement.interrupt()
  })
  const startedAt = new Date().toISOString()
  const runs: PeerRun[] = []
  for (const entry of chosen) {
    if (entry.lacks === undefined && !measurement.interrupted) runs.push(await measurement.run(entry))
  }
  const left = Object.fromEntries(lacking.map(({ id, lacks }) => [id, lacks!]))
  const results = { startedAt, host: describeHost(), command: commandLine(), durationS, parts: wanted, runs, left }
  return { results, interrupted: measurement.interrupted }
}

function commandLine(): string {
  // Where somebody keeps a program says nothing to others.
  const options = process.argv
    .slice(2)
    .filter((option) => option !== '--docs')
    .map((option) => (option.startsWith('/') ? 'PATH' : option))
  return options.length === 0 ? 'make peers' : `$(bin/find-node) scripts/peers.ts ${options.join(' ')}`
}

async function main(flags: Flags, [install]: readonly string[]): Promise<number> {
  if (install === undefined) return run(flags)
  await installPeers(progress)
  return exitCodes.ok
}

await runScript(command(), main)
