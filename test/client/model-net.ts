import { type CarillonError, errors } from '../../src/base/errors.ts'
import type { Random } from '../../src/base/random.ts'
import type { Connection, Handlers, Open, SubscribeRequest, Transport } from '../../src/client/connection.ts'
import { lost } from '../../src/client/refusal.ts'
import { allowAll } from '../../src/identity/grant.ts'
import type { Outlet, Session, WriteOutcome } from '../../src/session/outlet.ts'
import { writeOutcome } from '../../src/session/outlet.ts'
import type { Sessions } from '../../src/session/sessions.ts'
import { type ClientFrame, type SubscribeOptions, subscribeOptions } from '../../src/wire/frames.ts'
import { decodeServerFrame } from '../../src/wire/json.ts'
import { idLine } from '../../src/wire/sse.ts'
import { frameOfEvent, SseParser } from '../../src/wire/sse-parser.ts'
import type { ManualClock } from '../model/clock.ts'
import type { TestGateway } from '../session/harness.ts'

/** Time that a poll waits for events, ms. */
const pollMs = 250
/** Most frames in the answer to a poll. */
const maxPollFrames = 4

interface Serves {
  readonly sessions: Pick<Sessions, 'open'>
}

/**
 * The network between the SDK and real sessions, without sockets: latency, cuts, gateways that are
 * down, transports that are blocked.
 */
export class ModelNet<Gateway extends Serves = TestGateway> {
  readonly clock: ManualClock
  readonly #random: Random
  readonly #open = new Set<ModelConnection>()
  gateway: Gateway
  /** URLs of gateways that do not answer. */
  readonly down = new Set<string>()
  readonly blocked = new Set<string>()
  opened = 0

  constructor(gateway: Gateway, clock: ManualClock, random: Random) {
    this.gateway = gateway
    this.clock = clock
    this.#random = random
  }

  transport(name: 'websocket' | 'sse' | 'poll'): Transport {
    const open: Open = (url, wishes, handlers) => {
      this.opened++
      const reachable = !this.down.has(url) && !this.blocked.has(name)
      const connection = new kinds[name](this, url, handlers, reachable)
      this.#open.add(connection)
      if (reachable) connection.start(wishes)
      else connection.cut()
      return connection
    }
    return { name, separate: name === 'websocket', open }
  }

  /** Returns the latency of one direction, ms. */
  latency(): number {
    return 1 + Math.floor(this.#random.next() * 5)
  }

  coin(): boolean {
    return this.#random.next() < 0.5
  }

  /** Breaks the connections to a gateway, or all; data in transit is lost. */
  cut(url?: string): void {
    for (const connection of [...this.#open]) if (url === undefined || connection.url === url) connection.cut()
  }

  gone(connection: ModelConnection): void {
    this.#open.delete(connection)
  }

  /** Lets sockets accept frames again. */
  drain(room: number): void {
    for (const connection of this.#open) connection.drain(room)
  }
}

abstract class ModelConnection implements Connection {
  protected readonly net: ModelNet<Serves>
  protected readonly handlers: Handlers
  readonly url: string
  protected over = false
  #session: Session | undefined
  /** Number of frames that the socket accepts. */
  protected room = Number.POSITIVE_INFINITY
  /** When the last message in transit arrives: none overtakes another. */
  #arrivesMs = 0

  constructor(net: ModelNet<Serves>, url: string, handlers: Handlers, reachable: boolean) {
    this.net = net
    this.url = url
    this.handlers = handlers
    if (!reachable) this.#arrivesMs = net.clock.monotonicMs() + 20
  }

  abstract start(wishes: readonly SubscribeRequest[]): void

  protected get session(): Session | undefined {
    return this.#session
  }

  protected openSession(outlet: Outlet): Session {
    this.#session = this.net.gateway.sessions.open(outlet, allowAll)
    return this.#session
  }

  /** Runs a task after the latency towards the client. */
  protected later(task: () => void): void {
    const now = this.net.clock.monotonicMs()
    this.#arrivesMs = Math.max(this.#arrivesMs, now + this.net.latency())
    this.net.clock.after(this.#arrivesMs - now, () => {
      if (!this.over) task()
    })
  }

  cut(): void {
    this.leave()
    this.net.clock.after(5, () => this.end(undefined))
  }

  protected end(error: CarillonError | undefined): void {
    if (this.over) return
    this.over = true
    this.leave()
    if (error === undefined) this.handlers.closed(lost('the model', 'cut'))
    else {
      const { code, message, retryAfterMs } = error
      this.handlers.closed({ code, message, retry: errors[code].retry, retryAfterMs })
    }
  }

  protected leave(): void {
    this.#session?.closed()
    this.#session = undefined
    this.net.gone(this)
  }

  close(): void {
    this.over = true
    this.leave()
  }

  drain(room: number): void {
    if (this.room > 0) return
    this.room = room
    this.#session?.drained()
  }

  fill(room: number): void {
    this.room = room
  }

  protected took(): WriteOutcome {
    if (this.room <= 0) return writeOutcome.refused
    return --this.room > 0 ? writeOutcome.sent : writeOutcome.full
  }
}

class ModelWebSocket extends ModelConnection {
  start(wishes: readonly SubscribeRequest[]): void {
    this.#towards(() => {
      this.openSession({
        transport: 'websocket',
        encoding: 'json',
        peer: '192.0.2.1',
        write: (frame) => {
          const outcome = this.took()
          const text = Buffer.from(frame).toString()
          if (outcome !== writeOutcome.refused) this.later(() => this.handlers.frame(decodeServerFrame(text)!))
          return outcome
        },
        batch: (run) => run(),
        opened() {},
        caughtUp() {},
        end: (error) => this.later(() => this.end(error)),
      })
    })
    for (const wish of wishes) this.subscribe(wish)
  }

  subscribe(wish: SubscribeRequest): void {
    this.#send({ kind: 'subscribe', ...wish })
  }

  unsubscribe(ref: number): void {
    this.#send({ kind: 'unsubscribe', ref })
  }

  #send(frame: ClientFrame): void {
    this.#towards(() => this.session?.receive(frame))
  }

