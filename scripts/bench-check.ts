/**
 * Is the gateway slower than it was? Ratios of Carillon over the bare yardstick (test/peers/bare-server.ts), measured in turn, against
 * test/peers/baseline.json: `$(bin/find-node) scripts/bench-check.ts --help`.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { Stop } from '../src/bench/stop.ts'
import {
  CannotRun,
  exitCodes,
  interruptible,
  number,
  progress,
  runScript,
  script,
  whole,
} from '../test/command/command.ts'
import { measureRounds, type PairedLoad } from '../test/peers/pairs.ts'
import { baselineOf, judge, type Ratios, ratioOf, type Verdict, verdictLine } from '../test/peers/ratios.ts'
import { PeerSite } from '../test/peers/site.ts'

const file = new URL('../test/peers/baseline.json', import.meta.url)
const firstPort = 19_300
const stop = new Stop()

async function measure(rounds: number, durationS: number): Promise<Ratios> {
  const site = new PeerSite(firstPort)
  const lacking = site.lacks('kafka')
  try {
    if (lacking !== undefined) throw new CannotRun(`bench-check needs Kafka: ${lacking}`)
    const paired = (load: PairedLoad) => measureRounds(load, { site, stop, rounds, durationS, progress })
    const [unicast, broadcast] = [await paired('unicast'), await paired('broadcast')]
    return {
      unicastCpu: ratioOf(unicast, 'cpuUs'),
      unicastP50: ratioOf(unicast, 'p50Ms'),
      broadcastCpu: ratioOf(broadcast, 'cpuUs'),
      broadcastP50: ratioOf(broadcast, 'p50Ms'),
    }
  } finally {
    await site.close()
  }
}

/** Returns the exit status that the verdicts mean. */
function told(verdicts: readonly Verdict[]): number {
  const any = (judgement: Verdict['judgement']) => verdicts.some((each) => each.judgement === judgement)
  const head = 'Carillon over bare uWebSockets.js (± how far the rounds lay apart):'
  process.stdout.write(`${head}\n${verdicts.map(verdictLine).join('\n')}\n`)
  if (any('worse')) return exitCodes.failed
  if (!any('undecided')) return exitCodes.ok
  progress('the rounds lie too far apart to tell: keep the host quiet, or measure more rounds (--rounds 8)')
  return exitCodes.cannotRun
}

/** A baseline that decides nothing when it is held against itself would never decide anything. */
function updated(ratios: Ratios): number {
  const status = told(judge(ratios, baselineOf(ratios)))
  if (status === exitCodes.ok) writeFileSync(file, `${JSON.stringify(baselineOf(ratios), null, 2)}\n`)
  else progress('the baseline stays as it was')
  return status
}

interface Options {
  readonly update?: boolean
  readonly rounds: number
  readonly duration: number
}

const command = script(
  'bench-check',
  'Check whether the gateway has become slower: compare its ratios to a bare uWebSockets.js server with the baseline.',
)
  .option('--update', 'write a new baseline instead, on a quiet host, after an intended change')
  .option('--rounds <count>', 'number of rounds; more rounds detect smaller differences', whole(2), 3)
  .option('--duration <s>', "seconds of each of a round's four stretches", number({ least: 2 }), 3)
  .addHelpText(
    'after',
    '\nExit status: 1 a ratio is worse, 2 nothing could be measured or the rounds differ too much to decide, 130 Ctrl-C.',
  )

async function main({ update, rounds, duration }: Options): Promise<number> {
  if (!update && !existsSync(file)) throw new CannotRun('expected test/peers/baseline.json: make it with --update')
  const ratios = await measure(rounds, duration).catch((error: Error) => {
    if (!stop.interrupted) throw error
    progress(error.message)
  })
  if (ratios === undefined) return exitCodes.interrupted
  return update ? updated(ratios) : told(judge(ratios, JSON.parse(readFileSync(file, 'utf8'))))
}

interruptible(() => stop.interrupt())
await runScript(command, main)
