/** Below this, each µs has its own bucket. Above, an octave has half as many buckets. */
const linear = 256
const perOctave = linear / 2
/** `Math.clz32` of the largest value that needs no shift. */
const linearClz = 24
/** 71 minutes. Longer times count in the last bucket; `maxUs` is exact. */
const limitUs = 2 ** 32 - 1
const size = (32 - 8) * perOctave + linear

/** A form to send to another process and add up there. Contains only non-empty buckets. */
export interface LatencyCounts {
  readonly count: number
  readonly sum: number
  readonly squares: number
  readonly maxUs: number
  readonly negative: number
  readonly buckets: Uint16Array
  readonly counts: Float64Array
}

/**
 * A histogram of latencies, µs: exact up to 256 µs, within 0.4 % up to an hour; mean, deviation
 * and maximum are exact. The gateway's own histogram (telemetry/) is a third of the size and four
 * times as coarse. A benchmark needs the finer one, because its readers compare two
 * distributions.
 */
export class Latencies {
  count = 0
  /** The largest latency, µs; 0 while empty. */
  maxUs = 0
  /**
   * Number of negative latencies, which count as 0. An event that arrives before it is due shows
   * that clocks disagree.
   */
  negative = 0
  #sum = 0
  #squares = 0
  readonly #counts = new Float64Array(size)

  record(us: number): void {
    let value = us
    if (!(value >= 0)) {
      this.negative++
      value = 0
    }
    this.count++
    this.#sum += value
    this.#squares += value * value
    if (value > this.maxUs) this.maxUs = value
    this.#counts[indexOf(value)]! += 1
  }

  /** Mean, µs; NaN while empty. */
  get meanUs(): number {
    return this.#sum / this.count
  }

  /** Standard deviation, µs; NaN while empty. */
  get sdUs(): number {
    return Math.sqrt(Math.max(0, this.#squares / this.count - this.meanUs ** 2))
  }

  /** Returns the `q` quantile (0 to 1), µs, within 0.4 %; NaN while empty. */
  quantileUs(q: number): number {
    if (this.count === 0) return Number.NaN
    let left = Math.max(1, Math.ceil(q * this.count))
    for (let index = 0; index < size; index++) {
      left -= this.#counts[index]!
      if (left <= 0) return Math.min(middle(index), this.maxUs)
    }
    return this.maxUs
  }

  /**
   * Returns each distinct value with the share of all values at or below it, for a percentile
   * plot.
   */
  distribution(): { us: number; share: number }[] {
    const points: { us: number; share: number }[] = []
    let below = 0
    for (let index = 0; index < size; index++) {
      const count = this.#counts[index]!
      if (count === 0) continue
      below += count
      points.push({ us: Math.min(middle(index), this.maxUs), share: below / this.count })
    }
    return points
  }

  add({ count, sum, squares, maxUs, negative, buckets, counts }: LatencyCounts): void {
    this.count += count
    this.#sum += sum
    this.#squares += squares
    this.negative += negative
    if (maxUs > this.maxUs) this.maxUs = maxUs
    for (let i = 0; i < buckets.length; i++) this.#counts[buckets[i]!]! += counts[i]!
  }

  toCounts(): LatencyCounts {
    const used: number[] = []
    for (let index = 0; index < size; index++) if (this.#counts[index]! > 0) used.push(index)
    const buckets = Uint16Array.from(used)
    const counts = Float64Array.from(used, (index) => this.#counts[index]!)
    const { count, maxUs, negative } = this
    return { count, sum: this.#sum, squares: this.#squares, maxUs, negative, buckets, counts }
  }

  clear(): void {
    this.count = this.maxUs = this.negative = this.#sum = this.#squares = 0
    this.#counts.fill(0)
  }
}

function indexOf(us: number): number {
  const value = us >= limitUs ? limitUs : us >>> 0
  if (value < linear) return value
  const shift = linearClz - Math.clz32(value)
  return shift * perOctave + (value >>> shift)
}

/** Returns the middle of the integer values that the bucket counts, µs. */
function middle(index: number): number {
  if (index < linear) return index
  const shift = Math.floor(index / perOctave) - 1
  const width = 2 ** shift
  return (index - shift * perOctave) * width + (width - 1) / 2
}
