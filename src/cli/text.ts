import { escapedJson, printable } from '../base/printable.ts'

/** `12:34:56.789`, local time. */
export function time(date: Date): string {
  const two = (value: number) => String(value).padStart(2, '0')
  const ms = String(date.getMilliseconds()).padStart(3, '0')
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`
}

/** Columns under their heads, two spaces apart. Cells may hold what others wrote: nothing of it steers a terminal. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [heads, ...rows].map((row) => row.map(printable))
  const widths = heads.map((_, column) => Math.max(...all.map((row) => row[column]!.length)))
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** One line of JSON, which steers no terminal either. */
export const jsonLine = (value: unknown): string => escapedJson(JSON.stringify(value))
