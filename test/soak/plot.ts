import type { Point } from './trend.ts'

const rows = 12
const columns = 100

/**
 * Returns a curve for a terminal, from zero up, of points at even intervals. Each column is the
 * mean of its interval.
 */
export function plot(title: string, points: readonly Point[], unit: string): string {
  const end = points.at(-1)?.seconds ?? 0
  if (end === 0) return `${title}: nothing was measured`
  const width = Math.min(columns, points.length)
  const means = Array.from({ length: width }, (_, column) => {
    const [from, to] = [column, column + 1].map((edge) => Math.floor((edge * points.length) / width))
    const own = points.slice(from, to)
    return own.reduce((sum, { value }) => sum + value, 0) / own.length
  })
  const top = Math.max(...means, Number.MIN_VALUE)
  const lines = Array.from({ length: rows }, (_, row) => {
    const level = rows - 1 - row
    const cells = means.map((mean) => (Math.round((mean / top) * (rows - 1)) === level ? '*' : ' '))
    return `${label((top * level) / (rows - 1))} |${cells.join('')}`
  })
  const axis = `${' '.repeat(9)} +${'-'.repeat(width)} ${(end / 60).toFixed(1)} min`
  return [`${title}, ${unit}`, ...lines, axis].join('\n')
}

const label = (value: number) => value.toFixed(1).padStart(9)
