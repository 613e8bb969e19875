/** Values below this are kept exactly, µs. */
const linear = 64
/** Buckets an octave above that: a bucket is at most 1/32 of its lower edge wide. */
const perOctave = linear / 2
/** clz32 of the largest value that needs no shift. */
const linearClz = 26
/** Values from here on are indexed by their upper bits: `|` works on 31 of them. */
const upperFrom = 2 ** 31
const upperShift = 16
/** About 4.4 years: what is longer is counted in the last bucket; `max` has it exactly. */
const limitUs = 2 ** 47
const size = (47 - 6) * perOctave + linear
/** Where each bucket starts, µs, and the end of the last. */
const edges = Float64Array.from({ length: size + 1 }, (_, index) => lowerEdge(index))

/**
 * How often each duration occurred, log-linear: exact below 64 µs, above that within 1/64 of the value. 11 KiB whatever is
 * recorded; a record allocates nothing and takes some 10 ns. Values are µs; fractions count in the bucket of the whole
 * number, and in full in `sum` and `max`.
 */
export class Histogram {
  /** Values recorded, negative ones not among them. */
  count = 0
  /** µs. */
  sum = 0
  /** The largest value, µs; 0 while empty. */
  max = 0
  /** Values below zero (and NaN): two clocks that disagree. They are in no bucket. */
  negative = 0
  // Doubles: 32 bits would wrap within hours of a busy gateway.
  readonly #counts = new Float64Array(size)

  record(us: number, count = 1): void {
    if (!(us >= 0)) {
      this.negative += count
      return
    }
    this.count += count
    this.sum += us * count
    if (us > this.max) this.max = us
    this.#counts[indexOf(us)]! += count
  }

  /** The value below or at which the share `q` (0 to 1) of all values lies, µs, within 1/64; NaN while empty. */
  quantile(q: number): number {
    if (this.count === 0) return Number.NaN
    let left = Math.max(1, Math.ceil(q * this.count))
    for (let index = 0; index < size; index++) {
      left -= this.#counts[index]!
      if (left <= 0) return Math.min((edges[index]! + edges[index + 1]! - 1) / 2, this.max)
    }
    return this.max
  }

  /** Adds what the other one has. */
  merge(other: Histogram): void {
    this.count += other.count
    this.sum += other.sum
    this.negative += other.negative
    if (other.max > this.max) this.max = other.max
    for (let index = 0; index < size; index++) this.#counts[index]! += other.#counts[index]!
  }

  /** A copy that does not change any more. */
  snapshot(): Histogram {
    const copy = new Histogram()
    copy.merge(this)
    return copy
  }

  /**
   * Values per bucket of ascending inclusive upper bounds (µs), and, last, those above all of them: OpenTelemetry's shape. A
   * bucket that a bound cuts counts above the bound: what is under a bound was that fast, and at most values within 1/32
   * below the bound are missing there.
   */
  buckets(boundsUs: readonly number[]): number[] {
    const result: number[] = []
    let index = 0
    let total = 0
    for (const bound of boundsUs) {
      let within = 0
      while (index < size && edges[index + 1]! - 1 <= bound) within += this.#counts[index++]!
      result.push(within)
      total += within
    }
    result.push(this.count - total)
    return result
  }
}

function indexOf(us: number): number {
  if (us < upperFrom) {
    const value = us | 0
    if (value < linear) return value
    const shift = linearClz - Math.clz32(value)
    return shift * perOctave + (value >>> shift)
  }
  if (us >= limitUs) return size - 1
  const upper = (us / 2 ** upperShift) | 0
  const shift = linearClz - Math.clz32(upper)
  return (shift + upperShift) * perOctave + (upper >>> shift)
}

/** The smallest value that the bucket counts, µs; the inverse of `indexOf`. */
function lowerEdge(index: number): number {
  if (index < linear) return index
  const shift = Math.floor(index / perOctave) - 1
  return (index - shift * perOctave) * 2 ** shift
}
