import { Command } from 'commander'
import { printable } from '../base/printable.ts'
import { exitCodes } from './exit.ts'
import { adminOption, reach, stranger } from './gateway-url.ts'
import { jsonLine } from './text.ts'

export function command(): Command {
  const command = new Command('carillon health')
    .description(
      'Check whether a gateway accepts clients. Exit code: 0 ready, with anything degraded printed; 1 not ready, with the reasons; 3 no answer.',
    )
    .addOption(adminOption())
    .option('--json', 'as JSON')
  command.addHelpText('after', '\nExample:\n  carillon health --admin http://127.0.0.1:8081')
  return command.action(async () => {
    const { admin, json } = command.opts<{ admin: string; json?: boolean }>()
    const answer = await readiness(admin)
    if (json) console.log(jsonLine(answer))
    else console.log(readinessLines(answer).join('\n'))
    process.exitCode = answer.ready ? exitCodes.ok : exitCodes.failed
  })
}

interface Readiness {
  readonly ready: boolean
  readonly reasons: readonly string[]
  readonly degraded: readonly string[]
}

/**
 * Returns the lines to print. Causes contain text from the broker, so control characters are
 * escaped.
 */
export function readinessLines({ ready, reasons, degraded }: Readiness): string[] {
  const head = ready ? 'ready' : 'not ready:'
  const causes = [...reasons, ...degraded].map((each) => `  ${printable(each)}`)
  return [ready && degraded.length > 0 ? 'ready, but:' : head, ...causes]
}

/**
 * Reads `/readyz`. Status 503 is a valid answer: its body has the reasons why the gateway is not
 * ready.
 */
async function readiness(admin: string): Promise<Readiness> {
  const response = await reach(`${admin}/readyz`)
  const answer = (await response.json().catch(() => undefined)) as Partial<Readiness> | undefined
  if (typeof answer?.ready === 'boolean') {
    const { ready, reasons = [], degraded = [] } = answer
    return { ready, reasons, degraded }
  }
  throw stranger(`${admin}/readyz`, response)
}
