import type { Timing } from '../base/clock.ts'
import type { ServerFrame } from '../wire/frames.ts'
import type { Connection, Handlers, Refusal, SubscribeRequest } from './connection.ts'
import { lost } from './refusal.ts'
import { Silence, silent } from './silence.ts'
import type { TabMessage, ToLeader } from './tab-messages.ts'

/** A tab that does not answer within this time is gone or asleep, ms. */
const answerMs = 2000
/** So often both say that they are there, ms: the tab that holds the connection says then where quiet subscriptions stand. */
const aliveMs = 20_000
/** Frames after which it says that it has taken them. */
const framesPerWord = 256

/** As losses name it. */
const host = 'another tab'

/** The tab that it is for. */
interface Tab {
  readonly id: string
  readonly post: (message: TabMessage) => void
}

/** A connection to the gateway through another tab of the browser. */
export class TabFollower implements Connection {
  readonly #id: string
  readonly #post: (message: TabMessage) => void
  readonly #handlers: Handlers
  readonly #silence: Silence
  /** Who answered first: another one that holds a connection has nothing to tell. */
  #by: string | undefined
  #asked = true
  #frames = 0
  #over = false

  constructor({ id, post }: Tab, wishes: readonly SubscribeRequest[], handlers: Handlers, clock: Timing) {
    this.#id = id
    this.#post = post
    this.#handlers = handlers
    this.#silence = new Silence(clock, () => this.#askAlive())
    this.#silence.start(answerMs)
    this.#ask({ kind: 'open' })
    for (const wish of wishes) this.subscribe(wish)
  }

  subscribe(wish: SubscribeRequest): void {
    this.#ask({ kind: 'subscribe', wish })
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

  /** What another tab posted. */
  heard(message: TabMessage): void {
    if (this.#over || message.by !== (this.#by ?? message.by)) return
    // A tab that is hidden need not connect, and this one may be seen.
    if (message.kind === 'not-hosting') this.#end({ ...message.refused, waits: message.refused.code !== 'hidden' })
    else if (message.kind === 'to-guest' && message.to === this.#id) {
      this.#by = message.by
      this.#told(message.frame)
    }
  }

  #told(frame: ServerFrame | undefined): void {
    if (frame === undefined) this.#end(lost(host, 'it let go'))
    else {
      if (++this.#frames % framesPerWord === 0) this.#ask({ kind: 'taken' })
      if (this.#asked) this.#silence.start(aliveMs)
      this.#asked = false
      this.#handlers.frame(frame)
    }
  }

  #askAlive(kind: 'alive' | 'check' = 'alive'): void {
    if (this.#asked) this.#end(lost(host, silent))
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
