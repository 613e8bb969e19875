import type { Clock } from '../base/clock.ts'
import { toCarillonError } from '../base/errors.ts'
import type { Grant } from '../identity/grant.ts'
import type { GatewayInstruments } from '../telemetry/instruments.ts'
import type { PublishTraces } from '../telemetry/publish-traces.ts'
import type { Event, Published } from '../wire/frames.ts'
import type { Publisher, PublishOptions } from './publisher.ts'

/** Counts and traces publishes for clients. */
export class MeasuredPublisher {
  readonly #publisher: Publisher
  readonly #instruments: GatewayInstruments
  readonly #clock: Clock
  readonly #traces: PublishTraces | undefined

  /** `traces`: undefined = traces are off. */
  constructor(publisher: Publisher, instruments: GatewayInstruments, clock: Clock, traces: PublishTraces | undefined) {
    this.#publisher = publisher
    this.#instruments = instruments
    this.#clock = clock
    this.#traces = traces
  }

  async publish(events: readonly Event[], grant: Grant, options: PublishOptions): Promise<Published[]> {
    const startedUs = this.#clock.nowUs()
    const span = this.#traces?.continue(options.traceparent)
    try {
      const results = await this.#publisher.publish(events, grant, span ?? options)
      this.#instruments.published += events.length
      this.#instruments.publishToAck.record(this.#clock.nowUs() - startedUs)
      span?.acknowledged(results)
      return results
    } catch (error) {
      const { code, message } = toCarillonError(error)
      this.#instruments.publishFailed[code]++
      span?.failed(code, message)
      throw error
    }
  }
}
