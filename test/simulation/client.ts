import type { Random } from '../../src/base/random.ts'
import type { Connection, Handlers, Open } from '../../src/client/connection.ts'
import { Follower, type Listener, type TransportName } from '../../src/client/follow.ts'
import { openPoll } from '../../src/client/poll.ts'
import { openSse } from '../../src/client/sse.ts'
import { openWebSocket } from '../../src/client/websocket.ts'
import { decodeToken } from '../../src/wire/token.ts'
import type { Verdict } from './verdict.ts'
import type { Process } from './virtual-time.ts'
import type { Witness } from './witness.ts'

export const opens: Readonly<Record<TransportName, Open>> = {
  ws: openWebSocket('json'),
  'ws-proto': openWebSocket('proto'),
  sse: openSse,
  poll: openPoll,
}

export const transportNames = Object.keys(opens) as TransportName[]

export interface ClientOptions {
  readonly name: string
  readonly subjects: readonly string[]
  readonly transport: TransportName
  /** Tokens, `earliest`; none = latest. */
  readonly after: readonly string[]
  readonly random: Random
}

/** How long a slow handler takes, ms, at most. */
const slowMs = 400

/** One client: the real SDK, with a witness between it and its connections and another between it and its handlers. */
export class SimClient implements Listener {
  readonly name: string
  readonly process: Process
  readonly witness: Witness
  readonly options: ClientOptions
  readonly #verdict: Verdict
  #follower: Follower | undefined
  /** Has been told that it is live, on the connection that it has. */
  isLive = false
  /** Share of events after which its handler takes a while. */
  slow = 0
  closed = false

  constructor(options: ClientOptions, process: Process, witness: Witness, verdict: Verdict) {
    this.name = options.name
    this.options = options
    this.process = process
    this.witness = witness
    this.#verdict = verdict
  }

  /** To be called in its process. */
  start(): void {
    if (this.closed) return
    const { subjects, transport, after, random } = this.options
    const open = this.#witnessed(opens[transport], after)
    const options = { gateway: 'http://any', transport, after, open, random, clock: this.process }
    this.#follower = new Follower(subjects, options, this)
  }

  token(): string | undefined {
    return this.#follower?.token()
  }

  close(): void {
    this.closed = true
    this.#follower?.close()
  }

  // Listener

  event(delivery: Parameters<Listener['event']>[0]): void {
    this.#verdict.note(
      () =>
        `${this.name} <- ${delivery.event.subject} "${delivery.event.id}" @${delivery.partition}/${delivery.offset}`,
    )
    this.witness.event(delivery)
    const { random } = this.options
    if (this.slow === 0 || random.next() >= this.slow) return
    this.#follower?.pause()
    this.isLive = false
    this.process.after(random.next() * slowMs, () => this.#follower?.resume())
  }

  gap(gap: Parameters<Listener['gap']>[0]): void {
    this.#verdict.note(() => `${this.name} <- gap ${gap.reason} ${gap.from} to ${gap.to} of partition ${gap.partition}`)
    this.witness.gap(gap)
  }

  live(): void {
    this.isLive = true
  }

  waiting(): void {
    this.isLive = false
    this.#verdict.note(() => `${this.name} lost its connection`)
  }

  ended(refused: { readonly code: string; readonly message: string }): void {
    this.#verdict.broken('fault', `${this.name} was refused for ever: ${refused.code}: ${refused.message}`)
  }

  /** The transport, overheard. */
  #witnessed(open: Open, initial: readonly string[]): Open {
    return (gateway, wishes, handlers, clock): Connection => {
      this.isLive = false
      this.#verdict.note(
        () =>
          `${this.name} connects: ${wishes.map(({ subject, after }) => `${subject} after ${positions(after)}`).join(', ')}`,
      )
      this.witness.connecting(wishes, initial)
      const overheard: Handlers = {
        frame: (frame) => {
          this.witness.frame(frame)
          handlers.frame(frame)
        },
        position: (token) => {
          this.witness.position(token)
          handlers.position(token)
        },
        closed: (refused) => {
          if (refused !== undefined) this.#verdict.note(() => `${this.name} is told ${refused.code}`)
          handlers.closed(refused)
        },
      }
      return open(gateway, wishes, overheard, clock)
    }
  }
}

/** For people: `2@17` = partition 2, offset 17. */
function positions(after: readonly string[]): string {
  return after.map((text) => (text.length < 9 ? text : tokenText(text))).join(' ') || 'latest'
}

function tokenText(token: string): string {
  try {
    return decodeToken(token)
      .map(({ partition, offset, generation }) => `${partition}@${offset}(${generation})`)
      .join('+')
  } catch {
    return token
  }
}
