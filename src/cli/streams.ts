import { Command } from 'commander'
import { systemTiming } from '../base/clock.ts'
import { CarillonError } from '../base/errors.ts'
import type { Source, StreamInfo } from '../source/source.ts'
import { configOf, isOfBroker, withConfig } from './options.ts'
import { table } from './text.ts'

/** How long what was created may be unknown to a broker that has not heard of it yet, and how often it is asked, ms. */
const creation = { withinMs: 5000, everyMs: 50 }

export function command(): Command {
  const command = new Command('carillon streams')
    .description('The streams of the configuration on the broker: list them, or create those that are missing.')
    .argument('[what]', 'list or create', 'list')
    .option('--print', 'print the commands that create them, and do nothing')
    .option('--json', 'as JSON')
  withConfig(command, (option) => isOfBroker(option) || option.path === 'streams')
  command.addHelpText('after', '\nExample:\n  carillon streams create --broker kafka://127.0.0.1:9092')
  return command.action(async (what: string) => {
    if (what !== 'list' && what !== 'create')
      throw new CarillonError('bad_request', `expected list or create, got "${what}"`)
    const { config } = configOf(command)
    const { json, print } = command.opts<{ json?: boolean; print?: boolean }>()
    const { openBroker } = await import('./broker.ts')
    const source = await openBroker(config)
    try {
      const found = []
      for (const [name, { topic, partitions, layout }] of Object.entries(config.streams)) {
        if (print) {
          console.log(source.createCommand(topic, partitions))
          continue
        }
        // One that is read as it is belongs to somebody else.
        const creates = what === 'create' && layout !== 'single'
        if (creates) await source.create(topic, partitions)
        const info = creates ? await created(source, topic) : await source.describe(topic)
        if (what === 'create' && info === undefined && !creates) {
          const how = source.createCommand(topic, partitions)
          console.error(
            `carillon: stream ${name} is read as it is (layout: single) and is missing; create it with: ${how}`,
          )
        }
        found.push({ name, topic, partitions: info?.partitions, incarnation: info?.incarnation })
      }
      if (print) return
      const rows = found.map((each) => [
        each.name,
        each.topic,
        String(each.partitions ?? 'missing'),
        each.incarnation ?? '',
      ])
      console.log(json ? JSON.stringify(found) : table(['stream', 'topic', 'partitions', 'incarnation'], rows))
    } finally {
      await source.close()
    }
  })
}

/** Undefined where no broker knows it in time. */
async function created(source: Source, topic: string): Promise<StreamInfo | undefined> {
  const { monotonicMs, after } = systemTiming
  const deadlineMs = monotonicMs() + creation.withinMs
  for (;;) {
    const info = await source.describe(topic)
    if (info !== undefined || monotonicMs() >= deadlineMs) return info
    await new Promise<void>((resolve) => after(creation.everyMs, resolve))
  }
}
