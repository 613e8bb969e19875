/**
 * Is the gateway slower than it was? Ratios of Carillon over the bare yardstick (test/peers/bare-server.ts), measured in turn, against
 * test/peers/baseline.json. Exit status: 1 where one is worse, 2 where nothing could be measured or the host is too restless to tell,
 * 130 after Ctrl-C.
 *   $(bin/find-node) scripts/bench-check.ts            measure and judge (under three minutes; needs Kafka)
 *   $(bin/find-node) scripts/bench-check.ts --update   measure and write the baseline instead: on a quiet host, for a change that is meant
 *   --rounds N                             more of them (3) tell smaller differences apart
 *   --duration S                           seconds of each of a round's four stretches (3)
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Stop } from '../src/bench/stop.ts'
import { measureRounds, type PairedLoad } from '../test/peers/pairs.ts'
import { baselineOf, judge, type Ratios, ratioOf, type Verdict, verdictLine } from '../test/peers/ratios.ts'
import { PeerSite } from '../test/peers/site.ts'

const file = new URL('../test/peers/baseline.json', import.meta.url)
const firstPort = 19_300
const stop = new Stop()
const progress = (line: string): void => {
  process.stderr.write(`${line}\n`)
}

async function measure(rounds: number, durationS: number): Promise<Ratios> {
  const site = new PeerSite(firstPort)
  const lacking = site.lacks('kafka')
  try {
    if (lacking !== undefined) throw new Error(`bench-check needs Kafka: ${lacking}`)
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

function tell(verdicts: readonly Verdict[]): void {
  const any = (judgement: Verdict['judgement']) => verdicts.some((each) => each.judgement === judgement)
  const head = 'Carillon over bare uWebSockets.js (± how far the rounds lay apart):'
  process.stdout.write(`${head}\n${verdicts.map(verdictLine).join('\n')}\n`)
  if (any('worse')) process.exitCode = 1
  else if (any('undecided')) {
    process.exitCode = 2
    progress('the rounds lie too far apart to tell: keep the host quiet, or measure more rounds (--rounds 8)')
  }
}

/** A baseline that decides nothing when it is held against itself would never decide anything. */
function update(ratios: Ratios): void {
  tell(judge(ratios, baselineOf(ratios)))
  if (process.exitCode === undefined) writeFileSync(file, `${JSON.stringify(baselineOf(ratios), null, 2)}\n`)
  else progress('the baseline stays as it was')
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (stop.stopped) process.exit(130)
    stop.interrupt()
  })
}
try {
  const { values } = parseArgs({
    options: {
      update: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '3' },
      duration: { type: 'string', default: '3' },
    },
  })
  const [rounds, durationS] = [Number(values.rounds), Number(values.duration)]
  if (!(rounds >= 2 && durationS >= 2)) throw new Error('--rounds: expected at least 2; --duration: at least 2 seconds')
  if (!values.update && !existsSync(file)) throw new Error('expected test/peers/baseline.json: make it with --update')
  const ratios = await measure(rounds, durationS)
  if (values.update) update(ratios)
  else tell(judge(ratios, JSON.parse(readFileSync(file, 'utf8'))))
} catch (error) {
  progress(error instanceof Error ? error.message : String(error))
  process.exitCode = stop.interrupted ? 130 : 2
}
