import { parseArgs } from 'node:util'
import { type BrokerKind, brokerKinds } from '../figures/site.ts'

export const usage = `usage: $(bin/find-node) scripts/soak.ts [options]
  --minutes M         how long (30)
  --broker KIND       embedded, kafka or nats (embedded)
  --rate N            events a second, of 512 bytes (500)
  --clients N         of all transports, beside the slow ones (1500)
  --churn N           connections closed a second, and as many opened (100)
  --sample-seconds S  how often memory is read (10)
  --json FILE         write samples, trends and counts there as JSON; - is the standard output
  --csv FILE          write the samples there as CSV; - is the standard output`

export interface Options {
  readonly minutes: number
  readonly broker: BrokerKind
  readonly rate: number
  readonly clients: number
  readonly churn: number
  readonly sampleSeconds: number
  readonly json: string | undefined
  readonly csv: string | undefined
}

/** Throws what was expected; with `--help`, the usage. */
export function optionsOf(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      minutes: { type: 'string', default: '30' },
      broker: { type: 'string', default: 'embedded' },
      rate: { type: 'string', default: '500' },
      clients: { type: 'string', default: '1500' },
      churn: { type: 'string', default: '100' },
      'sample-seconds': { type: 'string', default: '10' },
      json: { type: 'string' },
      csv: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) throw new Error(usage)
  const number = (name: 'minutes' | 'rate' | 'clients' | 'churn' | 'sample-seconds') => {
    const value = Number(values[name])
    if (value > 0 || (name === 'churn' && value === 0)) return value
    throw new Error(`--${name}: expected a number above 0, got ${values[name]}`)
  }
  const broker = brokerKinds.find((kind) => kind === values.broker)
  if (broker === undefined) throw new Error(`--broker: expected one of ${brokerKinds.join(', ')}, got ${values.broker}`)
  const { json, csv } = values
  const sizes = { minutes: number('minutes'), rate: number('rate'), clients: Math.round(number('clients')) }
  return { ...sizes, churn: number('churn'), sampleSeconds: number('sample-seconds'), broker, json, csv }
}
