import { Command } from 'commander'
import { grouped } from '../base/numbers.ts'
import { printable } from '../base/printable.ts'
import { configuredWindows } from '../capacity/windows.ts'
import type { Config } from '../config/config.ts'
import type { BrokerNeeds } from '../doctor/broker-checks.ts'
import { type Finding, gravest, type Level } from '../doctor/finding.ts'
import { hostChecks } from '../doctor/host-checks.ts'
import { readHostFacts } from '../doctor/host-facts.ts'
import type { HostReader } from '../doctor/host-reader.ts'
import { loadDefaults } from '../doctor/load.ts'
import { askMonitor } from '../doctor/nats-monitor.ts'
import { thisHost } from '../doctor/this-host.ts'
import { parseBrokerUrl } from '../source/open.ts'
import { exitCodes } from './exit.ts'
import { gatewayUrl, wholeNumber } from './gateway-url.ts'
import { configOf, isOfBroker, withConfig } from './options.ts'
import { jsonLine } from './text.ts'

interface Flags {
  readonly clients: number
  readonly hostOnly?: boolean
  readonly natsMonitor?: string
  readonly json?: boolean
  readonly measure?: boolean
  readonly p99: string
  readonly out: string
}

const mib = 1 << 20

export function command(): Command {
  const command = new Command('carillon doctor')
    .description(
      'Check whether this host and the broker are ready for a gateway. Prints each figure, why it matters, and how to fix it.',
    )
    .option(
      '--clients <n>',
      'number of simultaneous clients that the gateway on this host must carry',
      wholeNumber,
      loadDefaults.clients,
    )
    .option('--host-only', 'do not check the broker')
    .option(
      '--nats-monitor <url>',
      "the NATS server's monitoring port, which shows how often the server syncs",
      gatewayUrl,
    )
    .option('--measure', 'measure what this host can do instead, with a gateway started for that')
    .option('--p99 <ms>', 'with --measure: target for the 99th percentile of the latency', '50ms')
    .option('--out <file>', 'with --measure: file for the figures, for carillon plan --host', 'measured.json')
    .option('--json', 'as JSON')
  withConfig(command, isOfBroker)
  command.addHelpText(
    'after',
    '\nExit code: 0 nothing to fix, 4 warnings, 1 a check fails. A value that the host does not show is not a failure. --measure: 130 after Ctrl-C.',
  )
  command.addHelpText('after', '\nExample:\n  carillon doctor --config carillon.yaml --clients 100000')
  return command.action(async () => {
    const loaded = configOf(command)
    const { config } = loaded
    const flags = command.opts<Flags>()
    if (flags.measure) return (await import('./doctor-measure.ts')).measure(loaded, flags)
    const findings = await examine(config, flags, thisHost())
    const level = gravest(findings)
    if (flags.json) console.log(jsonLine({ level, clients: flags.clients, findings }))
    else console.log(report(findings))
    process.exitCode = level === 'fail' ? exitCodes.failed : level === 'warn' ? exitCodes.warned : exitCodes.ok
  })
}

async function examine(config: Config, flags: Flags, host: HostReader): Promise<Finding[]> {
  const findings = flags.hostOnly ? [] : await broker(config, flags, host)
  const load = { clients: flags.clients, windows: configuredWindows(config), limits: config.limits }
  return [...hostChecks(readHostFacts(host), load), ...findings]
}

const configured = ({ streams }: Config) => Object.values(streams).reduce((sum, { partitions }) => sum + partitions, 0)

async function broker(config: Config, flags: Flags, host: HostReader): Promise<Finding[]> {
  const { window, readBack, limits, embedded } = config
  const partitions = configured(config)
  // An equal share of the windows' memory for each partition.
  const windowBytes = Math.floor((window.windowMiB * mib) / Math.max(1, partitions))
  const reach = { fillAgeMs: window.fillAgeMs, maxAgeMs: readBack.maxAgeMs, windowBytes }
  const url = parseBrokerUrl(config.broker)
  if (url.kind !== 'embedded') {
    const monitor = flags.natsMonitor === undefined ? undefined : await askMonitor(flags.natsMonitor)
    return remote(config, { ...reach, maxEventBytes: limits.maxEventBytes, nowMs: Date.now(), monitor })
  }
  const { embeddedChecks } = await import('../doctor/embedded-checks.ts')
  const { retentionMs, retentionBytes } = embedded
  const facts = { dir: url.dir, fileSystem: host.fileSystem(url.dir), retentionMs, retentionBytes, partitions }
  return embeddedChecks(facts, reach)
}

async function remote(config: Config, needs: BrokerNeeds): Promise<Finding[]> {
  const { openBroker } = await import('./broker.ts')
  const { brokerChecks } = await import('../doctor/broker-checks.ts')
  const { readBrokerFacts } = await import('../doctor/broker-facts.ts')
  const { recordJudge } = await import('../doctor/record-judge.ts')
  const { RoutingTable } = await import('../routing/table.ts')
  const routing = new RoutingTable(config.routes)
  const streams = Object.entries(config.streams).map(([name, stream]) => {
    return { name, ...stream, judge: recordJudge(name, stream, routing, config.limits.maxEventBytes) }
  })
  const source = await openBroker(config)
  try {
    return brokerChecks(await readBrokerFacts(source, streams), needs)
  } finally {
    await source.close()
  }
}

const levels: readonly Level[] = ['fail', 'warn', 'unknown', 'pass']
const indent = ' '.repeat('unknown  '.length)

/** Returns a few lines for each finding, and the number of findings of each level. */
function report(findings: readonly Finding[]): string {
  const blocks = findings.map(({ check, stream, level, figure, reason, fix }) => {
    const what = stream === undefined ? check : `${check} (${stream})`
    const lines = [`${level.padEnd(indent.length)}${what}: ${figure}`, `${indent}${reason}`]
    if (fix !== '') lines.push(`${indent}${level === 'unknown' ? 'look' : 'fix'}: ${fix}`)
    return printableLines(lines)
  })
  const counts = levels.map((level) => `${grouped(findings.filter((each) => each.level === level).length)} ${level}`)
  return [...blocks, counts.join(', ')].join('\n')
}

/** Joins lines with control characters escaped: some contain keys and names from the broker. */
const printableLines = (lines: readonly string[]): string => lines.map(printable).join('\n')
