import type { Timing } from '../base/clock.ts'
import type { ServerFrame } from '../wire/frames.ts'
import type { Connection, Handlers, Refusal, SubscribeRequest } from './connection.ts'
import { lost } from './refusal.ts'
import { Silence, silent } from './silence.ts'
import type { TabMessage, ToLeader } from './tab-messages.ts'

/** Limit for an answer of the leader tab, ms. After it, that tab counts as gone or frozen. */
const answerMs = 2000
/**
 * Interval of the signs of life, ms. The leader tab answers them with the positions of quiet
 * subscriptions.
 */
const aliveMs = 20_000
/** Number of frames after which the follower confirms that it has taken them. */
const framesPerWord = 256

/** Name of the leader tab in the messages of losses. */
const leaderName = 'another tab'

/** The follower's ID, and its channel. */
interface Tab {
  readonly id: string
  readonly post: (message: TabMessage) => void
}

/** A connection to the gateway through the leader tab of the browser. */
export class TabFollower implements Connection {
  readonly #id: string
  readonly #post: (message: TabMessage) => void
  readonly #handlers: Handlers
  readonly #silence: Silence
  /** The first leader that answered. Messages of any other one are ignored. */
  #leader: string | undefined
  #asked = true
  #frames = 0
  #over = false

  constructor({ id, post }: Tab, requests: readonly SubscribeRequest[], handlers: Handlers, clock: Timing) {
    this.#id = id
    this.#post = post
    this.#handlers = handlers
    this.#silence = new Silence(clock, () => this.#askAlive())
    this.#silence.start(answerMs)
    this.#ask({ kind: 'open' })
    for (const request of requests) this.subscribe(request)
  }

  subscribe(request: SubscribeRequest): void {
    this.#ask({ kind: 'subscribe', wish: request })
  }

  unsubscribe(ref: number): void {
    this.#ask({ kind: 'unsubscribe', ref })
  }

  check(): void {
    if (!this.#over && !this.#asked) this.#askAlive('check')
  }

  close(): void {
    if (!this.#over) this.#ask({ kind: 'bye' })
    this.#over = true
    this.#silence.stop()
  }

  /** Handles a message of another tab. */
  heard(message: TabMessage): void {
    if (this.#over || message.by !== (this.#leader ?? message.by)) return
    // A hidden leader need not connect. This tab may be visible, and connects by itself then.
    if (message.kind === 'not-hosting') this.#end({ ...message.refused, waits: message.refused.code !== 'hidden' })
    else if (message.kind === 'to-guest' && message.to === this.#id) {
      this.#leader = message.by
      this.#receive(message.frame)
    }
  }

  #receive(frame: ServerFrame | undefined): void {
    if (frame === undefined) this.#end(lost(leaderName, 'it dropped this one'))
    else {
      if (++this.#frames % framesPerWord === 0) this.#ask({ kind: 'taken' })
      if (this.#asked) this.#silence.start(aliveMs)
      this.#asked = false
      this.#handlers.frame(frame)
    }
  }

  #askAlive(kind: 'alive' | 'check' = 'alive'): void {
    if (this.#asked) this.#end(lost(leaderName, silent))
    else {
      this.#asked = true
      this.#ask({ kind })
      this.#silence.start(answerMs)
    }
  }

  #end(refused: Refusal): void {
    this.close()
    this.#handlers.closed(refused)
  }

  #ask(asks: ToLeader['asks']): void {
    this.#post({ kind: 'to-host', from: this.#id, asks })
  }
}
