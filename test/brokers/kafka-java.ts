import { spawn } from 'node:child_process'
import { kafkaHome } from './kafka-install.ts'

/** Runs one of Kafka's own command-line classes; resolves with its output, rejects when it fails. */
export function runKafkaTool(name: string, args: readonly string[], input = ''): Promise<string> {
  const quiet = '-Dorg.slf4j.simpleLogger.defaultLogLevel=error'
  const options = ['-Xmx128m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', quiet, '-cp', kafkaHome.classPath]
  return new Promise((resolve, reject) => {
    const child = spawn('java', [...options, `org.apache.kafka.tools.${name}`, ...args])
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8')
    })
    child.stderr.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8')
    })
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve(output)
      else reject(new Error(`${name} ended with ${code}: ${output}`))
    })
    child.stdin.end(input)
  })
}
