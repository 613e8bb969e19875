import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { positionText } from '../base/position-text.ts'
import { printable } from '../base/printable.ts'
import { exitCodes } from './exit.ts'
import { adminOption, askAdmin } from './gateway-url.ts'
import { jsonLine, table, time } from './text.ts'

/** A rejected record in the admin listener's answer. */
interface Rejected {
  readonly stream: string
  readonly partition: number
  readonly offset: number
  readonly timeMs: number
  readonly reason: string
  readonly key: string
  readonly detail: string
}

/** The newest records, newest first, and the total number since the gateway started. */
interface Answer {
  readonly total: number
  readonly records: readonly Rejected[]
}

/** Polling interval of `--follow`, ms. */
const followMs = 1000
const heads = ['time', 'stream', 'partition@offset', 'reason', 'key', 'cause'] as const

export function command(): Command {
  const command = new Command('carillon rejected')
    .description(
      'List the newest records that a gateway could not use, with the cause and the remedy; the newest record is last.',
    )
    .addOption(adminOption())
    .option('--follow', 'keep printing new ones until Ctrl-C')
    .option('--json', 'as JSON, one record per line')
  command.addHelpText(
    'after',
    `
The time is the record's timestamp. A gateway keeps the newest 256; carillon_records_rejected_total in /metrics counts all of them.

Example:
  carillon rejected --admin http://127.0.0.1:8081`,
  )
  return command.action(async () => {
    const { admin, follow, json } = command.opts<{ admin: string; follow?: boolean; json?: boolean }>()
    const first = await fetchRejected(admin)
    const records = first.records.toReversed()
    if (json) show(records.map(jsonLine))
    else if (records.length > 0) show([table(heads, records.map(row))])
    note(first, records.length)
    if (follow)
      await followOn(admin, first.total, (record) =>
        show([json ? jsonLine(record) : printable(row(record).join('  '))]),
      )
  })
}

const fetchRejected = (admin: string) => askAdmin<Answer>(`${admin}/v1/admin/rejected`, 'records')

/** Prints a note on stderr, so that stdout contains only records. */
function note({ total }: Answer, shown: number): void {
  if (total === 0) console.error('-- no record was rejected since the gateway started')
  else if (total > shown) console.error(`-- the newest ${shown} of ${total} since the gateway started`)
}

async function followOn(admin: string, seen: number, take: (record: Rejected) => void): Promise<void> {
  const stopped = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      process.exitCode = exitCodes.interrupted
      stopped.abort()
    })
  }
  let before = seen
  while (await pause(stopped.signal)) {
    const { total, records } = await fetchRejected(admin)
    // A smaller total means that the gateway was restarted.
    const fresh = total < before ? total : total - before
    if (fresh > records.length) console.error(`-- ${fresh - records.length} more were rejected than the gateway keeps`)
    for (const record of records.slice(0, fresh).toReversed()) take(record)
    before = total
  }
}

/** Waits for the polling interval. Returns false if the command was ended. */
async function pause(signal: AbortSignal): Promise<boolean> {
  await sleep(followMs, undefined, { signal }).catch(() => {})
  return !signal.aborted
}

function show(lines: readonly string[]): void {
  for (const line of lines) console.log(line)
}

function row({ stream, partition, offset, timeMs, reason, key, detail }: Rejected): string[] {
  return [time(new Date(timeMs)), stream, positionText(partition, offset), reason, key, detail]
}
