import { bytes, duration } from '../base/numbers.ts'
import { type Finding, fail, pass, warn } from './finding.ts'

/** Retention of a log; undefined = no limit. */
export interface Kept {
  readonly ageMs: number | undefined
  /** Retention size of a partition. */
  readonly bytes: number | undefined
}

/** How far back gateways and clients read. */
export interface Reach {
  readonly fillAgeMs: number
  readonly maxAgeMs: number
  readonly windowBytes: number
}

/** A longer absence is more than a tunnel or a lift, ms. */
const shortMs = 3_600_000

/**
 * Compares retention with the needs of clients and starting gateways. `fixAge` and `fixBytes`
 * return the command.
 */
export function retentionChecks(
  kept: Kept,
  reach: Reach,
  fixAge: (ms: number) => string,
  fixBytes: (size: number) => string,
): Finding[] {
  return [age(kept, reach, fixAge), size(kept, reach, fixBytes)]
}

function age(
  { ageMs = Number.POSITIVE_INFINITY }: Kept,
  { fillAgeMs, maxAgeMs }: Reach,
  fix: (ms: number) => string,
): Finding {
  const check = 'retention'
  const figure = duration(ageMs)
  if (ageMs < fillAgeMs) {
    const reason = `a starting gateway reads back ${duration(fillAgeMs)} (window.fillAgeMs), and clients that were away for longer than the log's retention get a gap`
    return fail(check, figure, reason, fix(Math.max(fillAgeMs, maxAgeMs, 24 * shortMs)))
  }
  if (ageMs < maxAgeMs) {
    const reason = `clients may ask for ${duration(maxAgeMs)} (readBack.maxAgeMs), which the log does not keep: they get gap retention`
    return warn(check, figure, reason, fix(maxAgeMs))
  }
  if (ageMs < shortMs)
    return warn(
      check,
      figure,
      'clients that are away for longer get gap retention: a phone sleeps for hours',
      fix(24 * shortMs),
    )
  return pass(check, figure, 'clients that are away for no longer miss nothing')
}

function size({ bytes: limit }: Kept, { windowBytes }: Reach, fix: (size: number) => string): Finding {
  const check = 'retention size'
  if (limit === undefined) return pass(check, 'unlimited', 'only age bounds the log')
  const figure = `${bytes(limit)} a partition`
  if (limit >= windowBytes)
    return pass(check, figure, `at least what a gateway holds in memory (${bytes(windowBytes)})`)
  const reason = `the log is smaller than a gateway's window in memory (${bytes(windowBytes)}): a restarted gateway has less than before`
  return warn(check, figure, reason, fix(windowBytes * 4))
}
