import { CarillonError } from '../base/errors.ts'

/**
 * Parsers for amounts as people write them. Each throws `bad_request` for other text; `name` is
 * the option's name.
 */

const multiples: Readonly<Record<string, number>> = { '': 1, k: 1e3, K: 1e3, M: 1e6, G: 1e9 }
const byteMultiples: Readonly<Record<string, number>> = { '': 1, B: 1, KiB: 1024, MiB: 1 << 20, kB: 1e3, MB: 1e6 }
const periods: Readonly<Record<string, number>> = {
  s: 1,
  sec: 1,
  min: 60,
  m: 60,
  h: 3600,
  hour: 3600,
  day: 86_400,
  d: 86_400,
}

/** Parses a whole number above 0: `60M`, `18k`, `250000`. */
export function countOf(name: string, text: string): number {
  const value = scaled(text, multiples)
  if (value !== undefined && Number.isSafeInteger(value) && value > 0) return value
  throw expected(name, 'a whole number above 0 such as 250000, 18k or 60M', text)
}

/** Parses a rate such as `1/min`, `300k/s` or `2.5/h`. Returns events per second. */
export function rateOf(name: string, text: string): number {
  const [amount = '', period = ''] = text.split('/')
  const seconds = Object.hasOwn(periods, period.trim()) ? periods[period.trim()] : undefined
  const value = scaled(amount, multiples)
  if (value !== undefined && value > 0 && seconds !== undefined) return value / seconds
  throw expected(name, 'a rate above 0 with its period, such as 1/min, 300k/s or 2.5/h', text)
}

/**
 * Parses a size such as `512` or `2KiB`. Returns bytes, at most the largest `maxEventBytes` that a
 * gateway can be configured with.
 */
export function bytesOf(name: string, text: string): number {
  const value = scaled(text, byteMultiples)
  const most = 16 << 20
  if (value !== undefined && Number.isInteger(value) && value >= 0 && value <= most) return value
  throw expected(name, `a size of 0 to ${most} bytes such as 512 or 2KiB`, text)
}

/** Parses a time such as `50`, `50ms` or `1.5s`. Returns ms. */
export function millisecondsOf(name: string, text: string): number {
  const value = scaled(text, { '': 1, ms: 1, s: 1000 })
  if (value !== undefined && value > 0) return value
  throw expected(name, 'a time above 0 such as 50ms or 1.5s', text)
}

function scaled(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*$/.exec(text)
  const unit = match?.[2] ?? ''
  if (match === null || !Object.hasOwn(units, unit)) return undefined
  return Number((Number(match[1]) * units[unit]!).toPrecision(12))
}

const expected = (name: string, what: string, text: string) =>
  new CarillonError('bad_request', `${name}: expected ${what}, got ${JSON.stringify(text)}`)
