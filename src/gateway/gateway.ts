import type { Admin } from '../admin/server.ts'
import { closeAll } from '../base/close-all.ts'
import type { Config } from '../config/config.ts'
import type { Edge } from '../edge/edge.ts'
import type { Serving } from '../serving/serving.ts'
import type { Source } from '../source/source.ts'
import { ProcessInstruments } from '../telemetry/process.ts'
import type { Tracing } from '../telemetry/tracing.ts'
import { openAdminOf } from './admin.ts'
import { openBroker } from './broker.ts'
import { openEdge } from './edge.ts'
import { QuotaPauses } from './quotas.ts'
import { makeServing } from './serving.ts'
import { type GatewaySurroundings, type Shared, shared } from './surroundings.ts'
import { openTracing } from './tracing.ts'

/** A running gateway. */
export interface Gateway {
  /** URL for clients: `http://127.0.0.1:8080`. */
  readonly listen: string
  /** URL of health, metrics and the admin API: `http://127.0.0.1:8081`. */
  readonly admin: string
  /**
   * Ends all sessions within `drainMs`, and releases ports, connections and files. `signal` is
   * the cause, for the log.
   */
  close(signal?: string): Promise<void>
}

/** Time for the admin listener to answer requests in progress, ms. */
const adminCloseMs = 1000

/**
 * Builds, wires and starts everything. Resolves once both listeners are open, even if the broker
 * is not reachable (`/readyz` reports that). Rejects with `listen_failed`, `storage_locked` and
 * the like, after closing everything that was open.
 */
export async function startGateway(config: Config, surroundings: GatewaySurroundings = {}): Promise<Gateway> {
  const common = shared(config, surroundings)
  const gateway = new RunningGateway(common)
  try {
    await gateway.start()
  } catch (error) {
    await gateway.close().catch((failure: unknown) => {
      common.logger.log('warn', `closing after the failed start failed too: ${String(failure)}`)
    })
    throw error
  }
  return gateway
}

/** The gateway's parts, opened and closed in order. */
class RunningGateway implements Gateway {
  listen = ''
  admin = ''
  readonly #shared: Shared
  readonly #process: ProcessInstruments
  #source: Source | undefined
  #serving: Serving | undefined
  #edge: Edge | undefined
  #admin: Admin | undefined
  #tracing: Tracing | undefined
  #closing: Promise<void> | undefined

  constructor(common: Shared) {
    this.#shared = common
    this.#process = new ProcessInstruments(common.clock)
  }

  async start(): Promise<void> {
    const { clock, logger, instruments } = this.#shared
    const quotas = new QuotaPauses(clock, logger, instruments.gateway)
    const source = await openBroker(this.#shared, quotas)
    this.#source = source
    this.#tracing = await openTracing(this.#shared, source)
    const serving = makeServing(this.#shared, source)
    this.#serving = serving
    this.#admin = await openAdminOf(this.#shared, {
      source,
      serving,
      quotas,
      process: this.#process,
      isLeaving: () => this.#closing !== undefined,
      edge: () => this.#edge,
    })
    this.admin = this.#admin.url
    await serving.start()
    this.#edge = await openEdge(this.#shared, { source, serving, traces: this.#tracing?.publishes })
    this.listen = this.#edge.url
  }

  close(signal?: string): Promise<void> {
    if (signal !== undefined) this.#shared.logger.log('info', `${signal}: the gateway is going away`)
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const { drainMs } = this.#shared.config
    await closeAll([
      () => this.#edge?.stop(),
      () => this.#serving?.drain(),
      () => this.#edge?.close(drainMs),
      () => this.#serving?.close(),
      () => this.#source?.close(),
      () => this.#tracing?.close(),
      () => this.#admin?.close(adminCloseMs),
      () => this.#process.close(),
    ])
  }
}
