import { addressText } from '../base/address.ts'
import type { EdgeContext } from './context.ts'
import type { Connection, Listener } from './listener.ts'

/** Interval of the checks for free descriptors, ms. */
const checkMs = 1000
const logMs = 10_000
/** Part of the descriptors for clients that must be free before connections are accepted again. */
const freePart = 1 / 64

/**
 * Stops accepting connections before the file descriptors are used up. At that limit, every accept
 * fails and is retried endlessly, and the gateway can reach neither its broker nor its log. In the
 * meantime the listening socket is closed, so that clients and load balancers go elsewhere.
 */
export class AcceptGuard {
  readonly #listener: Pick<Listener, 'pause' | 'resume'>
  readonly #context: EdgeContext
  #paused = false
  #cancel: () => void = () => {}

  constructor(listener: Pick<Listener, 'pause' | 'resume'>, context: EdgeContext) {
    this.#listener = listener
    this.#context = context
  }

  /** True while no connections are accepted because descriptors are used up. */
  get paused(): boolean {
    return this.#paused
  }

  start(): void {
    this.#cancel = this.#context.contracts.clock.after(checkMs, () => {
      this.#check()
      this.start()
    })
  }

  stop(): void {
    this.#cancel()
  }

  /** Notes a new connection, and stops accepting at the limit. */
  came(connection: Connection): void {
    if (this.#paused || this.#context.connections < this.#context.contracts.descriptors.forClients) return
    this.#pause(addressText(connection.getRemoteAddress()))
  }

  #check(): void {
    const { descriptors, logger } = this.#context.contracts
    if (!this.#paused) {
      if (!descriptors.canOpen()) this.#pause('')
      return
    }
    const { forClients } = descriptors
    const isFree = this.#context.connections <= forClients - Math.max(1, Math.floor(forClients * freePart))
    if (!isFree || !descriptors.canOpen()) return
    if (!this.#listener.resume()) {
      const problem = 'descriptors are free again, but another process has taken the port: stop it'
      logger.every({ key: problem, ms: logMs }, 'error', problem)
      return
    }
    this.#paused = false
    logger.every({ key: 'accepting', ms: logMs }, 'info', 'descriptors are free again: accepting connections')
  }

  #pause(who: string): void {
    this.#paused = true
    this.#listener.pause()
    this.#context.countCut('openFiles', who)
    const { connections, contracts } = this.#context
    const problem = 'descriptors are used up: accepting no connections until some are free; raise LimitNOFILE'
    contracts.logger.every({ key: 'descriptors', ms: logMs }, 'error', problem, { connections })
  }
}
