import { Command } from 'commander'
import { RoutingTable } from '../routing/table.ts'
import { isPattern, validatePattern } from '../subject/subject.ts'
import { ask, gatewayUrl, wholeNumber } from './gateway-url.ts'
import { configOf, withConfig } from './options.ts'
import { jsonLine, table } from './text.ts'

export function command(): Command {
  const command = new Command('carillon routes')
    .description('Show the routes of the configuration, or the stream and partitions of a subject or pattern.')
    .argument('[subject]', 'a subject or pattern')
    .option('--partitions <n>', 'assume this number of partitions for each stream', wholeNumber)
    .option('--admin <url>', 'use the numbers of partitions of the gateway with this admin listener', gatewayUrl)
    .option('--json', 'as JSON')
  withConfig(command, ({ path }) => path === 'routes' || path === 'streams')
  command.addHelpText(
    'after',
    `
Without --partitions and --admin, the numbers of partitions are those of the configuration; an existing topic may have
another number.

Example:
  carillon routes alarm.zone7.door --config carillon.yaml`,
  )
  return command.action(async (subject: string | undefined) => {
    const { config } = configOf(command)
    const routing = new RoutingTable(config.routes)
    const { json, partitions, admin } = command.opts<{ json?: boolean; partitions?: number; admin?: string }>()
    if (subject === undefined) {
      const rows = routing.rows().map((row) => ({ ...row, topic: config.streams[row.stream]!.topic }))
      if (json) console.log(jsonLine(rows))
      else
        console.log(
          table(
            ['subjects', 'stream', 'topic', 'by'],
            rows.map((row) => [row.subjects, row.stream, row.topic, row.rule]),
          ),
        )
      return
    }
    const known = admin === undefined ? undefined : await partitionCounts(admin)
    const count = (stream: string) => partitions ?? known?.get(stream) ?? config.streams[stream]!.partitions
    const found = whereIs(subject, routing, count)
    if (json) console.log(jsonLine(found))
    else
      console.log(
        table(
          ['stream', 'partitions', 'key'],
          found.map(({ stream, partitions, key }) => [stream, partitions.join(', '), key ?? '']),
        ),
      )
  })
}

/** Returns partition counts by stream. A stream that the gateway has not read yet is missing. */
async function partitionCounts(admin: string): Promise<Map<string, number>> {
  const response = await ask(`${admin}/v1/admin/status`)
  const { streams } = (await response.json()) as { streams: { name: string; partitions: unknown[] }[] }
  return new Map(streams.flatMap(({ name, partitions }) => (partitions.length > 0 ? [[name, partitions.length]] : [])))
}

function whereIs(subject: string, routing: RoutingTable, count: (stream: string) => number) {
  validatePattern(subject)
  const places = routing.partitionsFor(subject, count)
  const hasKey = !isPattern(subject) && places.every(({ stream }) => routing.templateOf(stream) === undefined)
  const key = hasKey ? routing.place(subject, count).key : undefined
  return places.map((each) => ({ ...each, key }))
}
