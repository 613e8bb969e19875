/**
 * What the log window costs, alone: `$(bin/find-node) scripts/window-bench.ts --help`. Each measurement is a process of its own, rounds go through
 * all of them in turn, and with `--against` another checkout's take turns with this one's, so that what a host does meanwhile meets both.
 */
import { execFileSync } from 'node:child_process'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Option } from 'commander'
import { describeHost } from '../src/bench/process/host.ts'
import { exitCodes, runScript, script, whole } from '../test/command/command.ts'
import type { Figures } from './window-bench/measure.ts'

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

interface Options {
  readonly rounds: number
  readonly subjects: readonly number[]
  readonly against?: string
  readonly json?: boolean
}

const command = () =>
  script('window-bench', 'What the log window costs, alone.')
    .option('--rounds <count>', 'measurements of each kind', whole(), 7)
    .addOption(
      new Option('--subjects <list>', 'numbers of subjects, comma-separated')
        .argParser((text) => text.split(',').map(whole()))
        .default([10_000, 1_000_000], '10000,1000000'),
    )
    .option('--against <folder>', 'another checkout that has this script; measured in turn with this one')
    .option('--json', 'print every round as JSON')

async function main({ rounds: count, subjects: counts, against, json }: Options): Promise<number> {
  const checkouts = [fileURLToPath(new URL('..', import.meta.url)), ...(against === undefined ? [] : [against])]
  const all = counts.flatMap((subjects) => checkouts.map((checkout): Series => ({ checkout, subjects, rounds: [] })))
  for (let round = 0; round < count; round++) {
    for (const { checkout, subjects, rounds } of all) rounds.push(measureApart(checkout, subjects))
  }
  if (json) process.stdout.write(`${JSON.stringify({ host: describeHost(), series: all }, null, 2)}\n`)
  else print(all)
  return exitCodes.ok
}

await runScript(command(), main)
