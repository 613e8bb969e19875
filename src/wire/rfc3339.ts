const form = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/

/**
 * Parses RFC 3339's date-time strictly, as Unix ms; finer digits are cut off. Returns undefined
 * for other text. Second 60 counts as second 0 of the next minute, because leap seconds have no
 * Unix time.
 */
export function parseRfc3339(text: string): number | undefined {
  const match = form.exec(text)
  if (match === null) return undefined
  const number = (index: number) => Number(match[index] ?? 0)
  const [year, month, day] = [number(1), number(2), number(3)]
  const [hour, minute, second] = [number(4), number(5), number(6)]
  const [zoneHour, zoneMinute] = [number(9), number(10)]
  if (month < 1 || month > 12) return undefined
  if (hour > 23 || minute > 59 || second > 60 || zoneHour > 23 || zoneMinute > 59) return undefined
  const date = new Date(0)
  // Date.UTC would map the years 0 to 99 to 1900 to 1999.
  date.setUTCFullYear(year, month - 1, day)
  // A day beyond the month's end rolls over into the next month.
  if (date.getUTCDate() !== day) return undefined
  const zoneMs = (zoneHour * 60 + zoneMinute) * 60_000 * (match[8] === '-' ? -1 : 1)
  const fractionMs = Number((match[7] ?? '').padEnd(3, '0').slice(0, 3))
  return date.getTime() + ((hour * 60 + minute) * 60 + second) * 1000 + fractionMs - zoneMs
}

const zero = 0x30
/** Days per month, 29 for February. */
const days = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
/** Days before each month in a year that starts in March, which makes a leap day the last day. */
const daysBefore = [306, 337, 0, 31, 61, 92, 122, 153, 184, 214, 245, 275]

/** Sentinel time: none, or not readable. */
export const noTime = -1

/**
 * Parses bytes [start, end) like `parseRfc3339`, to the microsecond. Returns Unix µs, or `noTime`
 * for other text and for times before 1970. Allocates nothing.
 */
export function rfc3339Us(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 20 || !separated(bytes, start)) return noTime
  const day = dayNumber(digits(bytes, start, 4), digits(bytes, start + 5, 2), digits(bytes, start + 8, 2))
  const hour = digits(bytes, start + 11, 2)
  const minute = digits(bytes, start + 14, 2)
  const second = digits(bytes, start + 17, 2)
  if (!(day >= -1 && hour <= 23 && minute <= 59 && second <= 60)) return noTime
  let at = start + 19
  let fractionUs = 0
  if (bytes[at] === 0x2e) {
    const first = ++at
    for (let unit = 100_000; at < end && isDigit(bytes[at]!); at++, unit = Math.floor(unit / 10)) {
      fractionUs += (bytes[at]! - zero) * unit
    }
    if (at === first) return noTime
  }
  const zone = zoneMinutes(bytes, at, end)
  if (Number.isNaN(zone)) return noTime
  const us = ((day * 1440 + hour * 60 + minute - zone) * 60 + second) * 1_000_000 + fractionUs
  return us < 0 ? noTime : us
}

/**
 * Returns days since 1970; NaN for a day that the calendar lacks, and for an argument that is
 * NaN.
 */
function dayNumber(year: number, month: number, day: number): number {
  if (!(month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1]!)) return Number.NaN
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  if (month === 2 && day === 29 && !leap) return Number.NaN
  const fromMarch = month < 3 ? year - 1 : year
  const leapDays = Math.floor(fromMarch / 4) - Math.floor(fromMarch / 100) + Math.floor(fromMarch / 400)
  // There are 719,468 days between March 1st of the year 0 and 1970.
  return fromMarch * 365 + leapDays + daysBefore[month - 1]! + day - 1 - 719_468
}

const isDigit = (byte: number): boolean => byte >= zero && byte <= zero + 9

/** Checks the separators of `2026-11-23T05:00:00`. */
function separated(bytes: Uint8Array, start: number): boolean {
  return (
    bytes[start + 4] === 0x2d &&
    bytes[start + 7] === 0x2d &&
    (bytes[start + 10]! | 0x20) === 0x74 &&
    bytes[start + 13] === 0x3a &&
    bytes[start + 16] === 0x3a
  )
}

/** Returns NaN if any character is not a digit. */
function digits(bytes: Uint8Array, at: number, count: number): number {
  let value = 0
  for (let i = at; i < at + count; i++) value = isDigit(bytes[i]!) ? value * 10 + bytes[i]! - zero : Number.NaN
  return value
}

/**
 * Returns minutes east of UTC for `Z` or `+02:00`, which must end at `end`; NaN for other text.
 */
function zoneMinutes(bytes: Uint8Array, at: number, end: number): number {
  if (at === end - 1 && (bytes[at]! | 0x20) === 0x7a) return 0
  const sign = bytes[at] === 0x2b ? 1 : bytes[at] === 0x2d ? -1 : Number.NaN
  if (at !== end - 6 || bytes[at + 3] !== 0x3a) return Number.NaN
  const [hours, minutes] = [digits(bytes, at + 1, 2), digits(bytes, at + 4, 2)]
  return hours <= 23 && minutes <= 59 ? sign * (hours * 60 + minutes) : Number.NaN
}
