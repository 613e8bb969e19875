import { systemTiming, type Timing } from '../base/clock.ts'
import { CarillonError } from '../base/errors.ts'
import { type Random, systemRandom } from '../base/random.ts'
import type { Published } from '../wire/frames.ts'
import { type BackoffOptions, backoffDefaults } from './backoff.ts'
import { shuffled } from './candidates.ts'
import type { Transport } from './connection.ts'
import { type Environment, pageEnvironment, type TabMeeting } from './environment.ts'
import type { Group } from './group.ts'
import { type InboxOptions, inboxDefaults } from './inbox.ts'
import { Link } from './link.ts'
import { askOf } from './network.ts'
import { type OutgoingEvent, type PublishContext, type PublishOptions, publish } from './publish.ts'
import { RefusedError, refusedError, tell, throwLater } from './refusal.ts'
import { closed, type Reason, type State } from './state.ts'
import { type PositionStore, Saver } from './store.ts'
import { type SubscribeHandlers, type SubscribeOptions, Subscription } from './subscription.ts'
import { Tabs } from './tabs.ts'
import { type TransportOptions, transportsOf } from './transports.ts'

export interface ClientOptions extends TransportOptions {
  /** The gateways are tried in the order in which they are given; unless it is true, each client has a random order of its own. */
  readonly keepOrder?: boolean
  /** Keeps positions over the end of the program or page; nothing does unless given. */
  readonly store?: PositionStore
  /** A position is stored so long after its event was handled, ms; and when the client is closed or the page left. */
  readonly saveEveryMs?: number
  /** Browsers: tabs that use the same name, and ask the same gateways in the same way, share one connection. */
  readonly tabs?: string
  /** The script `carillon-client/worker`, as your page's own origin serves it: a worker has the connection that `tabs` share. */
  readonly worker?: string | URL
  readonly inbox?: InboxOptions
  readonly backoff?: BackoffOptions
  /** A page that nobody has seen for so long lets go of its connection until it is seen, ms; never unless given. */
  readonly hiddenMs?: number
  /** Closes the client. */
  readonly signal?: AbortSignal
  /** Each change of the client's state. What it throws is thrown where nobody catches it. */
  readonly onState?: (state: State) => void
  /** A position that could not be stored: it is tried again with the next one. Without it the error is thrown where nobody catches it. */
  readonly onStoreError?: (error: unknown) => void
  /** Why the tabs do without the `worker`: what the browser throws where it has none, or the event of a script that it can't use. */
  readonly onWorkerError?: (cause: unknown) => void
  /** For tests and simulations: what the rest stands on. */
  readonly clock?: Timing
  readonly random?: Random
  readonly environment?: Environment
  readonly ways?: readonly Transport[]
}

const defaultSaveEveryMs = 1000

/**
 * A client of one or several gateways of the same broker. It connects with its first subscription. Throws `bad_request` for what is no
 * URL of a gateway.
 */
export function connect(urls: string | readonly string[], options: ClientOptions = {}): Client {
  const all = [urls].flat().map(gatewayUrl)
  if (all.length === 0) throw new CarillonError('bad_request', "expected a gateway's URL, got none")
  return new Client(options.keepOrder === true ? all : shuffled(all, options.random ?? systemRandom), options)
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
    const ask = askOf(options)
    this.#basis = { urls, backoff, clock, random, ask }
    const environment = options.environment ?? pageEnvironment()
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
    if (options.store !== undefined) {
      const everyMs = options.saveEveryMs ?? defaultSaveEveryMs
      const { onStoreError = throwLater } = options
      this.#saver = new Saver(options.store, everyMs, clock, (error) => tell(() => onStoreError(error)))
    }
    const transports = options.ways ?? transportsOf(options, ask)
    this.#tabs = this.#meetTabs(environment.tabs, transports)
    this.#link = this.#makeLink(environment, this.#tabs?.transports ?? transports)
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
        `"${key}" is subscribed already: give this one another key, its position is stored there`,
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

  #meetTabs(meeting: TabMeeting | undefined, transports: readonly Transport[]): Tabs | undefined {
    const { tabs, worker, fetch, WebSocket, codec } = this.#options
    if (worker && (tabs === undefined || (fetch ?? WebSocket ?? codec))) {
      throw new CarillonError('bad_request', 'worker: expected tabs, and no fetch, WebSocket or codec')
    }
    if (tabs === undefined || meeting === undefined) return undefined
    const { keepOrder, transports: ways, headers, credentials, backoff } = this.#options
    const urls = keepOrder ? this.#basis.urls : this.#basis.urls.toSorted()
    const group: Group = ['carillon', tabs, urls, keepOrder, ways, headers, credentials, backoff]
    const name = JSON.stringify(group)
    return new Tabs({ ...this.#options, ...this.#basis, meeting, name, transports })
  }

  #makeLink(environment: Environment, transports: readonly Transport[]): Link {
    const { hiddenMs = Number.POSITIVE_INFINITY } = this.#options
    return new Link(
      { ...this.#basis, transports, hiddenMs, environment },
      {
        state: (state) => {
          this.#tabs?.linkIs(state)
          tell(() => this.#options.onState?.(state))
        },
        refused: (refused) => this.#end(refused, refusedError(refused)),
      },
    )
  }

  #end({ code, message }: Reason, error: Error | undefined): void {
    if (this.#state !== undefined) return
    const reason = { code, message }
    this.#state = closed(code, message)
    this.#tabs?.close()
    this.#link.close()
    this.#unwatch()
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    this.#resolveClosed(reason)
    for (const subscription of [...this.#subscriptions.values()]) subscription.end(reason, error)
    tell(() => this.#options.onState?.(closed(code, message)))
  }
}

/** Without a slash at its end. */
function gatewayUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.search === '')
    return url.origin + url.pathname.replace(/\/+$/, '')
  throw new CarillonError('bad_request', `expected a gateway's URL such as http://127.0.0.1:8080, got "${text}"`)
}
