import { openSource } from '../source/open.ts'
import { singleStreams } from '../source/options.ts'
import type { Source, Throttle } from '../source/source.ts'
import type { QuotaPauses } from './quotas.ts'
import type { Shared } from './surroundings.ts'

/** Opens the broker that the configuration names. */
export function openBroker({ config, clock, logger }: Shared, quotas: QuotaPauses): Promise<Source> {
  const { broker, kafka, nats, embedded, limits, streams } = config
  const log = (level: 'info' | 'warn' | 'error', message: string, fields?: Record<string, unknown>) => {
    logger.log(level, message, fields)
  }
  const { maxEventBytes } = limits
  const throttled = (throttle: Throttle) => quotas.began(throttle)
  return openSource(
    broker,
    { clock, log, throttled },
    {
      kafka,
      nats: { ...nats, singleStreams: singleStreams(streams) },
      embedded: { ...embedded, maxEventBytes },
    },
  )
}
