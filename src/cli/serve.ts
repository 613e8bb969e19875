import { Command } from 'commander'
import { isLoopback } from '../base/loopback.ts'
import type { Config } from '../config/config.ts'
import { endSoon, exitCodes } from './exit.ts'
import { invoked } from './invoked.ts'
import { configOf, withConfig } from './options.ts'

export function command(): Command {
  const serve = new Command('carillon serve').description('Run a gateway until SIGTERM, SIGINT or SIGHUP.')
  withConfig(serve, ({ kind }) => kind !== 'structure')
  serve.addHelpText('after', '\nExample:\n  carillon serve --broker kafka://127.0.0.1:9092 --listen 127.0.0.1:8080')
  return serve.action(async () => {
    const { config } = configOf(serve)
    // Registered before anything starts, so that a signal during the start ends the gateway
    // gracefully.
    const stop = stopSignal()
    const { startGateway } = await import('../gateway/gateway.ts')
    const gateway = await startGateway(config)
    announce(config, gateway.listen, gateway.admin)
    await gateway.close(await stop)
    endSoon()
  })
}

/**
 * Resolves with the first signal. A second signal exits without waiting for clients. SIGHUP also
 * ends the gateway, because nothing can be reloaded.
 */
function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    let asked = false
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
      process.on(signal, () => {
        if (asked) process.exit(exitCodes.interrupted)
        asked = true
        resolve(signal)
      })
    }
  })
}

function announce(config: Config, listen: string, admin: string): void {
  console.log(`carillon: clients on ${listen}, admin on ${admin}, broker ${config.broker}`)
  if (!isLoopback(new URL(listen).hostname) || !(config.dev || process.stdout.isTTY)) return
  const gateway = listen === 'http://127.0.0.1:8080' ? '' : ` --gateway ${listen}`
  const page = `\nor on the page: ${listen.replace('127.0.0.1', 'localhost')}/`
  console.log(`
Try it in another terminal:
  ${invoked} subscribe${gateway} 'alarm.>'
  ${invoked} publish${gateway} alarm.zone7.door '{"open":true}'
  curl -N '${listen}/v1/sse?subject=alarm.%3E'${config.dev ? page : ''}
`)
}
