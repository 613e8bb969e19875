import { Command } from 'commander'
import { exitCodes, Unreachable } from './exit.ts'
import { adminOption, reach } from './gateway-url.ts'

export function command(): Command {
  const command = new Command('carillon health')
    .description(
      'Ask a gateway whether it takes clients: exit code 0 (also where it lacks something, which it says), 1 (it says why not) or 3 (no answer).',
    )
    .addOption(adminOption())
    .option('--json', 'as JSON')
  command.addHelpText('after', '\nExample:\n  carillon health --admin http://127.0.0.1:8081')
  return command.action(async () => {
    const { admin, json } = command.opts<{ admin: string; json?: boolean }>()
    const answer = await readiness(admin)
    if (json) console.log(JSON.stringify(answer))
    else for (const line of lines(answer)) console.log(line)
    process.exitCode = answer.ready ? exitCodes.ok : exitCodes.failed
  })
}

interface Readiness {
  readonly ready: boolean
  readonly reasons: readonly string[]
  readonly degraded: readonly string[]
}

function lines({ ready, reasons, degraded }: Readiness): string[] {
  const head = ready ? 'ready' : 'not ready:'
  return [ready && degraded.length > 0 ? 'ready, but:' : head, ...[...reasons, ...degraded].map((each) => `  ${each}`)]
}

/** `/readyz` says why it is not ready with status 503, so the status alone is no failure to ask. */
async function readiness(admin: string): Promise<Readiness> {
  const response = await reach(`${admin}/readyz`)
  const answer = (await response.json().catch(() => undefined)) as Partial<Readiness> | undefined
  if (typeof answer?.ready === 'boolean') {
    const { ready, reasons = [], degraded = [] } = answer
    return { ready, reasons, degraded }
  }
  throw new Unreachable(`${admin}/readyz answered ${response.status}, not as an admin listener does: is it one?`)
}
