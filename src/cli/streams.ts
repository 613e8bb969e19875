import { Command } from 'commander'
import { systemTiming } from '../base/clock.ts'
import { CarillonError } from '../base/errors.ts'
import type { Config } from '../config/config.ts'
import type { Source, StreamInfo } from '../source/source.ts'
import { choiceArgument, oneOf } from './choice.ts'
import { type AskLocal, localInsteadOf, localStreams } from './local-gateway.ts'
import { configOf, isOfBroker, withConfig } from './options.ts'
import { jsonLine, table } from './text.ts'

const actions = ['list', 'create'] as const

/**
 * Time within which the broker must know a topic after its creation, and the polling interval, ms.
 */
const creation = { withinMs: 5000, everyMs: 50 }

export function command(): Command {
  const command = new Command('carillon streams')
    .description('list (the default): show the configured streams on the broker. create: create the missing ones.')
    .addArgument(choiceArgument('[what]', '', actions).default('list'))
    .option('--print', 'only print the commands that create them')
    .option('--json', 'as JSON')
  withConfig(command, (option) => isOfBroker(option) || option.path === 'streams')
  command.addHelpText('after', '\nExample:\n  carillon streams create --broker kafka://127.0.0.1:9092')
  return command.action(async (asked: string) => {
    const what = oneOf(asked, actions)
    const { config } = configOf(command)
    const { json, print } = command.opts<{ json?: boolean; print?: boolean }>()
    const broker = await openStreams(config)
    try {
      const found = []
      for (const [name, { topic, partitions, layout }] of Object.entries(config.streams)) {
        if (print) {
          console.log(broker.createCommand(topic, partitions))
          continue
        }
        // A stream that is read as it is (layout: single) belongs to another application.
        const creates = what === 'create' && layout !== 'single'
        if (creates) await broker.create(topic, partitions)
        const info = creates ? await created(broker, topic) : await broker.describe(topic)
        if (what === 'create' && info === undefined && !creates) {
          const how = broker.createCommand(topic, partitions)
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
      console.log(json ? jsonLine(found) : table(['stream', 'topic', 'partitions', 'incarnation'], rows))
    } finally {
      await broker.close()
    }
  })
}

/** The operations that this command uses. */
type Streams = Pick<Source, 'describe' | 'create' | 'createCommand' | 'close'>

/** Opens the configuration's broker, or the gateway that has its embedded log open. */
async function openStreams(config: Config): Promise<Streams> {
  const { openBroker } = await import('./broker.ts')
  try {
    return await openBroker(config)
  } catch (error) {
    return streamsOf(await localInsteadOf(error, 'storage_locked', () => config), config)
  }
}

/**
 * Uses a gateway, which shows its streams, but creates only those of its configuration, at its
 * start.
 */
function streamsOf(askLocal: AskLocal, { broker }: Config): Streams {
  const createCommand = (topic: string, partitions: number) =>
    `carillon serve --broker ${broker}  # instead of the running gateway; creates ${topic} with ${partitions} partitions`
  const describe = async (topic: string) => {
    const { partitions, incarnation } = (await localStreams(askLocal)).find((each) => each.topic === topic) ?? {}
    return partitions === undefined || incarnation === undefined ? undefined : { name: topic, partitions, incarnation }
  }
  return {
    describe,
    async create(topic, partitions) {
      if ((await describe(topic)) !== undefined) return
      const problem = `the gateway that has ${broker} open does not serve "${topic}"`
      throw new CarillonError('stream_missing', `${problem}; create it with: ${createCommand(topic, partitions)}`)
    },
    createCommand,
    close: () => Promise.resolve(),
  }
}

/** Waits until the broker knows a new topic. Returns undefined if it does not in time. */
async function created(source: Streams, topic: string): Promise<StreamInfo | undefined> {
  const { monotonicMs, after } = systemTiming
  const deadlineMs = monotonicMs() + creation.withinMs
  for (;;) {
    const info = await source.describe(topic)
    if (info !== undefined || monotonicMs() >= deadlineMs) return info
    await new Promise<void>((resolve) => after(creation.everyMs, resolve))
  }
}
