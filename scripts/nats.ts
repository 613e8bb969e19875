/** nats-server with JetStream for tests and trials, on loopback: `$(bin/find-node) scripts/nats.ts --help`. */
import { startNats, stopDetachedNats } from '../test/brokers/nats.ts'
import { installNats, missingGo, natsData, natsServer } from '../test/brokers/nats-install.ts'
import { runServerScript } from '../test/command/command.ts'

await runServerScript('nats', 'nats-server', {
  install: 'build it with Go into .cache (once)',
  lacks: () => (natsServer() === undefined ? missingGo() : undefined),
  fetch: installNats,
  port: 4222,
  start: async (port) => `nats://${(await startNats({ port, dir: natsData, detached: true })).address}`,
  stop: () => stopDetachedNats(natsData),
})
