import { renameSync, writeFileSync } from 'node:fs'
import { Command } from 'commander'
import type { Progress } from '../bench/bench.ts'
import { scenarioNames, scenarios } from '../bench/load/scenario.ts'
import { reportHtml } from '../bench/report/html.ts'
import type { Report, Second } from '../bench/report/report.ts'
import { runBench } from '../bench/run.ts'
import { Stop } from '../bench/stop.ts'
import { addBenchOptions, type BenchFlags, loadFrom, targetFrom } from './bench-options.ts'
import { reportText, secondLine } from './bench-text.ts'
import { choiceArgument } from './choice.ts'
import { exitCodes } from './exit.ts'
import { configOf, isOfBroker, withConfig } from './options.ts'
import { table } from './text.ts'

export function command(): Command {
  const bench = new Command('carillon bench')
    .description('Put a load on gateways and measure the latency of every message, losses, CPU and memory.')
    .addArgument(choiceArgument('<scenario>', 'the scenario to run, see below', scenarioNames))
  addBenchOptions(bench)
  withConfig(bench, isOfBroker)
  bench.addHelpText('after', help())
  return bench.action((scenario: string) => run(scenario, bench))
}

function help(): string {
  const rows = Object.entries(scenarios).map(([name, { about }]) => [name, about])
  return `
Scenarios:
${table(['', ''], rows).trim().replaceAll(/^/gm, '  ')}

Without --url the command starts gateways on this host, with an embedded log unless --broker is given. Exit codes: 0; 1 if events
were lost or repeated, or the run failed; 130 after Ctrl-C, with a report of the measurement until then.

Examples:
  carillon bench unicast --clients 1000 --rate 5000
  carillon bench storm --broker kafka://127.0.0.1:9092 --gateways 2 --html storm.html
  carillon bench broadcast --url http://127.0.0.1:8080 --transport sse --json`
}

async function run(scenario: string, command: Command): Promise<void> {
  const flags = command.opts<BenchFlags>()
  const load = loadFrom(scenario, flags)
  const target = targetFrom(load.scenario, flags, configOf(command))
  const stop = new Stop()
  onInterrupt(() => stop.interrupt())
  const progress = new Lines()
  const report = await runBench({ target, load, stop, progress, calibrated: flags.calibrate, findP99Ms: flags.find })
  progress.end()
  if (report === undefined) unmeasured(stop)
  else publish(report, flags)
}

/** Reports a run that ended before anything was measured. */
function unmeasured({ problem }: Stop): void {
  if (problem !== undefined) throw new Error(problem)
  console.error('carillon: interrupted before anything was measured')
  process.exitCode = exitCodes.interrupted
}

function publish(report: Report, { json, html }: BenchFlags): void {
  const file = json === '-' || json === true ? undefined : json
  if (json !== undefined && file === undefined) process.stdout.write(`${jsonOf(report)}\n`)
  else process.stdout.write(reportText(report))
  if (report.problems.length > 0) process.exitCode = exitCodes.failed
  else if (report.interrupted) process.exitCode = exitCodes.interrupted
  if (file !== undefined) write(file, `${jsonOf(report)}\n`)
  if (html !== undefined) write(html, reportHtml(report))
}

const jsonOf = (report: Report): string => JSON.stringify(report, null, 2)

/** Writes a file completely or not at all, because the disk may be full. */
function write(file: string, text: string): void {
  const part = `${file}.part`
  try {
    writeFileSync(part, text)
    renameSync(part, file)
  } catch (error) {
    console.error(`carillon: the report could not be written to ${file}: ${(error as Error).message}`)
    process.exitCode = exitCodes.failed
  }
}

/** Ends the run with its report at the first Ctrl-C, and at once at the second. */
function onInterrupt(interrupt: () => void): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    let asked = false
    process.on(signal, () => {
      if (asked) process.exit(exitCodes.interrupted)
      asked = true
      interrupt()
    })
  }
}

/**
 * Shows progress on stderr: a line that changes on a terminal, otherwise one line every ten
 * seconds.
 */
class Lines implements Progress {
  readonly #terminal = process.stderr.isTTY
  #shownMs = Number.NEGATIVE_INFINITY
  #measuring = false
  #last = ''

  step(text: string): void {
    if (text !== this.#last) this.#show(text)
    this.#last = text
  }

  connecting(live: number, clients: number): void {
    this.#now(`${live.toLocaleString('en')} of ${clients.toLocaleString('en')} clients are live`)
  }

  second(second: Second): void {
    // The first second is always shown, even directly after another line.
    if (this.#measuring) this.#now(secondLine(second))
    else this.#show(secondLine(second))
    this.#measuring = true
  }

  end(): void {
    if (this.#terminal) process.stderr.write('\r\x1b[K')
  }

  /** Shows a line that the next one replaces; without a terminal, at most one every `quietMs`. */
  #now(text: string): void {
    if (this.#terminal || performance.now() - this.#shownMs > quietMs) this.#show(text)
  }

  #show(text: string): void {
    this.#shownMs = performance.now()
    process.stderr.write(this.#terminal ? `\r\x1b[K-- ${text}` : `-- ${text}\n`)
  }
}

const quietMs = 10_000
