/** Formats a number with thousands separators: `1,048,576`; no bound is `unlimited`. */
export function grouped(value: number): string {
  if (!Number.isFinite(value) || value >= 2 ** 53) return 'unlimited'
  const [whole, part] = String(Math.round(value * 100) / 100).split('.')
  const groups = whole!.replace(/\B(?=(\d{3})+$)/g, ',')
  return part === undefined ? groups : `${groups}.${part}`
}

const byteUnits = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** Formats a size: `3.8 KiB`, `24 GiB`. */
export function bytes(value: number): string {
  if (!Number.isFinite(value)) return 'unlimited'
  let size = value
  let unit = 0
  while (size >= 1024 && unit < byteUnits.length - 1) {
    size /= 1024
    unit++
  }
  return `${size >= 100 || Number.isInteger(size) ? grouped(Math.round(size)) : size.toPrecision(2)} ${byteUnits[unit]}`
}

const durations = [
  ['days', 86_400_000],
  ['hours', 3_600_000],
  ['minutes', 60_000],
  ['seconds', 1000],
] as const

/** Formats a duration: `7 days`, `1.5 hours`, `250 ms`. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms)) return 'unlimited'
  for (const [name, size] of durations) {
    if (ms < size) continue
    const count = Number((ms / size).toPrecision(3))
    return `${grouped(count)} ${count === 1 ? name.slice(0, -1) : name}`
  }
  return `${grouped(Math.round(ms))} ms`
}

/** Formats a count with its noun: `1 record`, `2 records`. */
export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${grouped(count)} ${count === 1 ? one : many}`

/** Rounds up to a number that people would choose. */
export function roundUp(value: number): number {
  const step = 2 ** Math.max(10, Math.ceil(Math.log2(value)) - 2)
  return Math.ceil(value / step) * step
}
