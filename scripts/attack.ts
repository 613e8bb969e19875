/**
 * Attacks on a gateway beside honest clients, each alone and all at once, and whether those notice: `$(bin/find-node) scripts/attack.ts --help`.
 * docs/attacks.md has what is measured and judged.
 */

import { describeHost } from '../src/bench/process/host.ts'
import { niceness, pin, prioritise, twoCores } from '../test/attack/cores.ts'
import { type Outcome, problems, row, verdict } from '../test/attack/judge.ts'
import { command, type Options, plansOf } from '../test/attack/options.ts'
import { measure } from '../test/attack/run.ts'
import { endsAtCtrlC, exitCodes, progress, runScript } from '../test/command/command.ts'
import { render } from '../test/figures/table.ts'

const note = 'quiet → under attack, memory before → after; quiet: the same attackers at a server that discards'

const text = (error: unknown): string => (error instanceof Error ? error.message : String(error))

async function main(options: Options): Promise<number> {
  const plans = plansOf(options)
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
    options.json
      ? `${JSON.stringify({ host, outcomes: judged }, null, 2)}\n`
      : render({ title: `Attacks: ${host}`, note, rows: outcomes.map(row) }, false),
  )
  const verdicts = judged.map((each) => each.verdict)
  if (outcomes.length < plans.length || verdicts.includes('host too busy')) return exitCodes.cannotRun
  return verdicts.includes('FALLS') ? exitCodes.failed : exitCodes.ok
}

endsAtCtrlC()
await runScript(command(), main)
