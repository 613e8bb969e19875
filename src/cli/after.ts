import { CarillonError } from '../base/errors.ts'
import { parseRfc3339 } from '../wire/rfc3339.ts'
import { parseAfter } from '../wire/token.ts'

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 }
const ago = /^@(\d+)(s|m|min|h|d)$/
/** As `positionText` has it. */
const shownPosition = /^\d+@\d+$/
/** Without a zone: here. */
const dayOrTime = /^@(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d))?)?$/

/** What `--after` takes, for people. */
export const afterForms =
  'earliest, latest, a token, or a time: @1h (ago; s, m, h, d), @2026-11-30, @2026-11-30T12:00, @2026-11-30T12:00:00Z'

/**
 * One value of `--after` as gateways take it: an age and a time without a zone, which is local, become a time in RFC 3339. Throws `bad_token`,
 * naming what may be said.
 */
export function afterOf(text: string, nowMs: number): string {
  const timeMs = agoMs(text, nowMs) ?? localMs(text)
  const after = timeMs === undefined ? text : `@${new Date(timeMs).toISOString()}`
  try {
    parseAfter([after])
  } catch (error) {
    if (shownPosition.test(text)) {
      const got = `got ${JSON.stringify(text)}: partition@offset, as positions are shown, names no stream`
      throw new CarillonError('bad_token', `--after: expected a token, as --json has it in "after"; ${got}`)
    }
    if (text.length > maxWordLength && !text.startsWith('@')) throw error
    throw new CarillonError('bad_token', `--after: expected ${afterForms}; got ${JSON.stringify(text.slice(0, 100))}`)
  }
  return after
}

/** A token has more characters: what is wrong with one is said by itself. */
const maxWordLength = 12

function agoMs(text: string, nowMs: number): number | undefined {
  const [, count, unit] = ago.exec(text) ?? []
  const thenMs = nowMs - Number(count) * (units[unit!] ?? Number.NaN)
  return thenMs >= 0 ? thenMs : undefined
}

function localMs(text: string): number | undefined {
  const match = dayOrTime.exec(text)
  if (match === null) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1).map((part) => Number(part ?? 0))
  // A day or an hour that there is not would be another one's.
  const spelled = `${match[1]}-${match[2]}-${match[3]}T${match[4] ?? '00'}:${match[5] ?? '00'}:${match[6] ?? '00'}Z`
  if (parseRfc3339(spelled) === undefined) return undefined
  return new Date(year!, month! - 1, day!, hour!, minute!, second!).getTime()
}
