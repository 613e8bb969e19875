/**
 * Real faults at size: `$(bin/find-node) scripts/faults.ts --help`. Many clients of the real SDK on real gateways and brokers, which are killed, frozen
 * and cut off; each client's story is judged by the witnesses of the simulation. Exit status: 1 where a promise was broken, 2 where it
 * could not be run.
 */
import { kafkaAvailable } from '../test/brokers/kafka.ts'
import { natsAvailable } from '../test/brokers/nats.ts'
import { CannotRun, endsAtCtrlC, exitCodes, progress, runScript } from '../test/command/command.ts'
import { command, type Options } from '../test/faults/options.ts'
import { isFlawless, render, reportOf } from '../test/faults/report.ts'
import { type Outcome, run } from '../test/faults/run.ts'

/** Of the faults, where both brokers are wanted: Kafka has more ways to fail. */
const kafkaShare = 0.7

const timed = (line: string) => progress(`${new Date().toISOString().slice(11, 19)} ${line}`)

async function main(options: Options): Promise<number> {
  const brokers = options.broker === 'both' ? (['kafka', 'nats'] as const) : [options.broker]
  const lacking = { kafka: kafkaAvailable(), nats: natsAvailable() }
  for (const broker of brokers) if (lacking[broker] !== undefined) throw new CannotRun(lacking[broker])
  const outcomes: Outcome[] = []
  for (const broker of brokers) {
    const share = brokers.length === 1 ? 1 : broker === 'kafka' ? kafkaShare : 1 - kafkaShare
    const outcome = await run(broker, Math.round(options.faults * share), options, timed)
    outcomes.push(outcome)
    const { lost, repeated, otherwise } = reportOf([outcome])
    timed(
      `${broker}: ${lost} clients lost something, ${repeated} got something twice, ${otherwise} were wronged otherwise`,
    )
  }
  const report = reportOf(outcomes)
  process.stdout.write(`${options.json ? JSON.stringify(report, undefined, 2) : render(report, outcomes)}\n`)
  return isFlawless(report) ? exitCodes.ok : exitCodes.failed
}

endsAtCtrlC()
await runScript(command(), main)
