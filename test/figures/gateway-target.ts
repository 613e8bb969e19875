import type { CarillonConversation } from '../../src/bench/carillon/conversations.ts'
import type { Gateway } from '../../src/bench/carillon/gateway.ts'
import type { Reach, Target } from '../../src/bench/load/target.ts'
import type { Metrics } from '../../src/bench/process/metrics.ts'

/** A gateway of a site as the target of a load. */
export class GatewayTarget implements Target {
  readonly name = 'Carillon'
  readonly settings = {}
  readonly crash = undefined
  readonly #start: () => Promise<Gateway>
  readonly #conversation: CarillonConversation
  #gateway: Gateway | undefined

  constructor(start: () => Promise<Gateway>, conversation: CarillonConversation) {
    this.#start = start
    this.#conversation = conversation
  }

  get clients(): Reach['clients'] {
    return this.#reach.clients
  }

  get publisher(): Reach['publisher'] {
    return this.#reach.publisher
  }

  get endpoints(): Reach['endpoints'] {
    return this.#reach.endpoints
  }

  pids(): { server: readonly number[]; broker: readonly number[] } {
    return { server: this.#gateway === undefined || this.#gateway.ended ? [] : [this.#gateway.pid], broker: [] }
  }

  async start(): Promise<void> {
    this.#gateway = await this.#start()
  }

  async stop(): Promise<void> {
    await this.#gateway?.end()
  }

  problem(): string | undefined {
    return this.#gateway?.ended === true ? `the gateway ended; it wrote: ${this.#gateway.output.trim()}` : undefined
  }

  async metrics(): Promise<readonly (Metrics | undefined)[]> {
    return [await this.#gateway?.metrics().catch(() => undefined)]
  }

  get #reach(): Reach {
    return this.#gateway!.reach(this.#conversation)
  }
}
