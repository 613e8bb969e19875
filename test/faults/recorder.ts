import { Client } from '../../src/client/client.ts'
import type { Connection, Handlers, Open, SubscribeRequest, Transport } from '../../src/client/connection.ts'
import { protoCodec } from '../../src/client/proto-codec.ts'
import type { Received } from '../../src/client/received.ts'
import type { Subscription } from '../../src/client/subscription.ts'
import { transportsOf } from '../../src/client/transports.ts'
import type { ServerFrame } from '../../src/wire/frames.ts'
import type { Door, Profile, WayName } from './profiles.ts'
import { digestOf, type Happened, nowMs, type StoryFile, type ToldWish } from './story-file.ts'

const [websocket, sse, poll] = transportsOf({})

const ways: Readonly<Record<WayName, Transport>> = {
  websocket: websocket!,
  'websocket protobuf': transportsOf({ codec: protoCodec })[0]!,
  sse: sse!,
  poll: poll!,
}

/** As recently as this something must have come to a client that is not told to be live, ms. */
const flowingMs = 3000

/** One client program: the real SDK, with a recorder between it and its connections, and between it and its handlers. */
export class Recorder {
  readonly #profile: Profile
  readonly #file: StoryFile
  readonly #client: Client
  readonly #subscriptions: Subscription[]
  #connections = 0
  #closed = false
  #handedAtMs = 0
  handed = 0

  constructor(profile: Profile, file: StoryFile) {
    this.#profile = profile
    this.#file = file
    const urls = profile.doors.map(urlOf)
    this.#client = new Client(urls, { ways: profile.ways.map((name) => this.#recorded(ways[name])) })
    this.#subscriptions = profile.subjects.map((subject, i) => this.#subscribe(subject, i))
  }

  /** Live, or catching up and given something just now: long-poll is told to be live only once a second brings nothing. */
  get isServed(): boolean {
    const isFlowing = nowMs() - this.#handedAtMs < flowingMs
    return this.#subscriptions.every(({ state: { name } }) => name === 'live' || (name === 'catching-up' && isFlowing))
  }

  /** For people: why it is not live. */
  get waitsFor(): string {
    const waiting = this.#subscriptions.find(({ state }) => state.name !== 'live')
    return `client ${this.#profile.number}: ${waiting?.subject} is ${JSON.stringify(waiting?.state)}`
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#subscriptions.forEach(({ token }, i) => {
      this.#tell(['stood', i, token ?? ''])
    })
    await this.#client.close()
  }

  #tell(what: Happened): void {
    this.#file.tell(this.#profile.number, what)
  }

  #subscribe(subject: string, number: number): Subscription {
    const item = (received: Received) => {
      if (!this.#closed) this.#item(number, received)
    }
    return this.#client.subscribe(subject, {
      onEvent: item,
      onGap: item,
      onClosed: ({ code, message }) => {
        if (!this.#closed) this.#tell(['ended', number, `${code}: ${message}`])
      },
    })
  }

  #item(number: number, item: Received): void {
    const token = this.#subscriptions[number]?.token ?? ''
    if (item.kind === 'gap') {
      this.#tell(['gap', number, item, token])
      return
    }
    this.handed++
    this.#handedAtMs = nowMs()
    this.#tell(['event', number, item.partition, item.offset, item.after, digestOf(item), token])
  }

  #recorded({ name, separate, open }: Transport): Transport {
    const recordedOpen: Open = (url, wishes, handlers, clock) => {
      const connection = this.#connections++
      const gateway = this.#profile.doors.find((door) => urlOf(door) === url)!.gateway
      // SSE and poll share their positions: a replay knows it by the sign.
      this.#tell(['open', separate ? connection : -1 - connection, gateway, wishes.map((wish) => this.#told(wish))])
      return this.#watched(open(url, wishes, this.#handlers(connection, handlers), clock), connection)
    }
    return { name, separate, open: recordedOpen }
  }

  #told({ ref, subject, after }: SubscribeRequest): ToldWish {
    return [ref, this.#profile.subjects.indexOf(subject), after]
  }

  #handlers(connection: number, to: Handlers): Handlers {
    return {
      frame: (frame) => {
        this.#frame(connection, frame)
        to.frame(frame)
      },
      position: (token) => {
        this.#tell(['position', connection, token])
        to.position(token)
      },
      closed: (refused) => to.closed(refused),
    }
  }

  #frame(connection: number, frame: ServerFrame): void {
    if (frame.kind !== 'delivery') {
      this.#tell(['frame', connection, frame])
      return
    }
    const { partition, offset, after, event, refs = [] } = frame
    this.#tell(['delivery', connection, partition, offset, after, digestOf(event), refs])
  }

  #watched(of: Connection, connection: number): Connection {
    if (of.subscribe === undefined) return of
    return {
      subscribe: (wish) => {
        this.#tell(['subscribe', connection, this.#told(wish)])
        of.subscribe?.(wish)
      },
      unsubscribe: (ref) => {
        this.#tell(['unsubscribe', connection, ref])
        of.unsubscribe?.(ref)
      },
      check: () => of.check?.(),
      close: () => of.close(),
    }
  }
}

const urlOf = ({ port }: Door): string => `http://127.0.0.1:${port}`
