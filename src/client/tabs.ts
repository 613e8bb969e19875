import type { Timing } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { Transport } from './connection.ts'
import type { TabChannel, TabMeeting } from './environment.ts'
import type { Link } from './link.ts'
import type { State } from './state.ts'
import { TabFollower } from './tab-follower.ts'
import { TabLeader } from './tab-leader.ts'
import type { TabMessage } from './tab-messages.ts'

export interface TabsOptions {
  readonly meeting: TabMeeting
  /** Tabs of the same name share one connection: a `Group` as JSON. */
  readonly name: string
  /** The script of a worker that is to have the connection. */
  readonly worker?: string | URL
  readonly onWorkerError?: (cause: unknown) => void
  /** For the tab that holds the connection, and for others while that one is frozen. */
  readonly transports: readonly Transport[]
  readonly clock: Timing
  readonly random: Random
}

/** A worker is waited for so long, ms: then tabs lead until it comes. */
const workerMs = 2000

/**
 * One connection for all tabs of a browser: the tab that holds the lock has it, and is the gateway of the others. When it goes, the
 * lock finds the next one, and each tab goes on from the positions that it has itself. A browser may freeze a tab that nobody sees, lock and
 * all: a tab that it does not answer connects by itself, until it answers. No browser freezes a worker that a tab needs: where there is one,
 * it takes the lock (worker-leader.ts), and the tabs wait for that to be free.
 */
export class Tabs {
  /** How a tab that does not hold the lock reaches a gateway. */
  readonly transports: readonly Transport[]
  readonly #options: TabsOptions
  readonly #channel: TabChannel
  #link: Link | undefined
  /** The lock, or the wish for it; before that, the wait for the worker. */
  #giveUp: (() => void) | undefined
  #guest: TabFollower | undefined
  #host: TabLeader | undefined

  constructor(options: TabsOptions) {
    this.#options = options
    const { meeting, name, transports, clock, random } = options
    this.#channel = meeting.join(name, (message) => this.#heard(message as TabMessage))
    const { post } = this.#channel
    const tab: Transport = {
      name: 'tab',
      separate: true,
      attempts: 1,
      open: (_url, wishes, handlers) => {
        // Another id for each connection: what was posted for an earlier one is nobody's.
        const id = `${random.next()} ${random.next()}`
        this.#guest = new TabFollower({ id, post }, wishes, handlers, clock)
        return this.#guest
      },
    }
    this.transports = [tab, ...transports]
  }

  /** `link` has `transports` until this tab holds the lock. */
  start(link: Link): void {
    this.#link = link
    const { worker, clock, onWorkerError } = this.#options
    if (!worker) {
      this.#lead()
      return
    }
    const failed = (cause: unknown) => {
      this.#lead()
      onWorkerError?.(cause)
    }
    this.#giveUp = clock.after(workerMs, () => this.#lead())
    this.#channel.work(worker, failed).catch(failed)
  }

  #lead(): void {
    const link = this.#link
    // It may be closed by now.
    if (!link || this.#host) return
    const { meeting, name, transports } = this.#options
    this.#giveUp?.()
    this.#giveUp = meeting.lead(name, () => {
      link.use(transports)
      const host = new TabLeader(link, this.#channel.post, this.#options)
      this.#host = host
      return () => {
        host.close()
        this.#host = undefined
        link.use(this.transports)
        this.#lead()
      }
    })
  }

  linkIs(state: State): void {
    this.#host?.linkIs(state)
  }

  close(): void {
    this.#host?.close()
    this.#guest?.close()
    this.#giveUp?.()
    this.#channel.close()
    this.#link = undefined
  }

  #heard(message: TabMessage): void {
    if (this.#host !== undefined) this.#host.heard(message)
    else if (message.kind === 'hosting') this.#link?.use(this.transports)
    else this.#guest?.heard(message)
  }
}
