/** Whether a series of measurements grows: a line through its last two thirds. */

export interface Point {
  /** Since the start, s. */
  readonly seconds: number
  readonly value: number
}

export interface Trend {
  /** Of the values behind the first third. */
  readonly mean: number
  /** Of the line, a second. */
  readonly slope: number
  /** What the line gains from its first to its last point. */
  readonly growth: number
  /** How far values lie from the line: their standard deviation. */
  readonly noise: number
  /** Growth that is taken for none: twice the noise, or the share of the mean, whichever is more. */
  readonly allowed: number
  readonly flat: boolean
}

/** Windows, caches and compilers fill in the first third: it is left out. */
const leftOut = 1 / 3
/** Of the mean: an allocator's own steps. */
const allowedShare = 0.03
/** Fewer points make no line. */
const leastPoints = 4

/** undefined: too few points. */
export function trend(points: readonly Point[]): Trend | undefined {
  const end = points.at(-1)?.seconds ?? 0
  const counted = points.filter(({ seconds }) => seconds >= end * leftOut)
  if (counted.length < leastPoints) return undefined
  const mean = average(counted.map(({ value }) => value))
  const middle = average(counted.map(({ seconds }) => seconds))
  const spread = sum(counted.map(({ seconds }) => (seconds - middle) ** 2))
  const slope = sum(counted.map(({ seconds, value }) => (seconds - middle) * (value - mean))) / spread
  const residuals = counted.map(({ seconds, value }) => value - mean - slope * (seconds - middle))
  const noise = Math.sqrt(average(residuals.map((each) => each ** 2)))
  const growth = slope * (end - counted[0]!.seconds)
  const allowed = Math.max(2 * noise, allowedShare * mean)
  return { mean, slope, growth, noise, allowed, flat: growth <= allowed }
}

const sum = (values: readonly number[]) => values.reduce((total, each) => total + each, 0)
const average = (values: readonly number[]) => sum(values) / values.length
