import type { BrokerUse } from '../base/broker-uses.ts'
import type { Clock } from '../base/clock.ts'
import type { Throttle } from '../source/source.ts'
import type { GatewayInstruments } from '../telemetry/instruments.ts'
import type { Logger } from '../telemetry/logger.ts'

/** Minimum pause that an operator should look at, ms. */
const notableMs = 1000
/** Minimum interval of log messages for each use, ms. */
const logMs = 60_000

interface Pause {
  readonly untilMs: number
  readonly throttle: Throttle
}

/**
 * Tracks the pauses that brokers ask for because a quota is used up: counts and logs them, and
 * reports them in `/readyz` while they last.
 */
export class QuotaPauses {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #instruments: GatewayInstruments
  readonly #pauses = new Map<BrokerUse, Pause>()

  constructor(clock: Clock, logger: Logger, instruments: GatewayInstruments) {
    this.#clock = clock
    this.#logger = logger
    this.#instruments = instruments
  }

  began(throttle: Throttle): void {
    const { use, ms } = throttle
    this.#instruments.brokerPausedMs[use] += ms
    if (ms < notableMs) return
    const untilMs = this.#clock.monotonicMs() + ms
    if (untilMs > (this.#pauses.get(use)?.untilMs ?? 0)) this.#pauses.set(use, { untilMs, throttle })
    this.#logger.every({ key: `quota ${use}`, ms: logMs }, 'warn', said(throttle, ms))
  }

  /** Returns descriptions of the current pauses; empty = none. */
  now(): string[] {
    const nowMs = this.#clock.monotonicMs()
    return [...this.#pauses.values()].flatMap(({ untilMs, throttle }) =>
      untilMs > nowMs ? [said(throttle, untilMs - nowMs)] : [],
    )
  }
}

function said({ client, broker }: Throttle, ms: number): string {
  return `broker ${broker} holds client id "${client}" back for ${Math.ceil(ms / 1000)} s: its quota is used up`
}
