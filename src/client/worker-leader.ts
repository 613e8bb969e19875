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
  /** Its `lead` takes the lock from whoever holds it. */
  readonly meeting: Pick<TabMeeting, 'lead' | 'join'>
  readonly clock: Timing
  readonly random: Random
  /** For tests: how it reaches gateways. */
  readonly ways?: readonly Transport[]
}

/** The connection of tabs, held by one that follows nothing itself and that no browser freezes: a worker of theirs. */
export class WorkerLeader {
  readonly #link: Link
  readonly #leave: readonly (() => void)[]
  #host: TabLeader | undefined

  /** `group`: the name of its tabs. `ended`: the gateway refuses it for good, as it will refuse the tabs, or another worker leads. */
  constructor(group: string, { environment, meeting, clock, random, ways }: WorkerLeaderOptions, ended: () => void) {
    const [, , urls, keepOrder, transports, headers, credentials, backoff = backoffDefaults] = groupOf(group)
    const channel = meeting.join(group, (message) => this.#host?.heard(message as TabMessage))
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
      { state: (state) => this.#host?.linkIs(state), refused: end },
    )
    const granted = () => {
      this.#host = new TabLeader(this.#link, channel.post, { clock, random })
      return end
    }
    this.#leave = [meeting.lead(group, granted), channel.close]
  }

  close(): void {
    this.#host?.close()
    this.#host = undefined
    this.#link.close()
    for (const leave of this.#leave) leave()
  }
}

/** What was not given is null in JSON. */
const groupOf = (name: string): Group => JSON.parse(name, (_, value: unknown) => value ?? undefined)
