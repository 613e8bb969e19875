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
  /** Tabs with the same name share one connection: a `Group` as JSON. */
  readonly name: string
  /** Script of the worker that is to lead. */
  readonly worker?: string | URL
  readonly onWorkerError?: (cause: unknown) => void
  /** Of the leader, and of followers while the leader is frozen. */
  readonly transports: readonly Transport[]
  readonly clock: Timing
  readonly random: Random
}

/** Time to wait for the worker, ms. After it, tabs lead until the worker starts. */
const workerMs = 2000

/**
 * One connection for all tabs of a browser. The tab that holds the lock is the leader: it has the
 * connection and is the gateway of its followers. When it closes, another tab gets the lock, and
 * each tab continues from its own positions. A browser may freeze a hidden leader, which keeps its
 * lock: a tab without an answer connects by itself until the leader answers. No browser freezes a
 * worker that a tab needs: a worker takes the lock (worker-leader.ts), and the tabs wait for its
 * release.
 */
export class Tabs {
  /** Transports of a follower: the leader first. */
  readonly transports: readonly Transport[]
  readonly #options: TabsOptions
  readonly #channel: TabChannel
  #link: Link | undefined
  /** Releases the lock or withdraws its request; before that, stops the wait for the worker. */
  #giveUp: (() => void) | undefined
  #follower: TabFollower | undefined
  #leader: TabLeader | undefined

  constructor(options: TabsOptions) {
    this.#options = options
    const { meeting, name, transports, clock, random } = options
    this.#channel = meeting.join(name, (message) => this.#heard(message as TabMessage))
    const { post } = this.#channel
    const tab: Transport = {
      name: 'tab',
      separate: true,
      attempts: 1,
      open: (_url, requests, handlers) => {
        // A new ID for each connection, so that messages for an earlier one are ignored.
        const id = `${random.next()} ${random.next()}`
        this.#follower = new TabFollower({ id, post }, requests, handlers, clock)
        return this.#follower
      },
    }
    this.transports = [tab, ...transports]
  }

  /** Requests the lock. `link` uses `this.transports` until this tab holds it. */
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
    // The client may be closed by now.
    if (!link || this.#leader) return
    const { meeting, name, transports } = this.#options
    this.#giveUp?.()
    this.#giveUp = meeting.lead(name, () => {
      link.use(transports)
      const leader = new TabLeader(link, this.#channel.post, this.#options)
      this.#leader = leader
      return () => {
        leader.close()
        this.#leader = undefined
        link.use(this.transports)
        this.#lead()
      }
    })
  }

  linkIs(state: State): void {
    this.#leader?.linkIs(state)
  }

  close(): void {
    this.#leader?.close()
    this.#follower?.close()
    this.#giveUp?.()
    this.#channel.close()
    this.#link = undefined
  }

  #heard(message: TabMessage): void {
    if (this.#leader !== undefined) this.#leader.heard(message)
    else if (message.kind === 'hosting') this.#link?.use(this.transports)
    else this.#follower?.heard(message)
  }
}
