import { systemTiming, type Timing } from '../base/clock.ts'
import { CarillonError } from '../base/errors.ts'
import { type Random, systemRandom } from '../base/random.ts'
import type { Published } from '../wire/frames.ts'
import { type BackoffOptions, backoffDefaults } from './backoff.ts'
import { type Codec, jsonCodec } from './codec.ts'
import type { Transport } from './connection.ts'
import { type Environment, pageEnvironment } from './environment.ts'
import { type InboxOptions, inboxDefaults } from './inbox.ts'
import { Link } from './link.ts'
import { openPoll } from './poll.ts'
import { type OutgoingEvent, type PublishContext, type PublishOptions, publish } from './publish.ts'
import { RefusedError, refusedError, throwLater } from './refusal.ts'
import { openSse } from './sse.ts'
import { closed, type Reason, type State } from './state.ts'
import { type PositionStore, Saver } from './store.ts'
import { type SubscribeHandlers, type SubscribeOptions, Subscription } from './subscription.ts'
import { Tabs } from './tabs.ts'
import { openWebSocket } from './websocket.ts'

export const transportNames = ['websocket', 'sse', 'poll'] as const
export type TransportName = (typeof transportNames)[number]

export interface ClientOptions {
  /**
   * In order of preference; the next one is tried when no gateway answers over the one before. All three unless given; where the
   * platform has no WebSocket (Node before 22) that one is passed over.
   */
  readonly transports?: readonly TransportName[]
  /** Of the WebSocket's frames; JSON unless given. */
  readonly codec?: Codec
  /** Keeps positions over the end of the program or page; nothing does unless given. */
  readonly store?: PositionStore
  /** A position is stored so long after its event was handled, ms; and when the client is closed or the page left. */
  readonly saveEveryMs?: number
  /** Browsers: tabs that use the same name share one connection. */
  readonly tabs?: string
  readonly inbox?: InboxOptions
  readonly backoff?: BackoffOptions
  /** A page that nobody has seen for so long lets go of its connection until it is seen, ms; never unless given. */
  readonly hiddenMs?: number
  /** Closes the client. */
  readonly signal?: AbortSignal
  /** Each change of the client's state. Must not throw. */
  readonly onState?: (state: State) => void
  /** A position that could not be stored: it is tried again with the next one. Without it the error is thrown where nobody catches it. */
  readonly onStoreError?: (error: unknown) => void
  /** For tests and simulations: what the rest stands on. */
  readonly clock?: Timing
  readonly random?: Random
  readonly environment?: Environment
  readonly ways?: readonly Transport[]
}

const defaultSaveEveryMs = 1000

/**
 * A client of one or several gateways of the same broker, tried in this order. It connects with its first subscription. Throws
 * `bad_request` for what is no URL of a gateway.
 */
export function connect(urls: string | readonly string[], options: ClientOptions = {}): Client {
  const all = [urls].flat().map(gatewayUrl)
  if (all.length === 0) throw new CarillonError('bad_request', 'expected the URL of a gateway, got none')
  return new Client(all, options)
}

export class Client implements AsyncDisposable {
  /** Resolves with the reason when it is closed. Never rejects. */
  readonly closed: Promise<Reason>
  readonly #options: ClientOptions
  readonly #basis: PublishContext
  readonly #link: Link
  readonly #tabs: Tabs | undefined
  readonly #saver: Saver | undefined
  readonly #subscriptions = new Map<string, Pick<Subscription, 'end'>>()
  readonly #unwatch: () => void
  #resolveClosed!: (reason: Reason) => void
  readonly #onAbort = (): void => void this.close()
  #state: State | undefined

