import { Command } from 'commander'
import { exitCodes, Unreachable } from './exit.ts'
import { defaultAdmin } from './gateway-url.ts'

export function command(): Command {
  const command = new Command('carillon health')
    .description('Ask a gateway whether it is ready: exit code 0, 1 (it says why) or 3 (no answer).')
    .option('--admin <url>', "the gateway's admin listener", defaultAdmin)
    .option('--json', 'as JSON')
  command.addHelpText('after', '\nExample:\n  carillon health --admin http://127.0.0.1:8081')
  return command.action(async () => {
    const { admin, json } = command.opts<{ admin: string; json?: boolean }>()
    const response = await fetch(`${admin}/readyz`).catch(() => {
      throw new Unreachable(`no answer from ${admin}: is a gateway running there?`)
    })
    const answer = (await response.json()) as { ready: boolean; reasons: string[] }
    if (json) console.log(JSON.stringify(answer))
    else console.log(answer.ready ? 'ready' : ['not ready:', ...answer.reasons].join('\n  '))
    process.exitCode = answer.ready ? exitCodes.ok : exitCodes.failed
  })
}
