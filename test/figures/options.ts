import { Option } from 'commander'
import { namesOption, number, script, whole } from '../command/command.ts'
import { type BrokerKind, brokerKinds } from './site.ts'

export const parts = ['first', 'intake', 'unicast', 'broadcast', 'idle'] as const
export type Part = (typeof parts)[number]

export interface Options {
  /** undefined = kafka where it is installed. */
  readonly broker?: BrokerKind
  readonly clients: number
  readonly seconds: number
  readonly only: readonly Part[]
  readonly profile?: string
  readonly markdown?: boolean
  readonly json?: boolean
  readonly docs?: boolean
}

export const profileOption = () =>
  new Option('--profile <folder>', 'write a CPU profile of each gateway to this folder, which makes the figures worse')

export const command = () =>
  script(
    'figures',
    'What a gateway costs on this host and how quick it is. docs/figures.md says what the figures mean.',
  )
    .addOption(
      new Option(
        '--broker <kind>',
        'where the delivered events come from (default: kafka where it is installed, else embedded)',
      ).choices(brokerKinds),
    )
    .option('--clients <count>', 'clients of the largest run; others scale with it', whole(5), 5000)
    .option('--seconds <s>', 'how long each run is measured, after a warm-up of at most 2 s', number({ above: 0 }), 5)
    .addOption(namesOption('--only <names>', 'measurements', parts))
    .addOption(profileOption())
    .option('--markdown', 'print the tables as Markdown')
    .option('--json', 'print them as JSON')
    .option('--docs', 'put them into docs/figures.md')
    .addHelpText('after', '\nExit status: 1 something was lost or repeated, 2 it could not be measured, 130 Ctrl-C.')
