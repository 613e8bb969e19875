import { openSource } from '../source/open.ts'
import type { Source } from '../source/source.ts'
import type { Shared } from './surroundings.ts'

/** The broker that the configuration names. */
export function openBroker({ config, clock, logger }: Shared): Promise<Source> {
  const { broker, kafka, nats, embedded, limits } = config
  const log = (level: 'info' | 'warn' | 'error', message: string, fields?: Record<string, unknown>) => {
    logger.log(level, message, fields)
  }
  const { maxEventBytes } = limits
  return openSource(broker, { clock, log }, { kafka, nats, embedded: { ...embedded, maxEventBytes } })
}
