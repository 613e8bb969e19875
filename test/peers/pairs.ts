import { Bench, type Progress } from '../../src/bench/bench.ts'
import { type Load, loadOf } from '../../src/bench/load/scenario.ts'
import type { Target } from '../../src/bench/load/target.ts'
import type { Stop } from '../../src/bench/stop.ts'
import { bare, carillon } from './catalog.ts'
import type { Round, Stretch } from './ratios.ts'
import type { PeerSite } from './site.ts'

export const pairedLoads = { unicast: 5000, broadcast: 20 } as const
export type PairedLoad = keyof typeof pairedLoads
const clients = 1000
const warmupS = 1
const silent: Progress = { step() {}, connecting() {}, second() {} }

export interface RoundOptions {
  readonly site: PeerSite
  readonly stop: Stop
  readonly rounds: number
  /** Of one stretch; a round has four. */
  readonly durationS: number
  readonly progress: (line: string) => void
}

type Side = keyof Round

/**
 * Each round starts both servers anew, each on a topic of its own, since two starts of the same code differ as well; then the load goes to
 * one, twice to the other, and to the first again. Who is the first changes from round to round. Rejects where something was lost:
 * such figures compare nothing.
 */
export async function measureRounds(scenario: PairedLoad, options: RoundOptions): Promise<Round[]> {
  const { stop, rounds, durationS, progress } = options
  const rate = pairedLoads[scenario]
  const load = loadOf(scenario, { rate, clients, payloadBytes: 512, durationS, warmupS })
  const measured: Round[] = []
  while (measured.length < rounds && !stop.stopped) {
    const order = orderOf(measured.length)
    const round = await measureRound(load, order, options)
    measured.push(round)
    const figures = (['carillon', 'bare'] as const).map((side) => `${side} ${round[side].map(said).join(', ')}`)
    progress(`${scenario} at ${rate}/s, round ${measured.length} of ${rounds}: ${figures.join('; ')}`)
  }
  return measured
}

/** A B B A, then B A A B: neither a host that drifts nor a server that has just been started favours a side. */
export function orderOf(round: number): readonly [Side, Side, Side, Side] {
  return round % 2 === 0 ? ['carillon', 'bare', 'bare', 'carillon'] : ['bare', 'carillon', 'carillon', 'bare']
}

async function measureRound(load: Load, order: readonly Side[], { site, stop }: RoundOptions): Promise<Round> {
  const benches = {
    carillon: benchOf(await carillon(site, 'kafka', 'pairs-carillon'), load, stop),
    bare: benchOf(await bare(site, 'kafka', 'pairs-bare'), load, stop),
  }
  const round: Record<Side, Stretch[]> = { carillon: [], bare: [] }
  try {
    for (const side of new Set(order)) await benches[side].open()
    for (const side of order) round[side].push(await stretch(benches[side], load, stop))
  } finally {
    await Promise.all(Object.values(benches).map((bench) => bench.close()))
  }
  return round
}

const benchOf = (target: Target, load: Load, stop: Stop): Bench =>
  new Bench({ target, load, stop, progress: silent, calibrated: false })

async function stretch(bench: Bench, load: Load, stop: Stop): Promise<Stretch> {
  const report = bench.report(await bench.measure(load), load)
  if (stop.interrupted) throw new Error('interrupted')
  if (report.problems.length > 0) throw new Error(`${report.target}: ${report.problems.join('; ')}`)
  return { cpuUs: report.cpuUsPerDelivery, p50Ms: report.latency.p50Ms }
}

const said = ({ cpuUs, p50Ms }: Stretch): string => `${cpuUs.toFixed(1)} µs (p50 ${p50Ms.toFixed(2)} ms)`
