/**
 * Attacks on a gateway beside honest clients, each alone and all at once, and whether those notice: `$(bin/find-node) scripts/attack.ts --help`.
 * docs/attacks.md has what is measured and judged.
 */

import { describeHost } from '../src/bench/process/host.ts'
import { niceness, pin, prioritise, twoCores } from '../test/attack/cores.ts'
import { type Outcome, problems, row, verdict } from '../test/attack/judge.ts'
import { type Options, optionsOf, usage } from '../test/attack/options.ts'
import { measure } from '../test/attack/run.ts'
import { render } from '../test/figures/table.ts'

const note = 'quiet → under attack, memory before → after; quiet: the same attackers at a server that discards'

const text = (error: unknown): string => (error instanceof Error ? error.message : String(error))
const progress = (line: string): void => void process.stderr.write(`${line}\n`)

async function main({ plans, json }: Options): Promise<void> {
  const cores = twoCores()
  // What is started from here on inherits both.
  pin(process.pid, cores.others)
  if (!prioritise(process.pid, niceness.honest))
    progress('not root: honest clients have no priority, their figures are worse')
  const outcomes: Outcome[] = []
  for (const plan of plans) {
    try {
      const outcome = await measure(plan, cores, progress)
      outcomes.push(outcome)
      progress(`${plan.name}: ${[verdict(outcome), ...problems(outcome)].join('; ')}`)
    } catch (error) {
      progress(`${plan.name}: could not be measured: ${text(error)}`)
    }
  }
  const judged = outcomes.map((outcome) => ({ ...outcome, verdict: verdict(outcome), problems: problems(outcome) }))
  const host = describeHost()
  process.stdout.write(
    json
      ? `${JSON.stringify({ host, outcomes: judged }, null, 2)}\n`
      : render({ title: `Attacks: ${host}`, note, rows: outcomes.map(row) }, false),
  )
  const verdicts = judged.map((each) => each.verdict)
  if (outcomes.length < plans.length || verdicts.includes('host too busy')) process.exitCode = 2
  else if (verdicts.includes('FALLS')) process.exitCode = 1
}

// Gateways have an `exit` handler, and children notice that this process has gone.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
try {
  const options = optionsOf(process.argv.slice(2))
  if (options === undefined) process.stdout.write(`${usage}\n`)
  else await main(options)
} catch (error) {
  progress(text(error))
  process.exit(2)
}
