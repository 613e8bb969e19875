/** Detects growth in a series of measurements with a line through its last two thirds. */

export interface Point {
  /** Time since the start, s. */
  readonly seconds: number
  readonly value: number
}

export interface Trend {
  /** Mean of the values after the first third. */
  readonly mean: number
  /** Slope of the line, per second. */
  readonly slope: number
  /** Rise of the line from its first to its last point. */
  readonly growth: number
  /** Standard deviation of the values from the line. */
  readonly noise: number
  /** Growth that counts as none: twice the noise or the share of the mean, whichever is larger. */
  readonly allowed: number
  readonly flat: boolean
}

/** Share of the series that is ignored: windows, caches and the JIT's code grow in that time. */
const leftOut = 1 / 3
/** Share of the mean that allows for an allocator's steps. */
const allowedShare = 0.03
/** Fewest points for a line. */
const leastPoints = 4

/** Returns the trend; undefined = too few points. */
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
