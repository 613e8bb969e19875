/** Apache Kafka for tests and trials, on loopback: `$(bin/find-node) scripts/kafka.ts --help`. */
import { join } from 'node:path'
import { install, startKafka, stopDetached } from '../test/brokers/kafka.ts'
import { kafkaHome, missingTool } from '../test/brokers/kafka-install.ts'
import { runServerScript } from '../test/command/command.ts'

const dir = join(kafkaHome.data, 'trial')

await runServerScript('kafka', 'Kafka', {
  install: 'fetch it from Maven Central into .cache (once)',
  lacks: missingTool,
  fetch: install,
  port: 9092,
  start: async (port) => {
    const { brokers } = await startKafka({ nodes: 1, basePort: port, dir, detached: true })
    return `kafka://${brokers.join(',')}`
  },
  stop: () => stopDetached(dir) > 0,
})
