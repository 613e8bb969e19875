import { Command } from 'commander'
import { RoutingTable } from '../routing/table.ts'
import { isPattern, validatePattern } from '../subject/subject.ts'
import { configOf, withConfig } from './options.ts'
import { table } from './text.ts'

export function command(): Command {
  const command = new Command('carillon routes')
    .description('The routes of the configuration, and where a subject or pattern is by them.')
    .argument('[subject]', 'a subject or pattern')
    .option('--json', 'as JSON')
  withConfig(command, ({ path }) => path === 'routes' || path === 'streams')
  command.addHelpText(
    'after',
    `
Partition counts are those that the configuration gives the streams; a topic that exists may have another.

Example:
  carillon routes alarm.zone7.door --config carillon.yaml`,
  )
  return command.action((subject: string | undefined) => {
    const { config } = configOf(command)
    const routing = new RoutingTable(config.routes)
    const { json } = command.opts<{ json?: boolean }>()
    if (subject === undefined) {
      const rows = routing.rows().map((row) => ({ ...row, topic: config.streams[row.stream]!.topic }))
      if (json) console.log(JSON.stringify(rows))
      else
        console.log(
          table(
            ['subjects', 'stream', 'topic', 'by'],
            rows.map((row) => [row.subjects, row.stream, row.topic, row.rule]),
          ),
        )
      return
    }
    const found = whereIs(subject, routing, (stream) => config.streams[stream]!.partitions)
    if (json) console.log(JSON.stringify(found))
    else
      console.log(
        table(
          ['stream', 'partitions', 'key'],
          found.map(({ stream, partitions, key }) => [stream, partitions.join(', '), key ?? '']),
        ),
      )
  })
}

function whereIs(subject: string, routing: RoutingTable, count: (stream: string) => number) {
  validatePattern(subject)
  const key = isPattern(subject) ? undefined : routing.place(subject, count).key
  return routing.partitionsFor(subject, count).map((each) => ({ ...each, key }))
}
