import { Bench, type Progress } from '../../src/bench/bench.ts'
import { type Load, loadOf } from '../../src/bench/scenario.ts'
import type { Stop } from '../../src/bench/stop.ts'
import type { Target } from '../../src/bench/target.ts'
import { bare, carillon } from './catalog.ts'
import type { Pair, Stretch } from './ratios.ts'
import type { PeerSite } from './site.ts'

export const pairedLoads = { unicast: 5000, broadcast: 20 } as const
export type PairedLoad = keyof typeof pairedLoads
const clients = 1000
const warmupS = 1
const silent: Progress = { step() {}, connecting() {}, second() {} }

export interface PairOptions {
  readonly site: PeerSite
  readonly stop: Stop
  readonly pairs: number
  /** Of one stretch. */
  readonly durationS: number
  readonly clients?: number
  readonly progress: (line: string) => void
}

/**
 * Both servers run and have their clients from beginning to end, each on a topic of its own; the load goes to one, then to the other,
 * and again. Rejects where something was lost: such figures compare nothing.
 */
export async function measurePairs(scenario: PairedLoad, options: PairOptions): Promise<Pair[]> {
  const { site, stop, pairs, durationS, progress } = options
  const rate = pairedLoads[scenario]
  const load = loadOf(scenario, { rate, clients: options.clients ?? clients, payloadBytes: 512, durationS, warmupS })
  const [first, second] = [await carillon(site, 'kafka', 'pairs-carillon'), await bare(site, 'kafka', 'pairs-bare')]
  const benches = [first, second].map((target) => benchOf(target, load, stop))
  const measured: Pair[] = []
  try {
    for (const bench of benches) await bench.open()
    while (measured.length < pairs && !stop.stopped) {
      const [ours, yardstick] = [await stretch(benches[0]!, load, stop), await stretch(benches[1]!, load, stop)]
      measured.push({ carillon: ours, bare: yardstick })
      progress(`${scenario} at ${rate}/s, pair ${measured.length}: Carillon ${said(ours)}; bare ${said(yardstick)}`)
    }
  } finally {
    await Promise.all(benches.map((bench) => bench.close()))
  }
  return measured
}

const benchOf = (target: Target, load: Load, stop: Stop): Bench =>
  new Bench({ target, load, stop, progress: silent, calibrated: false })

async function stretch(bench: Bench, load: Load, stop: Stop): Promise<Stretch> {
  const report = bench.report(await bench.measure(load), load)
  if (stop.interrupted) throw new Error('interrupted')
  if (report.problems.length > 0) throw new Error(`${report.target}: ${report.problems.join('; ')}`)
  return { cpuUs: report.cpuUsPerDelivery, p50Ms: report.latency.p50Ms }
}

const said = ({ cpuUs, p50Ms }: Stretch): string => `${cpuUs.toFixed(1)} µs, p50 ${p50Ms.toFixed(2)} ms`
