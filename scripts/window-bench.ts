/**
 * What the log window costs, alone: `$(bin/find-node) scripts/window-bench.ts --help`. Each measurement is a process of its own, rounds go through
 * all of them in turn, and with `--against` another checkout's take turns with this one's, so that what a host does meanwhile meets both.
 */
import { execFileSync } from 'node:child_process'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { describeHost } from '../src/bench/process/host.ts'
import type { Figures } from './window-bench/measure.ts'

const usage = `usage: $(bin/find-node) scripts/window-bench.ts [options]
  --rounds N       measurements of each kind (7)
  --subjects LIST  numbers of subjects, comma-separated (10000,1000000)
  --against DIR    another checkout that has this script: measured in turns with this one
  --json           print every round as JSON`

/** What a measuring process prints, and how the table calls it. */
const columns: Readonly<Record<keyof Figures, string>> = {
  appendNs: 'append, ns',
  sinceUs: 'anything since?, µs',
  catchUpUs: 'catch-up of 1,000, µs',
}

interface Series {
  readonly checkout: string
  readonly subjects: number
  readonly rounds: Figures[]
}

function whole(name: string, text: string): number {
  const number = Number(text)
  if (Number.isInteger(number) && number >= 1) return number
  throw new Error(`--${name}: expected a whole number from 1, got ${text}\n${usage}`)
}

function measureApart(checkout: string, subjects: number): Figures {
  const script = resolve(checkout, 'scripts/window-bench/measure.ts')
  const args = ['--disable-warning=ExperimentalWarning', script, String(subjects)]
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }))
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!
}

function cell(values: number[]): string {
  const [least, most] = [Math.min(...values), Math.max(...values)]
  const [middle, low, high] = [median(values), least, most].map((value) => value.toPrecision(3))
  return `${middle} (${low} to ${high})`
}

function print(all: readonly Series[]): void {
  const names = Object.keys(columns) as (keyof Figures)[]
  process.stdout.write(`${describeHost()}\n\nmedian (least to most)\n`)
  for (const { checkout, subjects, rounds } of all) {
    process.stdout.write(`\n${subjects.toLocaleString('en')} subjects, ${checkout}\n`)
    for (const name of names) {
      process.stdout.write(`  ${columns[name].padEnd(24)}${cell(rounds.map((round) => round[name]))}\n`)
    }
  }
}

function main(): void {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '7' },
      subjects: { type: 'string', default: '10000,1000000' },
      against: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(`${usage}\n`)
    return
  }
  const checkouts = [fileURLToPath(new URL('..', import.meta.url)), ...(values.against ? [values.against] : [])]
  const counts = values.subjects.split(',').map((text) => whole('subjects', text))
  const all = counts.flatMap((subjects) => checkouts.map((checkout): Series => ({ checkout, subjects, rounds: [] })))
  for (let round = whole('rounds', values.rounds); round > 0; round--) {
    for (const { checkout, subjects, rounds } of all) rounds.push(measureApart(checkout, subjects))
  }
  if (values.json) process.stdout.write(`${JSON.stringify({ host: describeHost(), series: all }, null, 2)}\n`)
  else print(all)
}

main()
