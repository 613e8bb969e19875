/**
 * Apache Kafka for tests and trials, on loopback:
 *   $(bin/find-node) scripts/kafka.ts install          fetch it from Maven Central into .cache (once)
 *   $(bin/find-node) scripts/kafka.ts start [PORT]     start one node (9092) that runs on after this command
 *   $(bin/find-node) scripts/kafka.ts stop             end it; its data stays in .cache/kafka-data
 */
import { join } from 'node:path'
import { install, startKafka, stopDetached } from '../test/brokers/kafka.ts'
import { kafkaHome, missingTool } from '../test/brokers/kafka-install.ts'

const say = (line: string) => process.stdout.write(`${line}\n`)
const dir = join(kafkaHome.data, 'trial')

/** Without Java or Maven the suites that need Kafka are skipped by name, unless they may not be. */
async function runInstall(): Promise<void> {
  const lacking = missingTool()
  if (lacking !== undefined) {
    say(`Kafka is not installed: ${lacking}. The suites that need it will be skipped.`)
    if (process.env.CARILLON_TEST_NO_SKIP === '1') process.exitCode = 1
    return
  }
  await install(say)
}

async function runStart(port: number): Promise<void> {
  await install(say)
  const { brokers } = await startKafka({ nodes: 1, basePort: port, dir, detached: true })
  say(`Kafka is up: kafka://${brokers.join(',')}; end it with: $(bin/find-node) scripts/kafka.ts stop`)
}

const [command, port] = process.argv.slice(2)
if (command === 'install') await runInstall()
else if (command === 'start') await runStart(Number(port ?? 9092))
else if (command === 'stop') say(stopDetached(dir) > 0 ? 'Kafka is ended' : 'no Kafka of ours is running')
else {
  process.stderr.write('usage: $(bin/find-node) scripts/kafka.ts install | start [PORT] | stop\n')
  process.exitCode = 2
}
