/** Carillon over the bare yardstick: what `make bench-check` compares. Nothing in it is a time of this host. */
export const ratioNames = ['unicastCpu', 'unicastP50', 'broadcastCpu', 'broadcastP50'] as const
export type RatioName = (typeof ratioNames)[number]
export type Ratios = Readonly<Record<RatioName, number>>

/** What is committed: each ratio, and by which share it may be higher before it counts as worse. */
export type Baseline = Readonly<Record<RatioName, { readonly ratio: number; readonly tolerance: number }>>

/** Tolerances of a new baseline: what runs of the same code differ by. */
export const tolerances: Ratios = { unicastCpu: 0.15, unicastP50: 0.3, broadcastCpu: 0.2, broadcastP50: 0.3 }

/** A stretch of load on one of the two. */
export interface Stretch {
  /** CPU of the server, µs a delivery. */
  readonly cpuUs: number
  readonly p50Ms: number
}

/** The two in turn, A B A B: what the host does meanwhile meets both. */
export interface Pair {
  readonly carillon: Stretch
  readonly bare: Stretch
}

/** The median of the pairs' ratios: one disturbed pair of three moves nothing. */
export function ratioOf(pairs: readonly Pair[], of: keyof Stretch): number {
  const ratios = pairs.map(({ carillon, bare }) => carillon[of] / bare[of]).sort((a, b) => a - b)
  const middle = ratios.length >> 1
  if (ratios.length === 0) return Number.NaN
  return ratios.length % 2 === 1 ? ratios[middle]! : (ratios[middle - 1]! + ratios[middle]!) / 2
}

export interface Verdict {
  readonly name: RatioName
  readonly ratio: number
  readonly was: number
  /** The highest that passes. */
  readonly limit: number
  readonly worse: boolean
}

/** A ratio that is no number is worse than any. */
export function judge(ratios: Ratios, baseline: Baseline): Verdict[] {
  return ratioNames.map((name) => {
    const { ratio: was, tolerance } = baseline[name]
    const limit = was * (1 + tolerance)
    return { name, ratio: ratios[name], was, limit, worse: !(ratios[name] <= limit) }
  })
}

export function baselineOf(ratios: Ratios): Baseline {
  const entries = ratioNames.map((name) => {
    const ratio = Math.round(ratios[name] * 1000) / 1000
    return [name, { ratio, tolerance: tolerances[name] }] as const
  })
  return Object.fromEntries(entries) as Record<RatioName, Baseline[RatioName]>
}

export function verdictLine({ name, ratio, was, limit, worse }: Verdict): string {
  const figures = `${ratio.toFixed(2)}, baseline ${was.toFixed(2)}, at most ${limit.toFixed(2)}`
  return `${worse ? 'WORSE ' : 'ok    '} ${name.padEnd(12)} ${figures}`
}
