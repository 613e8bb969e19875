import { parseArgs } from 'node:util'
import { type BrokerKind, brokerKinds } from '../figures/site.ts'

export const usage = `usage: $(bin/find-node) scripts/herd.ts [options]
  --broker KIND      embedded, kafka or nats (embedded)
  --clients N        clients that leave and come back (10000)
  --each N           subjects that each of them follows (3)
  --subjects N       subjects in all (60000)
  --missed N         events that are published while they are away: 600 s of the flow (300000)
  --within MS        how long it takes until all have begun to come back (1000)
  --rate N           events a second, before and while they come back (500)
  --live N           clients whose latency is measured; each gets one event a second beside the flow (200)
  --partitions N     (12)
  --seconds S        how long the quiet latency is measured (10)
  --only NAMES       of memory, index, scan, cost, comma-separated (all)
  --profile DIR      write a CPU profile of each gateway there; the figures are worse for it
  --markdown         print the tables as Markdown
  --json             print them as JSON`

export const parts = ['memory', 'index', 'scan', 'cost'] as const
export type Part = (typeof parts)[number]

export interface Options {
  readonly broker: BrokerKind
  readonly clients: number
  readonly each: number
  readonly subjects: number
  readonly missed: number
  readonly withinMs: number
  readonly rate: number
  readonly live: number
  readonly partitions: number
  readonly seconds: number
  readonly only: readonly Part[]
  readonly profile: string | undefined
  readonly form: 'text' | 'markdown' | 'json'
}

/** Throws what was expected; with `--help`, the usage. */
export function optionsOf(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      broker: { type: 'string', default: 'embedded' },
      clients: { type: 'string', default: '10000' },
      each: { type: 'string', default: '3' },
      subjects: { type: 'string', default: '60000' },
      missed: { type: 'string', default: '300000' },
      within: { type: 'string', default: '1000' },
      rate: { type: 'string', default: '500' },
      live: { type: 'string', default: '200' },
      partitions: { type: 'string', default: '12' },
      seconds: { type: 'string', default: '10' },
      only: { type: 'string', default: parts.join(',') },
      profile: { type: 'string' },
      markdown: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) throw new Error(usage)
  const broker = brokerKinds.find((kind) => kind === values.broker)
  if (broker === undefined) throw new Error(`--broker: expected one of ${brokerKinds.join(', ')}, got ${values.broker}`)
  const [clients, each, subjects] = [whole('clients', values), whole('each', values), whole('subjects', values)]
  if (clients * each > subjects) {
    throw new Error(`--subjects: expected at least ${clients * each}, for each client has its own, got ${subjects}`)
  }
  return {
    broker,
    clients,
    each,
    subjects,
    missed: whole('missed', values),
    withinMs: whole('within', values),
    rate: whole('rate', values),
    live: whole('live', values),
    partitions: whole('partitions', values),
    seconds: whole('seconds', values),
    only: partsOf(values.only),
    profile: values.profile,
    form: (['json', 'markdown'] as const).find((form) => values[form]) ?? 'text',
  }
}

function whole<K extends string>(name: K, values: Readonly<Record<K, string>>): number {
  const number = Number(values[name])
  if (Number.isInteger(number) && number >= 1) return number
  throw new Error(`--${name}: expected a whole number from 1, got ${values[name]}`)
}

function partsOf(text: string): Part[] {
  const names = text.split(',')
  const found = parts.filter((part) => names.includes(part))
  if (found.length !== names.length) throw new Error(`--only: expected names of ${parts.join(', ')}, got ${text}`)
  return found
}
