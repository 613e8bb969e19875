import type { Timing } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { backoffDefaults } from './backoff.ts'
import { shuffled } from './candidates.ts'
import type { Transport } from './connection.ts'
import type { Environment, TabMeeting } from './environment.ts'
import type { Group } from './group.ts'
import { Link } from './link.ts'
import { TabLeader } from './tab-leader.ts'
import type { TabMessage } from './tab-messages.ts'
import { transportsOf } from './transports.ts'

export interface WorkerLeaderOptions {
  readonly environment: Environment
  /** `lead` takes the lock from its present holder. */
  readonly meeting: Pick<TabMeeting, 'lead' | 'join'>
  readonly clock: Timing
  readonly random: Random
  /** For tests: the transports. */
  readonly ways?: readonly Transport[]
}

/**
 * Holds the connection of tabs in their worker. It has no subscriptions, and no browser freezes
 * it.
 */
export class WorkerLeader {
  readonly #link: Link
  readonly #leave: readonly (() => void)[]
  #leader: TabLeader | undefined

  /**
   * `group`: name of the tabs' group. `ended`: called when the gateway refuses the connection for
   * good, as it will refuse the tabs, or when another worker leads.
   */
  constructor(group: string, { environment, meeting, clock, random, ways }: WorkerLeaderOptions, ended: () => void) {
    const [, , urls, keepOrder, transports, headers, credentials, backoff = backoffDefaults] = groupOf(group)
    const channel = meeting.join(group, (message) => this.#leader?.heard(message as TabMessage))
    const end = () => {
      this.close()
      ended()
    }
    const given = {
      ...(transports && { transports }),
      ...(headers && { headers }),
      ...(credentials && { credentials }),
    }
    this.#link = new Link(
      {
        urls: keepOrder === true ? urls : shuffled(urls, random),
        transports: ways ?? transportsOf(given),
        backoff,
        hiddenMs: Number.POSITIVE_INFINITY,
        clock,
        random,
        environment,
      },
      { state: (state) => this.#leader?.linkIs(state), refused: end },
    )
    const granted = () => {
      this.#leader = new TabLeader(this.#link, channel.post, { clock, random })
      return end
    }
    this.#leave = [meeting.lead(group, granted), channel.close]
  }

  close(): void {
    this.#leader?.close()
    this.#leader = undefined
    this.#link.close()
    for (const leave of this.#leave) leave()
  }
}

/** JSON has null for absent fields. */
const groupOf = (name: string): Group => JSON.parse(name, (_, value: unknown) => value ?? undefined)
