/**
 * Real faults at size: `$(bin/find-node) scripts/faults.ts --help`. Many clients of the real SDK on real gateways and brokers, which are killed, frozen
 * and cut off; each client's story is judged by the witnesses of the simulation. Exit status: 1 where a promise was broken, 2 where it
 * could not be run.
 */
import { kafkaAvailable } from '../test/brokers/kafka.ts'
import { natsAvailable } from '../test/brokers/nats.ts'
import { type Options, optionsOf } from '../test/faults/options.ts'
import { isFlawless, render, reportOf } from '../test/faults/report.ts'
import { type Outcome, run } from '../test/faults/run.ts'

/** Of the faults, where both brokers are wanted: Kafka has more ways to fail. */
const kafkaShare = 0.7

const progress = (line: string) => process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`)

async function main({ brokers, ...options }: Options): Promise<number> {
  const lacking = { kafka: kafkaAvailable(), nats: natsAvailable() }
  for (const broker of brokers) if (lacking[broker] !== undefined) throw new Error(lacking[broker])
  const outcomes: Outcome[] = []
  for (const broker of brokers) {
    const share = brokers.length === 1 ? 1 : broker === 'kafka' ? kafkaShare : 1 - kafkaShare
    const outcome = await run(broker, Math.round(options.faults * share), { brokers, ...options }, progress)
    outcomes.push(outcome)
    const { lost, repeated, otherwise } = reportOf([outcome])
    progress(
      `${broker}: ${lost} clients lost something, ${repeated} got something twice, ${otherwise} were wronged otherwise`,
    )
  }
  const report = reportOf(outcomes)
  process.stdout.write(`${options.json ? JSON.stringify(report, undefined, 2) : render(report, outcomes)}\n`)
  return isFlawless(report) ? 0 : 1
}

// What runs ends with this process: brokers and gateways by its exit, clients and proxies by its silence.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

try {
  process.exitCode = await main(optionsOf(process.argv.slice(2)))
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`)
  process.exitCode = 2
}
