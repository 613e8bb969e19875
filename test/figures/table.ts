import { describeHost } from '../../src/bench/process/host.ts'

/** A row of a result, column by column. */
export type Row = Readonly<Record<string, string | number>>

export interface Table {
  readonly title: string
  /** What a reader must know to understand the columns. */
  readonly note: string
  readonly rows: readonly Row[]
}

/** For a terminal, or as Markdown. */
export function render({ title, note, rows }: Table, markdown: boolean): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))]
  const cells = [columns, ...rows.map((row) => columns.map((column) => shown(row[column])))]
  const widths = columns.map((_, i) => Math.max(...cells.map((row) => row[i]!.length)))
  const lines = cells.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))),
  )
  if (!markdown) return [title, ...lines.map((line) => `  ${line.join('  ')}`), `  ${note}`, ''].join('\n')
  const ruler = widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`))
  const [head, ...body] = [...lines.slice(0, 1), ruler, ...lines.slice(1)].map((line) => `| ${line.join(' | ')} |`)
  return [`### ${title}`, '', head, ...body, '', note, ''].join('\n')
}

/** What a script measured on this host, and which promises were broken meanwhile. */
export interface Results {
  readonly tables: readonly Table[]
  readonly problems: readonly string[]
}

/** All of it, as a script prints it. */
export function resultText({ tables, problems }: Results, form: 'text' | 'markdown' | 'json'): string {
  const host = describeHost()
  if (form === 'json') return `${JSON.stringify({ host, tables, problems }, null, 2)}\n`
  return `${host}\n\n${tables.map((table) => render(table, form === 'markdown')).join('\n')}`
}

/** Three digits are more than repeated runs agree on. */
function shown(value: string | number | undefined): string {
  if (typeof value !== 'number') return value ?? ''
  if (!Number.isFinite(value)) return '–'
  if (Number.isInteger(value) || Math.abs(value) >= 100) return Math.round(value).toLocaleString('en')
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2)
}
