import { bytes, duration } from '../base/numbers.ts'
import { type Finding, fail, pass, warn } from './finding.ts'

/** What a log keeps; undefined = no limit. */
export interface Kept {
  readonly ageMs: number | undefined
  /** Of a partition. */
  readonly bytes: number | undefined
}

/** What reads back from it. */
export interface Reach {
  readonly fillAgeMs: number
  readonly maxAgeMs: number
  readonly windowBytes: number
}

/** A client that is away longer than this is away for longer than a tunnel or a lift. */
const shortMs = 3_600_000

/** Age against what clients and starting gateways ask for. `mendAge` and `mendBytes` write the command. */
export function retentionChecks(
  kept: Kept,
  reach: Reach,
  mendAge: (ms: number) => string,
  mendBytes: (size: number) => string,
): Finding[] {
  return [age(kept, reach, mendAge), size(kept, reach, mendBytes)]
}

function age(
  { ageMs = Number.POSITIVE_INFINITY }: Kept,
  { fillAgeMs, maxAgeMs }: Reach,
  mend: (ms: number) => string,
): Finding {
  const check = 'retention'
  const figure = duration(ageMs)
  if (ageMs < fillAgeMs) {
    const said = `a starting gateway reads back ${duration(fillAgeMs)} (window.fillAgeMs), and clients that were away for longer than the log reaches get a gap`
    return fail(check, figure, said, mend(Math.max(fillAgeMs, maxAgeMs, 24 * shortMs)))
  }
  if (ageMs < maxAgeMs) {
    const said = `clients may ask for ${duration(maxAgeMs)} (readBack.maxAgeMs), which the log does not keep: they get gap retention`
    return warn(check, figure, said, mend(maxAgeMs))
  }
  if (ageMs < shortMs)
    return warn(
      check,
      figure,
      'clients that are away for longer get gap retention, and phones sleep for hours',
      mend(24 * shortMs),
    )
  return pass(check, figure, 'clients that are away for less than that miss nothing')
}

function size({ bytes: limit }: Kept, { windowBytes }: Reach, mend: (size: number) => string): Finding {
  const check = 'retention size'
  if (limit === undefined) return pass(check, 'unlimited', 'age alone bounds the log')
  const figure = `${bytes(limit)} a partition`
  if (limit >= windowBytes) return pass(check, figure, `more than a gateway holds in memory (${bytes(windowBytes)})`)
  const said = `the log is shorter than the window of a gateway in memory (${bytes(windowBytes)}): a restarted gateway has less than before`
  return warn(check, figure, said, mend(windowBytes * 4))
}
