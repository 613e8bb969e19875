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
  /** Tries the gateways in the given order. By default each client uses its own random order. */
  readonly keepOrder?: boolean
  /** Keeps positions beyond the end of the program or page. By default nothing does. */
  readonly store?: PositionStore
  /**
   * Delay between handling an event and storing its position, ms. Positions are also stored when
   * the client is closed and when the page is hidden or left.
   */
  readonly saveEveryMs?: number
  /** Browsers: tabs with the same name and the same connection options share one connection. */
  readonly tabs?: string
  /**
   * URL of the script `carillon-client/worker` on your page's own origin. A worker then has the
   * connection that `tabs` share.
   */
  readonly worker?: string | URL
  readonly inbox?: InboxOptions
  readonly backoff?: BackoffOptions
  /**
   * Closes the connection of a page hidden for this long, until it is seen, ms; default: never.
   */
  readonly hiddenMs?: number
  /** Closes the client. */
  readonly signal?: AbortSignal
  /** Called with each change of the client's state. An exception becomes an uncaught error. */
  readonly onState?: (state: State) => void
  /**
   * Called when a position could not be stored. It is not retried: the subscription's next position
   * replaces it. By default the error becomes an uncaught error.
   */
  readonly onStoreError?: (error: unknown) => void
  /**
   * Called when the tabs can't use the `worker`, with the cause: the exception of a browser
   * without SharedWorker, or the `error` event of a script that failed to load.
   */
  readonly onWorkerError?: (cause: unknown) => void
  /** For tests and simulations: replacements for the platform. */
  readonly clock?: Timing
  readonly random?: Random
  readonly environment?: Environment
  readonly ways?: readonly Transport[]
}

const defaultSaveEveryMs = 1000

/**
 * Creates a client of one or several gateways of the same broker. It connects with its first
 * subscription. Throws `bad_request` if a URL is not a gateway's.
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

  /**
   * Throws `bad_subject` and `bad_token`. Throws `bad_request` if options are invalid, the client
   * is closed, or another subscription stores its position under the same key.
   */
  subscribe<T = unknown>(subject: string, options: SubscribeOptions | SubscribeHandlers<T> = {}): Subscription<T> {
    if (this.#state !== undefined) throw new RefusedError('bad_request', 'the client is closed')
    const key = options.key ?? subject
    if (this.#saver !== undefined && this.#subscriptions.has(key)) {
      throw new RefusedError(
        'bad_request',
        `the key "${key}" is in use: pass a different key, under which the store keeps this position`,
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

  /**
   * Publishes events. Resolves once the broker has all of them, with their positions in the same
   * order. One invalid event rejects the whole batch. Throws RefusedError.
   */
  publish(events: OutgoingEvent | readonly OutgoingEvent[], options: PublishOptions = {}): Promise<Published[]> {
    return publish([events].flat(), this.#basis, options)
  }

  /** Closes all subscriptions and the connection. Resolves when the positions are stored. */
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

/** Returns the URL without trailing slashes. Throws `bad_request`. */
function gatewayUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.search === '')
    return url.origin + url.pathname.replace(/\/+$/, '')
  throw new CarillonError('bad_request', `expected a gateway's URL such as http://127.0.0.1:8080, got "${text}"`)
}
