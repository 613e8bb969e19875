/** Carillon over the bare yardstick: what `make bench-check` compares. Nothing in it is a time of this host. */
export const ratioNames = ['unicastCpu', 'unicastP50', 'broadcastCpu', 'broadcastP50'] as const
export type RatioName = (typeof ratioNames)[number]

/** A ratio, and how far its rounds lay apart: the standard deviation of their logarithms, a share of the ratio. */
export interface Ratio {
  readonly ratio: number
  readonly spread: number
  readonly rounds: number
}
export type Ratios = Readonly<Record<RatioName, Ratio>>

/** A stretch of load on one of the two. */
export interface Stretch {
  /** CPU of the server, µs a delivery. */
  readonly cpuUs: number
  readonly p50Ms: number
}

/** The two under the same load, each with servers of its own, as A B B A: a host that drifts meets both alike. */
export interface Round {
  readonly carillon: readonly Stretch[]
  readonly bare: readonly Stretch[]
}

/** So many standard errors of the difference between two runs are no accident, with the few rounds that there are. */
const standardErrors = 4
/** A difference below it is not looked for, even where the rounds happen to agree: days and hosts differ too. */
const leastTolerance = 0.08
/** A run that would only notice more than this says nothing. Latency waits for a core now and then; CPU doesn't. */
const mostTolerance = { unicastCpu: 0.25, unicastP50: 0.5, broadcastCpu: 0.25, broadcastP50: 0.5 } as const

/** The geometric mean of the rounds: a ratio and its inverse weigh the same. */
export function ratioOf(rounds: readonly Round[], of: keyof Stretch): Ratio {
  const logs = rounds.map(({ carillon, bare }) => Math.log(sum(carillon, of) / sum(bare, of)))
  const mean = logs.reduce((total, each) => total + each, 0) / logs.length
  const variance = logs.reduce((total, each) => total + (each - mean) ** 2, 0) / (logs.length - 1)
  return { ratio: Math.exp(mean), spread: Math.sqrt(variance), rounds: logs.length }
}

const sum = (stretches: readonly Stretch[], of: keyof Stretch): number =>
  stretches.reduce((total, stretch) => total + stretch[of], 0)

/** `undecided`: the rounds lie too far apart to tell. */
export type Judgement = 'ok' | 'worse' | 'undecided'

export interface Verdict {
  readonly name: RatioName
  readonly measured: Ratio
  readonly was: Ratio
  /** By which share the ratio may be higher: what runs of the same code differ by. */
  readonly tolerance: number
  readonly judgement: Judgement
}

export function judge(ratios: Ratios, baseline: Ratios): Verdict[] {
  return ratioNames.map((name) => {
    const [measured, was] = [ratios[name], baseline[name]]
    const tolerance = toleranceOf(measured, was)
    return { name, measured, was, tolerance, judgement: judgementOf(name, measured.ratio / was.ratio, tolerance) }
  })
}

/** A figure that is no number decides nothing. */
function judgementOf(name: RatioName, change: number, tolerance: number): Judgement {
  if (change > 1 + tolerance) return 'worse'
  return change <= 1 + tolerance && tolerance <= mostTolerance[name] ? 'ok' : 'undecided'
}

function toleranceOf(one: Ratio, other: Ratio): number {
  const errorOf = ({ spread, rounds }: Ratio) => spread ** 2 / rounds
  return Math.max(leastTolerance, standardErrors * Math.sqrt(errorOf(one) + errorOf(other)))
}

/** What is committed, with as many digits as mean something. */
export function baselineOf(ratios: Ratios): Ratios {
  const round = (value: number) => Math.round(value * 1000) / 1000
  const entries = ratioNames.map((name) => {
    const { ratio, spread, rounds } = ratios[name]
    return [name, { ratio: round(ratio), spread: round(spread), rounds }] as const
  })
  return Object.fromEntries(entries) as Record<RatioName, Ratio>
}

const words = { ok: 'ok       ', worse: 'WORSE    ', undecided: 'UNDECIDED' } as const

export function verdictLine({ name, measured, was, tolerance, judgement }: Verdict): string {
  const limit = (was.ratio * (1 + tolerance)).toFixed(2)
  return `${words[judgement]} ${name.padEnd(12)} ${said(measured)}, baseline ${said(was)}, at most ${limit}`
}

const said = ({ ratio, spread }: Ratio): string => `${ratio.toFixed(2)} ± ${(spread * 100).toFixed(0)} %`
