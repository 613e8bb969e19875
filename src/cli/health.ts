import { Command } from 'commander'
import { exitCodes, Unreachable } from './exit.ts'
import { defaultAdmin, gatewayUrl, reach } from './gateway-url.ts'

export function command(): Command {
  const command = new Command('carillon health')
    .description('Ask a gateway whether it is ready: exit code 0, 1 (it says why) or 3 (no answer).')
    .option('--admin <url>', "the gateway's admin listener", gatewayUrl, defaultAdmin)
    .option('--json', 'as JSON')
  command.addHelpText('after', '\nExample:\n  carillon health --admin http://127.0.0.1:8081')
  return command.action(async () => {
    const { admin, json } = command.opts<{ admin: string; json?: boolean }>()
    const answer = await readiness(admin)
    if (json) console.log(JSON.stringify(answer))
    else console.log(answer.ready ? 'ready' : ['not ready:', ...answer.reasons].join('\n  '))
    process.exitCode = answer.ready ? exitCodes.ok : exitCodes.failed
  })
}

/** `/readyz` says why it is not ready with status 503, so the status alone is no failure to ask. */
async function readiness(admin: string): Promise<{ ready: boolean; reasons: string[] }> {
  const response = await reach(`${admin}/readyz`)
  const answer = (await response.json().catch(() => undefined)) as { ready?: boolean; reasons?: string[] } | undefined
  if (typeof answer?.ready === 'boolean') return { ready: answer.ready, reasons: answer.reasons ?? [] }
  throw new Unreachable(`${admin}/readyz answered ${response.status}, not as an admin listener does: is it one?`)
}
