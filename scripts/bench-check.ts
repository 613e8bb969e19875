/**
 * Is the gateway slower than it was? Ratios of Carillon over the bare yardstick (test/peers/bare-server.ts), measured in turn, against
 * test/peers/baseline.json. Exit status: 1 where one is worse, 2 where nothing could be measured, 130 after Ctrl-C.
 *   node scripts/bench-check.ts            measure and judge (under two minutes; needs Kafka)
 *   node scripts/bench-check.ts --update   measure and write the baseline instead: on a quiet host, for a change that is meant
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Stop } from '../src/bench/stop.ts'
import { measurePairs, type PairedLoad } from '../test/peers/pairs.ts'
import { type Baseline, baselineOf, judge, type Ratios, ratioOf, verdictLine } from '../test/peers/ratios.ts'
import { PeerSite } from '../test/peers/site.ts'

const file = new URL('../test/peers/baseline.json', import.meta.url)
const firstPort = 19_300
const stop = new Stop()
const progress = (line: string): void => {
  process.stderr.write(`${line}\n`)
}

async function measure(pairs: number, durationS: number): Promise<Ratios> {
  const site = new PeerSite(firstPort)
  const lacking = site.lacks('kafka')
  try {
    if (lacking !== undefined) throw new Error(`bench-check needs Kafka: ${lacking}`)
    const paired = (load: PairedLoad) => measurePairs(load, { site, stop, pairs, durationS, progress })
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

function judgeAgainst(baseline: Baseline, ratios: Ratios): void {
  const verdicts = judge(ratios, baseline)
  process.stdout.write(`Carillon over bare uWebSockets.js:\n${verdicts.map(verdictLine).join('\n')}\n`)
  if (verdicts.some(({ worse }) => worse)) process.exitCode = 1
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
      pairs: { type: 'string', default: '3' },
      duration: { type: 'string', default: '5' },
    },
  })
  const [pairs, durationS] = [Number(values.pairs), Number(values.duration)]
  if (!(pairs >= 1 && durationS >= 2)) throw new Error('--pairs: expected at least 1; --duration: at least 2 seconds')
  if (!values.update && !existsSync(file)) throw new Error('expected test/peers/baseline.json: make it with --update')
  const ratios = await measure(pairs, durationS)
  if (values.update) writeFileSync(file, `${JSON.stringify(baselineOf(ratios), null, 2)}\n`)
  judgeAgainst(JSON.parse(readFileSync(file, 'utf8')), ratios)
} catch (error) {
  progress(error instanceof Error ? error.message : String(error))
  process.exitCode = stop.interrupted ? 130 : 2
}