  #sentMs = 0
  #towards(task: () => void): void {
    const now = this.net.clock.monotonicMs()
    this.#sentMs = Math.max(this.#sentMs, now + this.net.latency())
    this.net.clock.after(this.#sentMs - now, () => {
      if (!this.over) task()
    })
  }
}

class ModelSse extends ModelConnection {
  #id = ''
  #told = ''
  readonly #parser = new SseParser((event) => {
    if (this.over) return
    const frame = frameOfEvent(event)
    if (frame !== undefined && frame.kind !== 'after') this.handlers.frame(frame)
    if (event.lastEventId === this.#told || this.over) return
    this.#told = event.lastEventId
    this.handlers.position(this.#told)
  })

  start(wishes: readonly SubscribeRequest[]): void {
    this.net.clock.after(this.net.latency(), () => {
      if (this.over) return
      const send = (text: string) => this.later(() => this.#parser.feed(Buffer.from(text)))
      const session = this.openSession({
        transport: 'sse',
        encoding: 'sse',
        peer: '192.0.2.1',
        write: (frame, kind, after) => {
          const outcome = this.took()
          if (outcome === writeOutcome.refused) return outcome
          const token = after.token()
          const due = kind === 'control' || token.length <= 24 || this.net.coin()
          const text = Buffer.from(frame).toString()
          if (due) this.#id = token
          send(due ? idLine(this.#id) + text : text)
          return outcome
        },
        batch: (run) => run(),
        opened: () => send(`${idLine(session.token())}event: after\ndata: {}\n\n`),
        caughtUp() {},
        end: (error) => this.later(() => this.end(error)),
      })
      try {
        session.start(
          wishes.map(({ subject }) => subject),
          wishes[0]!.after,
          wishes[0],
        )
      } catch (error) {
        this.later(() => this.end(error as CarillonError))
      }
    })
  }
}

class ModelPoll extends ModelConnection {
  #subjects: string[] = []
  #after: readonly string[] = []
  #how: SubscribeOptions = {}
  #live = false

  start(wishes: readonly SubscribeRequest[]): void {
    this.#subjects = wishes.map(({ subject }) => subject)
    this.#after = wishes[0]!.after
    this.#how = subscribeOptions(wishes[0]!.last, wishes[0]!.policy)
    this.net.clock.after(this.net.latency(), () => this.#poll())
  }

  #poll(): void {
    if (this.over) return
    const frames: string[] = []
    let answered = false
    let isLive = this.#after.length === 0 && this.#how.last === undefined
    const answer = (error?: CarillonError) => {
      if (answered) return
      answered = true
      const after = error === undefined ? session.token() : ''
      session.closed('answered')
      if (error !== undefined && errors[error.code].retry === 'no') this.later(() => this.end(error))
      else this.later(() => this.#take(frames, after, isLive))
    }
    const session = this.openSession({
      transport: 'poll',
      encoding: 'json',
      peer: '192.0.2.1',
      write: (frame) => {
        if (answered || frames.length === maxPollFrames) return writeOutcome.refused
        if (frames.length === 0) queueMicrotask(answer)
        frames.push(Buffer.from(frame).toString())
        return frames.length === maxPollFrames ? writeOutcome.full : writeOutcome.sent
      },
      batch: (run) => run(),
      opened: () => {
        if (isLive) queueMicrotask(answer)
        else this.net.clock.after(pollMs, answer)
      },
      caughtUp: () => {
        isLive = true
        if (!this.#live) queueMicrotask(answer)
      },
      end: (error) => answer(error),
    })
    try {
      session.start(this.#subjects, this.#after, this.#how)
    } catch (error) {
      answer(error as CarillonError)
    }
  }

  #take(frames: readonly string[], after: string, isLive: boolean): void {
    for (const text of frames) {
      const frame = decodeServerFrame(text)
      if (frame !== undefined && !this.over) this.handlers.frame(frame)
    }
    if (this.over) return
    if (after !== '') {
      this.#after = [after]
      this.#how = subscribeOptions(undefined, this.#how.policy)
      this.handlers.position(after)
      if (!this.#live && isLive && !this.over) {
        this.#live = true
        this.handlers.frame({ kind: 'live', ref: 0 })
      }
    }
    this.net.clock.after(this.net.latency(), () => this.#poll())
  }
}

const kinds = { websocket: ModelWebSocket, sse: ModelSse, poll: ModelPoll } as const
