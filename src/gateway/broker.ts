import { openSource } from '../source/open.ts'
import { sourceOptions } from '../source/options.ts'
import type { Source, Throttle } from '../source/source.ts'
import type { QuotaPauses } from './quotas.ts'
import type { Shared } from './surroundings.ts'

/** Opens the broker that the configuration names. */
export function openBroker({ config, clock, logger }: Shared, quotas: QuotaPauses): Promise<Source> {
  const log = (level: 'info' | 'warn' | 'error', message: string, fields?: Record<string, unknown>) => {
    logger.log(level, message, fields)
  }
  const throttled = (throttle: Throttle) => quotas.began(throttle)
  return openSource(config.broker, { clock, log, throttled }, sourceOptions(config))
}
