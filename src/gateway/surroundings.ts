import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type LoopClock, loopClock } from '../base/clock.ts'
import { type Random, systemRandom } from '../base/random.ts'
import type { Config } from '../config/config.ts'
import { RoutingTable } from '../routing/table.ts'
import { Instruments } from '../telemetry/instruments.ts'
import { type Logger, openLogger } from '../telemetry/logger.ts'

export const version: string = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version

export interface GatewaySurroundings {
  readonly clock?: LoopClock
  readonly random?: Random
  readonly logger?: Logger
}

/** Resources that the parts of one gateway share. */
export interface Shared {
  /** Id of this process; it does not change. */
  readonly id: string
  /** Start on the monotonic clock, ms. */
  readonly startedMs: number
  readonly config: Config
  readonly clock: LoopClock
  readonly random: Random
  readonly logger: Logger
  readonly routing: RoutingTable
  readonly instruments: Instruments
}

export function shared(config: Config, surroundings: GatewaySurroundings): Shared {
  const clock = surroundings.clock ?? loopClock()
  return {
    id: randomUUID().slice(0, 8),
    startedMs: clock.monotonicMs(),
    config,
    clock,
    random: surroundings.random ?? systemRandom,
    logger: surroundings.logger ?? openLogger({ level: config.logLevel, format: config.logFormat }, clock),
    routing: new RoutingTable(config.routes),
    instruments: new Instruments(),
  }
}
