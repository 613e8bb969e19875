import { Command } from 'commander'
import { printable } from '../base/printable.ts'
import { exitCodes } from './exit.ts'
import { adminOption, askAdmin } from './gateway-url.ts'
import { readinessLines } from './health.ts'
import { jsonLine, period, table, time } from './text.ts'

/** Answer of the admin listener. */
interface Status {
  readonly gateway: string
  readonly version: string
  readonly uptimeMs: number
  readonly broker: string
  readonly sessions: Readonly<Record<string, number>>
  readonly subscriptions: number
  readonly streams: readonly Stream[]
  readonly limits: readonly Limit[]
  /** Reasons why the gateway is not ready, and problems of a gateway that is ready. */
  readonly reasons: readonly string[]
  readonly degraded: readonly string[]
}

interface Stream {
  readonly name: string
  readonly topic: string
  readonly state: string
  readonly partitions: readonly { readonly lag: number; readonly blocked: number }[]
}

/** A limit, the number of its refusals, and the time and the client of the last one. */
interface Limit {
  readonly limit: string
  readonly refuses: string
  readonly option: string
  readonly count: number
  readonly lastMs?: number
  readonly last?: string
}

export function command(): Command {
  const command = new Command('carillon status')
    .description('Show the sessions and streams of a gateway, and what its limits have refused since it started.')
    .addOption(adminOption())
    .option('--all', 'include limits that refused nothing')
    .option('--json', 'as JSON')
  command.addHelpText(
    'after',
    `
Exit codes: 0 all is well, 4 ready but degraded, 1 not ready, 3 no answer.

Example:
  carillon status --admin http://127.0.0.1:8081`,
  )
  return command.action(async () => {
    const { admin, all, json } = command.opts<{ admin: string; all?: boolean; json?: boolean }>()
    const status = await askAdmin<Status>(`${admin}/v1/admin/status`, 'streams')
    if (json) console.log(jsonLine(status))
    else console.log(shown(status, all ? 'all limits' : 'limits with refusals'))
    process.exitCode = exitCodeOf(status)
  })
}

function exitCodeOf({ reasons, degraded }: Status): number {
  if (reasons.length > 0) return exitCodes.failed
  return degraded.length > 0 ? exitCodes.warned : exitCodes.ok
}

/**
 * Returns the text to print. Names and causes come from other systems, so control characters are
 * escaped and can't control the terminal.
 */
export function shown(status: Status, which: 'all limits' | 'limits with refusals'): string {
  const { gateway, version, broker, sessions, subscriptions, streams, reasons, degraded } = status
  const limits = status.limits.filter(({ count }) => count > 0 || which === 'all limits')
  const bySession = Object.entries(sessions).map(([transport, count]) => `${count} ${transport}`)
  const parts = [
    [
      printable(`gateway ${gateway}, Carillon ${version}, up ${period(status.uptimeMs)}, broker ${broker}`),
      ...readinessLines({ ready: reasons.length === 0, reasons, degraded }),
      printable(`sessions: ${bySession.join(', ')}; ${subscriptions} subscriptions`),
    ].join('\n'),
    table(['stream', 'topic', 'state', 'partitions', 'lag', 'blocked'], streams.map(streamRow)),
    limits.length === 0
      ? 'no limit has refused a client since the gateway started'
      : table(['limit', 'refused', 'last', 'client', 'what', 'option'], limits.map(limitRow)),
  ]
  return parts.join('\n\n')
}

function streamRow({ name, topic, state, partitions }: Stream): string[] {
  const lag = partitions.reduce((sum, partition) => sum + partition.lag, 0)
  const blocked = partitions.reduce((sum, partition) => sum + partition.blocked, 0)
  return [name, topic, state, String(partitions.length), String(lag), String(blocked)]
}

function limitRow({ limit, count, lastMs, last, refuses, option }: Limit): string[] {
  const when = lastMs === undefined ? '' : time(new Date(lastMs))
  return [limit, String(count), when, last ?? '', refuses, option]
}
