import { loopClock } from '../base/clock.ts'
import { CarillonError } from '../base/errors.ts'
import type { Config } from '../config/config.ts'
import { allowAll } from '../identity/grant.ts'
import { Publisher } from '../publish/publisher.ts'
import { RoutingTable } from '../routing/table.ts'
import { openSource } from '../source/open.ts'
import { sourceOptions } from '../source/options.ts'
import type { Source, StreamInfo } from '../source/source.ts'
import type { Event, Published } from '../wire/frames.ts'

/** Opens the configuration's broker for a command. Warnings and errors go to stderr. */
export function openBroker(config: Config): Promise<Source> {
  const log = (level: string, message: string) => {
    if (level !== 'info') console.error(`carillon: ${message}`)
  }
  return openSource(config.broker, { clock: loopClock(), log }, sourceOptions(config))
}

/** Opens a publisher that writes directly to the broker, by the configuration's routes. */
export async function openPublisher(config: Config): Promise<{
  send: (events: readonly Event[], traceparent?: string) => Promise<readonly Published[]>
  close: () => Promise<void>
}> {
  const source = await openBroker(config)
  const known = new Map<string, StreamInfo>()
  const routing = new RoutingTable(config.routes)
  const publisher = new Publisher({
    source,
    routing,
    stream: (name) => known.get(name)!,
    format: (name) => config.streams[name]!,
    maxEventBytes: config.limits.maxEventBytes,
  })
  const close = () => source.close()
  try {
    for (const [name, { topic, partitions }] of Object.entries(config.streams)) {
      if (source.kind === 'embedded') await source.create(topic, partitions)
      const info = await source.describe(topic)
      if (info === undefined) {
        const how = source.createCommand(topic, partitions)
        throw new CarillonError('stream_missing', `the broker has no stream "${topic}"; create it with: ${how}`)
      }
      known.set(name, info)
    }
  } catch (error) {
    await close()
    throw error
  }
  const send = (events: readonly Event[], traceparent?: string) =>
    publisher.publish(events, allowAll, traceparent === undefined ? {} : { traceparent })
  return { send, close }
}
