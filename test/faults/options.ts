import { Option } from 'commander'
import { script, whole } from '../command/command.ts'
import type { BrokerKind } from './site.ts'

export interface Options {
  readonly faults: number
  readonly clients: number
  readonly rate: number
  readonly seed: number
  readonly broker: BrokerKind | 'both'
  readonly only?: string
  readonly keep?: boolean
  readonly json?: boolean
}

export const command = () =>
  script('faults', 'Real faults of brokers, gateways and network under clients of the real SDK, each of them judged.')
    .option('--faults <count>', 'number of faults; with both brokers, Kafka gets seven in ten', whole(), 100)
    .option(
      '--clients <count>',
      'clients of the real SDK, a quarter each over WebSocket JSON, WebSocket protobuf, SSE and long-poll',
      whole(),
      1000,
    )
    .option('--rate <events/s>', 'events a second', whole(), 150)
    .option('--seed <number>', 'seed of the faults and the clients', whole(), 1)
    .addOption(new Option('--broker <kind>', 'where the events are').choices(['kafka', 'nats', 'both']).default('both'))
    .option('--only <names>', 'kinds of faults, by their names in the table, comma-separated (default: all)')
    .option('--keep', "keep the stories and the brokers' files")
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      '\nExit status: 0 every promise was kept, 1 one was broken, 2 it could not be run, 130 Ctrl-C.',
    )
