import { parseArgs } from 'node:util'
import { type BrokerKind, brokerKinds } from './site.ts'

export const usage = `usage: $(bin/find-node) scripts/figures.ts [options]
  --broker KIND    embedded, kafka or nats: where the delivered events come from (kafka where it is installed)
  --clients N      clients of the largest run; others scale with it (5000)
  --seconds S      how long each run is measured, after a warm-up of at most 2 s (5)
  --only NAMES     of first, intake, unicast, broadcast, idle, comma-separated (all)
  --profile DIR    write a CPU profile of each gateway there; the figures are worse for it
  --markdown       print the tables as Markdown
  --json           print them as JSON
  --docs           put them into docs/figures.md`

export const parts = ['first', 'intake', 'unicast', 'broadcast', 'idle'] as const
export type Part = (typeof parts)[number]
export type Form = 'text' | 'markdown' | 'json' | 'docs'

export interface Options {
  /** undefined = kafka where it is installed. */
  readonly broker: BrokerKind | undefined
  readonly clients: number
  readonly seconds: number
  readonly only: readonly Part[]
  readonly profile: string | undefined
  readonly form: Form
}

const leastClients = 5

/** Throws what was expected; with `--help`, the usage. */
export function optionsOf(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      broker: { type: 'string' },
      clients: { type: 'string', default: '5000' },
      seconds: { type: 'string', default: '5' },
      only: { type: 'string', default: parts.join(',') },
      profile: { type: 'string' },
      markdown: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      docs: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) throw new Error(usage)
  const [clients, seconds] = [Number(values.clients), Number(values.seconds)]
  if (!Number.isInteger(clients) || clients < leastClients) {
    throw new Error(`--clients: expected a whole number from ${leastClients}, got ${values.clients}`)
  }
  if (!(seconds > 0)) throw new Error(`--seconds: expected a number above 0, got ${values.seconds}`)
  const form = (['docs', 'json', 'markdown'] as const).find((each) => values[each]) ?? 'text'
  return {
    broker: brokerOf(values.broker),
    clients,
    seconds,
    only: partsOf(values.only),
    profile: values.profile,
    form,
  }
}

function brokerOf(text: string | undefined): BrokerKind | undefined {
  const broker = brokerKinds.find((kind) => kind === text)
  if (text !== undefined && broker === undefined) {
    throw new Error(`--broker: expected one of ${brokerKinds.join(', ')}, got ${text}`)
  }
  return broker
}

function partsOf(text: string): Part[] {
  const names = text.split(',')
  const found = parts.filter((part) => names.includes(part))
  if (found.length !== names.length) throw new Error(`--only: expected names of ${parts.join(', ')}, got ${text}`)
  return found
}
