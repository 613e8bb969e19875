import { Option } from 'commander'
import { number, script, whole } from '../command/command.ts'
import { type BrokerKind, brokerKinds } from '../figures/site.ts'

export interface Options {
  readonly minutes: number
  readonly broker: BrokerKind
  readonly rate: number
  readonly clients: number
  readonly churn: number
  readonly sampleSeconds: number
  readonly json?: string
  readonly csv?: string
}

export const command = () =>
  script(
    'soak',
    'Run a gateway under churn, with slow and silent clients, and check whether its memory grows or a client misses events.',
  )
    .option('--minutes <count>', 'duration', number({ above: 0 }), 30)
    .addOption(new Option('--broker <kind>', 'where the events are').choices(brokerKinds).default('embedded'))
    .option('--rate <events/s>', 'events a second, of 512 bytes', number({ above: 0 }), 500)
    .option('--clients <count>', 'of all transports, beside the slow ones', whole(), 1500)
    .option('--churn <clients/s>', 'connections that are closed, and opened, per second', number({ least: 0 }), 100)
    .option('--sample-seconds <s>', 'how often memory is read', number({ above: 0 }), 10)
    .option('--json <file>', 'write samples, trends and counts to this file as JSON; - is standard output')
    .option('--csv <file>', 'write the samples to this file as CSV; - is standard output')
    .addHelpText('after', '\nExit status: 1 something grows, was lost or repeated, 2 it could not be run, 130 Ctrl-C.')
