/** What one part of `make test` took, and all that it said. */
export interface Took {
  readonly name: string
  readonly seconds: number
  /** `stopped`: a signal to the run ended it. */
  readonly end: 'passed' | 'failed' | 'stopped'
  readonly output: string
}

/** Suites that took less have no row of their own, s. */
const leastSeconds = 10
/** How much of a failed part is shown again at the end. */
const shownLines = 100

/** The line of one suite at the end of its part, from which the table takes it. */
export function suiteLine(file: string, seconds: number, tests: number): string {
  return `took ${seconds.toFixed(1)} s, tests ${tests}: ${file}\n`
}

const suiteLines = /^took ([\d.]+) s, tests (\d+): (\S+)$/gm
/** In the summary of node's runner. */
const testCounts = /^ℹ tests (\d+)$/gm

/** A row a part, and below it one for each of its longer suites; `seconds` is what all took together. */
export function timingTable(all: readonly Took[], seconds: number): string {
  const rows = all.flatMap((took) => [
    row(took.end === 'stopped' ? `${took.name} (stopped)` : took.name, took.seconds, testsOf(took.output)),
    ...suiteRows(took.output),
  ])
  return [row('part, suite', 'seconds', 'tests'), ...rows, row('all', seconds, '')].join('\n')
}

function suiteRows(output: string): string[] {
  const suites = Array.from(
    output.matchAll(suiteLines),
    ([, seconds, tests, file]) => [file!, +seconds!, tests!] as const,
  )
  const long = suites.filter(([, seconds]) => seconds >= leastSeconds).sort(([, a], [, b]) => b - a)
  return long.map(([file, seconds, tests]) => row(`  ${file}`, seconds, tests))
}

/** Of all runs in it; empty where it has none. */
function testsOf(output: string): string {
  const counts = Array.from(output.matchAll(testCounts), ([, count]) => Number(count))
  return counts.length === 0 ? '' : String(counts.reduce((sum, count) => sum + count, 0))
}

function row(name: string, seconds: number | string, tests: string): string {
  const rounded = typeof seconds === 'number' ? String(Math.round(seconds)) : seconds
  return `${name.padEnd(44)}${rounded.padStart(9)}${tests.padStart(8)}`.trimEnd()
}

/** What any part skipped, as `test/skipped.ts` names it. */
export function skips(all: readonly Took[]): string {
  return all.flatMap(({ output }) => output.match(/^skipped: .*\n/gm) ?? []).join('')
}

/** The end of what each failed part said: of a run of tests all that failed. */
export function failures(all: readonly Took[]): string {
  const failed = all.filter(({ end }) => end === 'failed')
  return failed.map(({ name, output }) => `failed: ${name}\n${endOf(output)}\n`).join('\n')
}

function endOf(output: string): string {
  const lines = output.trimEnd().split('\n')
  const listed = lines.findIndex((line) => line.endsWith('failing tests:'))
  return lines.slice(listed < 0 ? -shownLines : listed).join('\n')
}
