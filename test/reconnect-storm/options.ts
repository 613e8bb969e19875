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
  /** ms. */
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
    'Clients leave, minutes of events pass, and all come back at once. docs/figures.md explains the columns.',
  )
    .addOption(new Option('--broker <kind>', 'where the events are').choices(brokerKinds).default('embedded'))
    .option('--clients <count>', 'clients that leave and come back', whole(), 10_000)
    .option('--each <count>', 'number of subjects that each client follows', whole(), 3)
    .option('--subjects <count>', 'total number of subjects', whole(), 60_000)
    .option(
      '--missed <count>',
      'events that are published while the clients are away: 600 s at the default rate',
      whole(),
      300_000,
    )
    .option('--within <ms>', 'time within which all clients start to reconnect', whole(), 1000)
    .option('--rate <events/s>', 'events a second, before and while they come back', whole(), 500)
    .option(
      '--live <count>',
      'additional clients whose latency is measured; each gets one event a second',
      whole(),
      200,
    )
    .option('--partitions <count>', 'of the stream', whole(), 12)
    .option('--seconds <s>', 'how long the quiet latency is measured', whole(), 10)
    .addOption(namesOption('--only <names>', 'where what they missed is, and what one client costs', parts))
    .addOption(profileOption())
    .option('--markdown', 'print the tables as Markdown')
    .option('--json', 'print them as JSON')
    .addHelpText(
      'after',
      '\nExit status: 1 an event was lost or repeated, or a gap was sent, 2 measuring was not possible, 130 Ctrl-C.',
    )

/** Throws where options do not go together. */
export function expectSubjects({ clients, each, subjects }: Options): void {
  const needed = clients * each
  if (needed <= subjects) return
  throw new CannotRun(`--subjects: expected at least ${needed}, for each client has its own, got ${subjects}`)
}
