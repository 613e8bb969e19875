import type { Figure, Part, PeerRun } from './measure.ts'

/** What a row compares: the least of it is the best, among those that lost and repeated nothing. */
interface Measure {
  readonly title: string
  readonly of: (figure: Figure) => number
  /** false = no peer wins by it. */
  readonly compared: boolean
}

const loaded: readonly Measure[] = [
  { title: 'CPU, µs a delivery', of: ({ cpuUs }) => cpuUs, compared: true },
  { title: "its broker's CPU, µs", of: ({ brokerUs }) => brokerUs, compared: false },
  { title: 'p50, ms', of: ({ p50Ms }) => p50Ms, compared: true },
  { title: 'p99, ms', of: ({ p99Ms }) => p99Ms, compared: true },
  { title: 'max, ms', of: ({ maxMs }) => maxMs, compared: true },
  { title: 'lost', of: ({ lost }) => lost, compared: false },
  { title: 'repeated', of: ({ repeated }) => repeated, compared: false },
]
const idle: readonly Measure[] = [
  { title: 'user, KiB a connection', of: ({ userBytes }) => userBytes / 1024, compared: true },
  { title: 'kernel, KiB a connection', of: ({ kernelBytes }) => kernelBytes / 1024, compared: false },
]

/** A Markdown table of one part: a row for each rate and measure, a column for each peer. The best of a row is bold. */
export function tableOf(part: Part, runs: readonly PeerRun[]): string {
  const figures = runs.flatMap((run) => run.figures.filter((figure) => figure.part === part))
  const rates = [...new Set(figures.map(({ rate }) => rate))].sort((a, b) => a - b)
  const measures = part === 'idle' ? idle : loaded
  const rows = rates.flatMap((rate) =>
    measures.map((measure) => {
      const cells = runs.map(({ id }) => figures.find((each) => each.rate === rate && each.peer === id))
      const label = part === 'idle' ? measure.title : `${rate.toLocaleString('en')}/s: ${measure.title}`
      return [label, ...rowOf(measure, cells)]
    }),
  )
  const head = ['', ...runs.map(({ name }) => name)]
  const ruler = head.map((_, i) => (i === 0 ? '---' : '---:'))
  return [head, ruler, ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
}

/** The cells of one row: "–" where a peer was not measured, † where the generator or the host was the limit. */
export function rowOf(measure: Pick<Measure, 'of' | 'compared'>, cells: readonly (Figure | undefined)[]): string[] {
  // Where something else was the limit the figure is not the peer's own.
  const isFair = ({ problems, limits }: Figure) => problems.length === 0 && limits.length === 0
  const fair = cells.filter((figure) => figure !== undefined && isFair(figure)) as Figure[]
  const best = Math.min(...fair.map((figure) => measure.of(figure)))
  return cells.map((figure) => {
    if (figure === undefined) return '–'
    const value = measure.of(figure)
    const text = `${shown(value)}${figure.limits.length > 0 ? '†' : ''}`
    return measure.compared && value === best && isFair(figure) ? `**${text}**` : text
  })
}

/** Three digits are more than repeated runs agree on. */
function shown(value: number): string {
  if (!Number.isFinite(value)) return '–'
  if (Number.isInteger(value) || Math.abs(value) >= 100) return Math.round(value).toLocaleString('en')
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2)
}