  constructor(urls: readonly string[], options: ClientOptions) {
    const { clock = systemTiming, random = systemRandom, backoff = backoffDefaults } = options
    this.#options = options
    this.#basis = { urls, backoff, clock, random }
    const environment = options.environment ?? pageEnvironment()
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
    if (options.store !== undefined) {
      const everyMs = options.saveEveryMs ?? defaultSaveEveryMs
      this.#saver = new Saver(options.store, everyMs, clock, options.onStoreError ?? throwLater)
    }
    const transports = options.ways ?? transportsOf(options)
    this.#tabs = this.#meetTabs(environment, transports)
    this.#link = this.#makeLink(environment, this.#tabs === undefined ? transports : [this.#tabs.transport])
    this.#unwatch = environment.watch((what) => {
      if (what === 'hidden' || what === 'leaving') void this.#saver?.flush()
    })
    this.#tabs?.start(this.#link)
    options.signal?.addEventListener('abort', this.#onAbort)
    if (options.signal?.aborted) this.#onAbort()
  }

  get state(): State {
    return this.#state ?? this.#link.state
  }

  /** Throws `bad_subject`, `bad_token`, and `bad_request` where another subscription has the same key. */
  subscribe<T = unknown>(subject: string, options: SubscribeOptions | SubscribeHandlers<T> = {}): Subscription<T> {
    if (this.#state !== undefined) throw new RefusedError('bad_request', 'the client is closed')
    const key = options.key ?? subject
    if (this.#saver !== undefined && this.#subscriptions.has(key)) {
      throw new RefusedError(
        'bad_request',
        `"${key}" is subscribed already: give this one a key of its own, its position is stored there`,
      )
    }
    const id = this.#saver === undefined ? `${key} ${this.#basis.random.next()}` : key
    const subscription = new Subscription<T>(subject, options, {
      link: this.#link,
      inbox: this.#options.inbox ?? inboxDefaults,
      saver: this.#saver,
      forget: () => void this.#subscriptions.delete(id),
    })
    if (subscription.state.name !== 'closed') this.#subscriptions.set(id, subscription)
    return subscription
  }

  /** Resolves once the broker has all of them; positions in their order. All or none are wrong. Throws RefusedError. */
  publish(events: OutgoingEvent | readonly OutgoingEvent[], options: PublishOptions = {}): Promise<Published[]> {
    return publish([events].flat(), this.#basis, options)
  }

  /** Closes all subscriptions and the connection; resolves when the positions are stored. */
  async close(): Promise<void> {
    this.#end({ code: 'done', message: 'closed by its owner' }, undefined)
    await this.#saver?.flush()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #meetTabs({ tabs: meeting }: Environment, transports: readonly Transport[]): Tabs | undefined {
    const { tabs: name } = this.#options
    if (name === undefined || meeting === undefined) return undefined
    return new Tabs({ meeting, name: `carillon:${name}`, transports, ...this.#basis })
  }

  #makeLink(environment: Environment, transports: readonly Transport[]): Link {
    const { hiddenMs = Number.POSITIVE_INFINITY } = this.#options
    return new Link(
      { ...this.#basis, transports, hiddenMs, environment },
      {
        state: (state) => {
          this.#tabs?.linkIs(state)
          this.#options.onState?.(state)
        },
        refused: (refused) => this.#end(refused, refusedError(refused)),
      },
    )
  }

  #end({ code, message }: Reason, error: Error | undefined): void {
    if (this.#state !== undefined) return
    const reason = { code, message }
    this.#state = closed(code, message)
    for (const subscription of [...this.#subscriptions.values()]) subscription.end(reason, error)
    this.#tabs?.close()
    this.#link.close()
    this.#unwatch()
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    this.#options.onState?.(this.#state)
    this.#resolveClosed(reason)
  }
}

function transportsOf({ transports = transportNames, codec = jsonCodec }: ClientOptions): Transport[] {
  const all: Record<TransportName, Transport> = {
    websocket: { name: 'websocket', separate: true, open: openWebSocket(codec) },
    sse: { name: 'sse', separate: false, open: openSse },
    poll: { name: 'poll', separate: false, open: openPoll },
  }
  const here = transportNames.filter((name) => name !== 'websocket' || typeof WebSocket !== 'undefined')
  const found = transports.filter((name) => here.includes(name)).map((name) => all[name])
  if (found.length > 0 && transports.every((name) => name in all)) return found
  throw new CarillonError(
    'bad_request',
    `transports: expected some of ${here.join(', ')}, got ${transports.join(', ')}`,
  )
}

/** Its origin. */
function gatewayUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.pathname === '/' && url.search === '')
    return url.origin
  throw new CarillonError('bad_request', `expected the URL of a gateway such as http://127.0.0.1:8080, got "${text}"`)
}
