import { Option } from 'commander'
import { CannotRun, namesOption, script, whole } from '../command/command.ts'
import { profileOption } from '../figures/options.ts'
import { type BrokerKind, brokerKinds } from '../figures/site.ts'

export const parts = ['memory', 'index', 'scan', 'cost'] as const
export type Part = (typeof parts)[number]

export interface Options {
  readonly broker: BrokerKind
  readonly clients: number
  readonly each: number
  readonly subjects: number
  readonly missed: number
  /** Time within which all clients begin to reconnect, ms. */
  readonly within: number
  readonly rate: number
  readonly live: number
  readonly partitions: number
  readonly seconds: number
  readonly only: readonly Part[]
  readonly profile?: string
  readonly markdown?: boolean
  readonly json?: boolean
}

export const command = () =>
  script(
    'reconnect-storm',
    'Clients disconnect, miss minutes of events, and reconnect all at once. docs/figures.md explains the columns.',
  )
    .addOption(new Option('--broker <kind>', 'broker or log with the events').choices(brokerKinds).default('embedded'))
    .option('--clients <count>', 'clients that disconnect and reconnect', whole(), 10_000)
    .option('--each <count>', 'subjects that each client follows', whole(), 3)
    .option('--subjects <count>', 'total subjects', whole(), 60_000)
    .option(
      '--missed <count>',
      'events published while the clients are away; the default is 600 s of the flow',
      whole(),
      300_000,
    )
    .option('--within <ms>', 'time within which all clients begin to reconnect', whole(), 1000)
    .option('--rate <events/s>', 'events a second, before and during the reconnect', whole(), 500)
    .option(
      '--live <count>',
      'clients whose latency is measured; each receives one event a second in addition to the flow',
      whole(),
      200,
    )
    .option('--partitions <count>', 'partitions of the stream', whole(), 12)
    .option('--seconds <s>', 'how long the quiet latency is measured', whole(), 10)
    .addOption(namesOption('--only <names>', 'where the missed events are stored, and the cost of one client', parts))
    .addOption(profileOption())
    .option('--markdown', 'print the tables as Markdown')
    .option('--json', 'print them as JSON')
    .addHelpText(
      'after',
      '\nExit status: 1 something was lost, repeated or reported as a gap, 2 it could not be measured, 130 Ctrl-C.',
    )

/** Throws when the options are inconsistent. */
export function expectSubjects({ clients, each, subjects }: Options): void {
  const needed = clients * each
  if (needed <= subjects) return
  throw new CannotRun(`--subjects: expected at least ${needed}, because each client has its own, got ${subjects}`)
}
