import { randomBytes } from 'node:crypto'
import type { ServingOptions } from '../serving/options.ts'
import { Serving } from '../serving/serving.ts'
import type { Source } from '../source/source.ts'
import { type Shared, version } from './surroundings.ts'

const mib = 1 << 20

/** Builds everything between the broker and the transports, as configured. */
export function makeServing({ id, config, instruments, ...contracts }: Shared, source: Source): Serving {
  const { heartbeatMs, limits, streams, createTopics, window, readBack } = config
  const options: ServingOptions = {
    gateway: id,
    version,
    heartbeatMs,
    limits,
    streams,
    createTopics,
    window: { payloadBytes: window.windowMiB * mib, indexBytes: window.indexMiB * mib },
    fill: { ageMs: window.fillAgeMs, budgetMs: window.fillBudgetMs },
    readBack: { ...readBack, cacheBytes: readBack.cacheMiB * mib },
    seed: randomBytes(4).readUInt32LE(),
  }
  const { routing, clock, random, logger } = contracts
  return new Serving(options, { source, routing, clock, random, logger, instruments })
}
