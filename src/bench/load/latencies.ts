/** Below this every µs has a bucket of its own; above, an octave has half as many. */
const linear = 256
const perOctave = linear / 2
/** clz32 of the largest value that needs no shift. */
const linearClz = 24
/** 71 minutes: what is longer is counted in the last bucket, `maxUs` has it exactly. */
const limitUs = 2 ** 32 - 1
const size = (32 - 8) * perOctave + linear

/** What can be sent to another process, and added up there: only the buckets that have something. */
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
 * How often each latency occurred, µs: exact up to 256 µs, within 0.4 % up to an hour; mean, deviation and maximum are exact. The
 * gateway's own histogram (telemetry/) is a third of the size and four times as coarse: a benchmark's reader compares two of them.
 */
export class Latencies {
  count = 0
  /** The largest, µs; 0 while empty. */
  maxUs = 0
  /** Below zero: counted as 0. An event that came before it was due tells of clocks that disagree. */
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

  /** NaN while empty. */
  get meanUs(): number {
    return this.#sum / this.count
  }

  /** Standard deviation, µs; NaN while empty. */
  get sdUs(): number {
    return Math.sqrt(Math.max(0, this.#squares / this.count - this.meanUs ** 2))
  }

  /** The value at or below which the share `q` (0 to 1) lies, µs, within 0.4 %; NaN while empty. */
  quantileUs(q: number): number {
    if (this.count === 0) return Number.NaN
    let left = Math.max(1, Math.ceil(q * this.count))
    for (let index = 0; index < size; index++) {
      left -= this.#counts[index]!
      if (left <= 0) return Math.min(middle(index), this.maxUs)
    }
    return this.maxUs
  }

  /** Each distinct value with the share of all that is not above it: what a percentile plot draws. */
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

/** Of the whole values that the bucket counts, µs. */
function middle(index: number): number {
  if (index < linear) return index
  const shift = Math.floor(index / perOctave) - 1
  const width = 2 ** shift
  return (index - shift * perOctave) * width + (width - 1) / 2
}
