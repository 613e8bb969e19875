import { Command } from 'commander'
import { CarillonError } from '../base/errors.ts'
import { grouped } from '../base/numbers.ts'
import { type HostFigures, readHostFigures } from '../capacity/host-figures.ts'
import { knownHosts } from '../capacity/known-hosts.ts'
import { makePlan, type Plan, type PlanRequest, planDefaults } from '../capacity/plan.ts'
import { bytesOf, countOf, millisecondsOf, rateOf } from './amounts.ts'
import { table } from './text.ts'

interface Flags {
  readonly clients?: string
  readonly rate?: string
  readonly totalRate?: string
  readonly payload?: string
  readonly p99?: string
  readonly fanOut: string
  readonly host: string
  readonly cores?: string
  readonly memoryGib?: string
  readonly spares: string
  readonly replication: string
  readonly retentionHours: string
  readonly json?: boolean
}

const hourMs = 3_600_000
const names = Object.keys(knownHosts)

export function command(): Command {
  const command = new Command('carillon plan')
    .description(
      'Compute how many hosts a load needs, what each host needs, and which resource runs out first, with the arithmetic.',
    )
    .option('--clients <n>', 'clients connected at the same time: 250000, 18k, 60M')
    .option('--rate <events/period>', 'events that each client receives: 1/min, 0.5/s, 3/h')
    .option('--total-rate <events/period>', 'instead of --rate, events that all clients together receive: 300k/s')
    .option('--payload <bytes>', 'size of the data of an event: 512, 2KiB')
    .option('--p99 <ms>', 'target for the 99th percentile of the latency: 50, 50ms, 1s')
    .option('--fan-out <clients>', 'number of clients that receive each event', String(planDefaults.fanOut))
    .option('--host <file>', `file of figures from doctor --measure, or ${names.join(', ')}`, 'carillon')
    .option('--cores <n>', 'assume this number of cores')
    .option('--memory-gib <n>', 'assume this much memory, GiB')
    .option('--spares <n>', 'number of hosts that may fail at the same time', String(planDefaults.spares))
    .option('--replication <n>', 'number of copies that the broker keeps', String(planDefaults.replication))
    .option('--retention-hours <n>', 'retention of the broker', String(planDefaults.retentionMs / hourMs))
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      '\nExample:\n  carillon plan --clients 60M --rate 1/min --payload 512 --p99 500ms --host measured.json',
    )
  return command.action(() => {
    const flags = command.opts<Flags>()
    const request = requestOf(flags)
    const figures = figuresOf(flags)
    const plan = makePlan(request, figures)
    console.log(flags.json ? JSON.stringify({ request, figures, ...plan }) : report(plan))
  })
}

function requestOf(flags: Flags): PlanRequest {
  const clients = countOf('--clients', given('--clients', flags.clients))
  const { rate, totalRate } = flags
  if ((rate === undefined) === (totalRate === undefined)) {
    const got = rate === undefined ? 'neither' : 'both'
    throw new CarillonError('bad_request', `expected --rate (of each client) or --total-rate (of all), got ${got}`)
  }
  const ratePerClient = rate === undefined ? rateOf('--total-rate', totalRate!) / clients : rateOf('--rate', rate)
  const fanOut = countOf('--fan-out', flags.fanOut)
  if (fanOut > clients) {
    throw new CarillonError(
      'bad_request',
      `--fan-out: expected at most the ${grouped(clients)} clients, got ${grouped(fanOut)}`,
    )
  }
  return {
    clients,
    ratePerClient,
    fanOut,
    payloadBytes: bytesOf('--payload', given('--payload', flags.payload)),
    p99Ms: millisecondsOf('--p99', given('--p99', flags.p99)),
    spares: flags.spares === '0' ? 0 : countOf('--spares', flags.spares),
    replication: countOf('--replication', flags.replication),
    retentionMs: countOf('--retention-hours', flags.retentionHours) * hourMs,
  }
}

function given(name: string, text: string | undefined): string {
  if (text !== undefined) return text
  throw new CarillonError(
    'bad_request',
    `expected ${name}, got none; an example: --clients 60M --rate 1/min --payload 512 --p99 500ms`,
  )
}

function figuresOf({ host, cores, memoryGib }: Flags): HostFigures {
  const figures = Object.hasOwn(knownHosts, host) ? knownHosts[host as keyof typeof knownHosts] : readHostFigures(host)
  const { gateway } = figures
  const hostCores = cores === undefined ? figures.cores : countOf('--cores', cores)
  // A gateway that used all cores of its host uses all cores of this one too.
  const used = gateway.cores === figures.cores ? hostCores : Math.min(hostCores, gateway.cores)
  const memoryGiB = memoryGib === undefined ? figures.memoryGiB : countOf('--memory-gib', memoryGib)
  return { ...figures, cores: hostCores, memoryGiB, gateway: { ...gateway, cores: used } }
}

function report(plan: Plan): string {
  const { hosts, spares, gatewaysPerHost, binds } = plan
  const all = `${grouped(hosts + spares)} hosts (${grouped(hosts)} ${hosts === 1 ? 'carries' : 'carry'} everything, ${grouped(spares)} spare)`
  const share = Math.round(binds.share * 100)
  const head = `${all} with ${gatewaysPerHost} gateway${gatewaysPerHost === 1 ? '' : 's'} each; the first limit is ${binds.resource}, at ${share} % of what may be used`
  const rows = plan.lines.map(({ what, arithmetic, result }) => [what, arithmetic, result])
  const list = (title: string, items: readonly string[]) => [title, ...items.map((item) => `  ${item}`)].join('\n')
  return [
    head,
    table(['', 'arithmetic', 'result'], rows),
    list('Set on each host:', plan.settings),
    list('Notes:', plan.notes),
  ].join('\n\n')
}
