import { addressText } from '../base/address.ts'
import type { EdgeContext } from './context.ts'
import type { Connection, Listener } from './listener.ts'

/** How often it is looked whether descriptors are left, ms. */
const lookMs = 1000
const logMs = 10_000
/** It takes connections again once so many of those that it may have are free: not one by one. */
const freePart = 1 / 64

/**
 * Takes no more connections before the descriptors are used up: at that limit every accept fails, again and again at once, and the gateway reaches neither its
 * broker nor its log. The listening socket is closed meanwhile, so that clients and balancers are told to go elsewhere.
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

  /** No connections are taken, for want of descriptors. */
  get paused(): boolean {
    return this.#paused
  }

  start(): void {
    this.#cancel = this.#context.contracts.clock.after(lookMs, () => {
      this.#look()
      this.start()
    })
  }

  stop(): void {
    this.#cancel()
  }

  /** One more is there. */
  came(connection: Connection): void {
    if (this.#paused || this.#context.connections < this.#context.contracts.descriptors.forClients) return
    this.#pause(addressText(connection.getRemoteAddress()))
  }

  #look(): void {
    const { descriptors, logger } = this.#context.contracts
    if (!this.#paused) {
      if (!descriptors.canOpen()) this.#pause('')
      return
    }
    const { forClients } = descriptors
    const isFree = this.#context.connections <= forClients - Math.max(1, Math.floor(forClients * freePart))
    if (!isFree || !descriptors.canOpen()) return
    if (!this.#listener.resume()) {
      const said = 'descriptors are free again, but another process has taken the port: stop it'
      logger.every({ key: said, ms: logMs }, 'error', said)
      return
    }
    this.#paused = false
    logger.every({ key: 'accepting', ms: logMs }, 'info', 'descriptors are free again: connections are taken')
  }

  #pause(who: string): void {
    this.#paused = true
    this.#listener.pause()
    this.#context.countCut('openFiles', who)
    const { connections, contracts } = this.#context
    const said = 'descriptors are used up: no further connections are taken until some are free; raise LimitNOFILE'
    contracts.logger.every({ key: 'descriptors', ms: logMs }, 'error', said, { connections })
  }
}
