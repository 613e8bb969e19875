import { seededRandom } from '../../base/random.ts'

/** All subjects of a run have the same length, so that all envelopes have one layout. */
export const subjectDigits = 7
export const maxSubjects = 10 ** subjectDigits

/** Returns the subject's name. `prefix` is the text before the number, such as `bench.k3f9x.s`. */
export function subjectName(prefix: string, index: number): string {
  return prefix + String(index).padStart(subjectDigits, '0')
}

/**
 * Zipf's law over `count` ranks, exponent 1: rank r is drawn with a probability proportional to 1
 * / (r + 1).
 */
export class Zipf {
  /** Share of all draws with a rank up to this one. */
  readonly #cumulative: Float64Array

  constructor(count: number) {
    this.#cumulative = new Float64Array(count)
    let sum = 0
    for (let rank = 0; rank < count; rank++) {
      sum += 1 / (rank + 1)
      this.#cumulative[rank] = sum
    }
    for (let rank = 0; rank < count; rank++) this.#cumulative[rank]! /= sum
  }

  /** Returns the rank that `u`, uniform in [0, 1), draws. */
  rank(u: number): number {
    let low = 0
    let high = this.#cumulative.length - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#cumulative[middle]! > u) high = middle
      else low = middle + 1
    }
    return low
  }
}

/** Distribution of subjects over clients and events. */
export type Spread =
  /** Client i follows subject i; events take the subjects in turn. */
  | 'each-own'
  /** All clients follow the only subject. */
  | 'one'
  /** Both clients and events draw their subject by Zipf's law. */
  | 'zipf'

/** Returns the subject of each client. The same seed returns the same draw. */
export function followedSubjects(spread: Spread, clients: number, subjects: number, seed: number): Uint32Array {
  const followed = new Uint32Array(clients)
  if (spread === 'each-own') return followed.map((_, i) => i % subjects)
  if (spread === 'one') return followed
  const zipf = new Zipf(subjects)
  const random = seededRandom(seed)
  return followed.map(() => zipf.rank(random.next()))
}

/** Returns a function that draws the subject of the next event. */
export function publishedSubjects(spread: Spread, subjects: number, seed: number): () => number {
  if (spread === 'zipf') {
    const zipf = new Zipf(subjects)
    const random = seededRandom(seed)
    return () => zipf.rank(random.next())
  }
  let next = 0
  return () => next++ % subjects
}
