/**
 * Jaeger for tests and trials, on loopback, its traces in memory:
 *   $(bin/find-node) scripts/jaeger.ts install   build it with Go into .cache (once, about four minutes)
 *   $(bin/find-node) scripts/jaeger.ts start     start one that runs on after this command: OTLP on 4318 (HTTP) and 4317 (gRPC), UI and API on 16686
 *   $(bin/find-node) scripts/jaeger.ts stop      end it
 */
import { Jaeger, jaegerPorts, stopDetachedJaeger } from '../test/brokers/jaeger.ts'
import { installJaeger, jaegerHome, jaegerInstalled, missingGo } from '../test/brokers/jaeger-install.ts'

const say = (line: string) => process.stdout.write(`${line}\n`)

/** Without Go the suite that needs Jaeger is skipped by name, unless it may not be. */
async function runInstall(): Promise<void> {
  const lacking = jaegerInstalled() ? undefined : missingGo()
  if (lacking !== undefined) {
    say(`Jaeger is not installed: ${lacking}. The suite that needs it will be skipped.`)
    if (process.env.CARILLON_TEST_NO_SKIP === '1') process.exitCode = 1
    return
  }
  await installJaeger(say)
}

async function runStart(): Promise<void> {
  await installJaeger(say)
  const jaeger = new Jaeger({ ports: jaegerPorts, dir: jaegerHome.data, detached: true })
  await jaeger.start()
  say(`Jaeger is up on ${jaeger.url}. Send it spans with: export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318`)
  say('End it with: $(bin/find-node) scripts/jaeger.ts stop')
}

const [command] = process.argv.slice(2)
if (command === 'install') await runInstall()
else if (command === 'start') await runStart()
else if (command === 'stop')
  say(stopDetachedJaeger(jaegerHome.data) ? 'Jaeger is ended' : 'no Jaeger of ours is running')
else {
  process.stderr.write('usage: $(bin/find-node) scripts/jaeger.ts install | start | stop\n')
  process.exitCode = 2
}
