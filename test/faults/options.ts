import { parseArgs } from 'node:util'
import type { BrokerKind } from './site.ts'

export const usage = `usage: $(bin/find-node) scripts/faults.ts [options]
  --faults N       faults of the whole run; of both brokers, Kafka takes seven in ten (100)
  --clients N      clients of the real SDK, a quarter each over WebSocket JSON, WebSocket protobuf, SSE and long-poll (1000)
  --rate N         events a second (150)
  --seed N         draws the faults and the clients (1)
  --broker KIND    kafka, nats or both (both)
  --only NAMES     kinds of faults, comma-separated, as the table names them (all)
  --keep           leave the stories and the brokers' files where they are
  --json           print the result as JSON`

export interface Options {
  readonly faults: number
  readonly clients: number
  readonly rate: number
  readonly seed: number
  readonly brokers: readonly BrokerKind[]
  readonly only: readonly string[] | undefined
  readonly keep: boolean
  readonly json: boolean
}

/** Throws what was expected; with `--help`, the usage. */
export function optionsOf(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      faults: { type: 'string', default: '100' },
      clients: { type: 'string', default: '1000' },
      rate: { type: 'string', default: '150' },
      seed: { type: 'string', default: '1' },
      broker: { type: 'string', default: 'both' },
      only: { type: 'string' },
      keep: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) throw new Error(usage)
  const { faults, clients, rate, seed, broker, only, keep, json } = values
  return {
    faults: whole('faults', faults),
    clients: whole('clients', clients),
    rate: whole('rate', rate),
    seed: whole('seed', seed),
    brokers: brokersOf(broker),
    only: only?.split(','),
    keep,
    json,
  }
}

function whole(name: string, text: string): number {
  const number = Number(text)
  if (Number.isInteger(number) && number > 0) return number
  throw new Error(`--${name}: expected a whole number above 0, got ${text}`)
}

function brokersOf(text: string): BrokerKind[] {
  if (text === 'both') return ['kafka', 'nats']
  if (text === 'kafka' || text === 'nats') return [text]
  throw new Error(`--broker: expected kafka, nats or both, got ${text}`)
}
