import { CarillonError } from '../base/errors.ts'
import { parseRfc3339 } from '../wire/rfc3339.ts'
import { parseAfter } from '../wire/token.ts'

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 }
const ago = /^@(\d+)(s|m|min|h|d)$/
/** Format of `positionText`. */
const shownPosition = /^\d+@\d+$/
/** A date or time without a zone, which is local. */
const dayOrTime = /^@(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d))?)?$/

/** The forms of `--after`, for help and errors. */
export const afterForms =
  'earliest, latest, a token, or a time: @1h (ago; s, m, h, d), @2026-11-30, @2026-11-30T12:00, @2026-11-30T12:00:00Z'

/**
 * Converts a value of `--after` to the form for gateways. An age, or a local time without a zone,
 * becomes a time in RFC 3339. Throws `bad_token` with the valid forms.
 */
export function afterOf(text: string, nowMs: number): string {
  const timeMs = agoMs(text, nowMs) ?? localMs(text)
  const after = timeMs === undefined ? text : `@${new Date(timeMs).toISOString()}`
  try {
    parseAfter([after])
  } catch (error) {
    if (shownPosition.test(text)) {
      const got = `got ${JSON.stringify(text)}: a position as partition@offset names no stream`
      throw new CarillonError('bad_token', `--after: expected a token, such as "after" in the output of --json; ${got}`)
    }
    if (text.length > maxWordLength && !text.startsWith('@')) throw error
    throw new CarillonError('bad_token', `--after: expected ${afterForms}; got ${JSON.stringify(text.slice(0, 100))}`)
  }
  return after
}

/**
 * Maximum length of a mistyped word, characters. Longer text is a token, and its own error is
 * thrown.
 */
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
  // The Date constructor would turn an invalid day or hour into another one.
  const spelled = `${match[1]}-${match[2]}-${match[3]}T${match[4] ?? '00'}:${match[5] ?? '00'}:${match[6] ?? '00'}Z`
  if (parseRfc3339(spelled) === undefined) return undefined
  return new Date(year!, month! - 1, day!, hour!, minute!, second!).getTime()
}
