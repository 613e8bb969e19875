/**
 * nats-server for tests and trials, on loopback:
 *   $(bin/find-node) scripts/nats.ts install          build it with Go into .cache (once)
 *   $(bin/find-node) scripts/nats.ts start [PORT]     start one with JetStream (4222) that runs on after this command
 *   $(bin/find-node) scripts/nats.ts stop             end it; its data stays in .cache/nats-data
 */
import { startNats, stopDetachedNats } from '../test/brokers/nats.ts'
import { installNats, missingGo, natsData, natsServer } from '../test/brokers/nats-install.ts'

const say = (line: string) => process.stdout.write(`${line}\n`)

/** Without Go the suites that need it are skipped by name, unless they may not be. */
async function runInstall(): Promise<void> {
  const lacking = natsServer() === undefined ? missingGo() : undefined
  if (lacking !== undefined) {
    say(`nats-server is not installed: ${lacking}. The suites that need it will be skipped.`)
    if (process.env.CARILLON_TEST_NO_SKIP === '1') process.exitCode = 1
    return
  }
  await installNats(say)
}

async function runStart(port: number): Promise<void> {
  await installNats(say)
  const { address } = await startNats({ port, dir: natsData, detached: true })
  say(`nats-server is up: nats://${address}; end it with: $(bin/find-node) scripts/nats.ts stop`)
}

const [command, port] = process.argv.slice(2)
if (command === 'install') await runInstall()
else if (command === 'start') await runStart(Number(port ?? 4222))
else if (command === 'stop')
  say(stopDetachedNats(natsData) ? 'nats-server is ended' : 'no nats-server of ours is running')
else {
  process.stderr.write('usage: $(bin/find-node) scripts/nats.ts install | start [PORT] | stop\n')
  process.exitCode = 2
}
