import type { Bench } from './bench.ts'
import type { Load } from './load/scenario.ts'
import type { Measured } from './report/measured.ts'
import type { Report } from './report/report.ts'
import type { Stop } from './stop.ts'

/**
 * Resolution of the search, as a factor between rates. Runs differ by more than any smaller step.
 */
const precision = 1.1
/** How often a rate must pass before it is reported. */
const passesNeeded = 3
const maxTrials = 40
/** Share of the rate that must be published; a trial below it does not test the rate. */
const leastPublished = 0.98

export interface Trial {
  readonly rate: number
  readonly p99Ms: number
  readonly passed: boolean
  /** Why the trial failed; '' = it passed. */
  readonly why: string
}

/**
 * Searches for the highest rate that passes: doubles until one fails (halves until one passes),
 * then bisects, then tries the best one again until it has passed often enough. If it fails then,
 * a lower rate takes its place.
 */
export class RateSearch {
  /** The highest rate that passed often enough; undefined = none yet. */
  found: number | undefined
  readonly #least: number
  readonly #most: number
  readonly #passes = new Map<number, number>()
  /** The highest rate that passed and the lowest that failed. */
  #low = 0
  #high = Number.POSITIVE_INFINITY
  #next: number | undefined

  constructor(first: number, least: number, most: number) {
    this.#least = least
    this.#most = most
    this.#next = Math.min(most, Math.max(least, first))
  }

  /** The rate to try; undefined = the search is over. */
  get next(): number | undefined {
    return this.#next
  }

  /** The lowest rate that failed; Infinity = none. */
  get failed(): number {
    return this.#high
  }

  /** Records the outcome of the trial at rate `next`. */
  tell(outcome: 'passed' | 'failed'): void {
    const rate = this.#next!
    if (outcome === 'passed') {
      this.#passes.set(rate, (this.#passes.get(rate) ?? 0) + 1)
      this.#low = Math.max(this.#low, rate)
    } else {
      this.#high = Math.min(this.#high, rate)
      // The rate passed before, so it is at the edge, and the reported rate must be below it.
      if (rate <= this.#low) this.#low = Math.max(0, ...[...this.#passes.keys()].filter((each) => each < rate))
    }
    this.#next = this.#choose()
  }

  #choose(): number | undefined {
    if (this.#low === 0) return this.#high <= this.#least ? undefined : Math.max(this.#least, this.#high / 2)
    if (this.#high === Number.POSITIVE_INFINITY && this.#low < this.#most) return Math.min(this.#most, this.#low * 2)
    if (this.#high / this.#low > precision && this.#high !== Number.POSITIVE_INFINITY)
      return Math.sqrt(this.#low * this.#high)
    if (this.#passes.get(this.#low)! < passesNeeded) return this.#low
    this.found = this.#low
    return undefined
  }
}

export interface FindOptions {
  readonly bench: Bench
  readonly load: Load
  readonly stop: Stop
  /** Upper bound of the 99th percentile, ms. */
  readonly p99Ms: number
  readonly step: (text: string) => void
}

const leastRate = 1
const mostRate = 2_000_000

/**
 * Searches with one set of clients and a warm-up before each trial. The report describes the best
 * rate's last trial.
 */
export async function findRate({ bench, load, stop, p99Ms, step }: FindOptions): Promise<Report> {
  const search = new RateSearch(load.rate, leastRate, mostRate)
  const trials: Trial[] = []
  let best: Report | undefined
  let last: Report | undefined
  let lostBefore = 0
  for (let rate = search.next; rate !== undefined && trials.length < maxTrials; rate = search.next) {
    const at = { ...load, rate }
    const measured = await bench.measure(at)
    last = bench.report(measured, at)
    if (stop.stopped) break
    const trial = judge(measured, rate, p99Ms, lostBefore)
    lostBefore = measured.lost
    trials.push(trial)
    step(trialText(trial))
    if (trial.passed) best = last
    search.tell(trial.passed ? 'passed' : 'failed')
  }
  return concluded(best ?? last!, { p99Ms, rate: search.found, failedAt: finite(search.failed), trials })
}

const finite = (rate: number) => (rate === Number.POSITIVE_INFINITY ? undefined : rate)

export function trialText({ rate, p99Ms, passed, why }: Trial): string {
  const said = `${Math.round(rate).toLocaleString('en')} events/s: p99 ${p99Ms.toFixed(1)} ms`
  return passed ? `${said}, passed` : `${said}, failed: ${why}`
}

function concluded(report: Report, found: NonNullable<Report['found']>): Report {
  const none = found.rate === undefined && !report.interrupted
  const problems = none
    ? [...report.problems, `no rate was found that keeps a p99 of ${found.p99Ms} ms`]
    : report.problems
  return { ...report, found, problems }
}

function judge(
  { received, lost, eventsPerSecond }: Measured,
  rate: number,
  limitMs: number,
  lostBefore: number,
): Trial {
  const p99Ms = received.live.quantileUs(0.99) / 1000
  const verdict = (why: string): Trial => ({ rate, p99Ms, passed: why === '', why })
  if (received.live.count === 0) return verdict('nothing was delivered')
  if (lost > lostBefore) return verdict(`${lost - lostBefore} deliveries did not arrive`)
  if (eventsPerSecond < rate * leastPublished)
    return verdict(`only ${Math.round(eventsPerSecond)} events/s were published`)
  return verdict(p99Ms <= limitMs ? '' : `above ${limitMs} ms`)
}
