import { validatePattern } from '../subject/subject.ts'
import { maxLast, type Policy, policies, subscribeOptions } from '../wire/frames.ts'
import { parseAfter } from '../wire/token.ts'
import { Inbox, type InboxOptions, type InboxOwner } from './inbox.ts'
import type { Link } from './link.ts'
import { Pull } from './pull.ts'
import type { Received, ReceivedEvent, ReceivedGap } from './received.ts'
import { RefusedError, refusedError, tell, throwLater } from './refusal.ts'
import { closed, isSameState, type Reason, type State, waiting } from './state.ts'
import type { Saver } from './store.ts'
import { TrackedSubscription } from './tracked-subscription.ts'

export interface SubscribeOptions {
  /** Where to start when the store knows no position: a token (or several), `earliest`, `latest` (the default) or `@<RFC 3339 time>`. */
  readonly after?: string | readonly string[]
  /**
   * The last so many events of each subject first, 1 to 1000, as far back as the gateway's memory reaches; not beside `after`. Only where no
   * position is known: a stored one counts instead, and so does the subscription's own once it has one.
   */
  readonly last?: number
  /** While it is behind: `latest` = of each subject the newest event, and a gap with the number of the others; `lossless` unless given. */
  readonly policy?: Policy
  /** Under which the store keeps the position; the subject unless given. */
  readonly key?: string
  /** Closes the subscription. */
  readonly signal?: AbortSignal
  /** Each change of the state. What it throws is thrown where nobody catches it. */
  readonly onState?: (state: State) => void
}

/** What is called for each item, the next one only after the promise of the one before has settled. A throw ends the subscription. */
export interface SubscribeHandlers<T = unknown> extends SubscribeOptions {
  readonly onEvent: (event: ReceivedEvent<T>) => unknown
  readonly onGap: (gap: ReceivedGap) => unknown
  /** Without it a failure, the handlers' own included, is thrown where nobody catches it. */
  readonly onClosed?: (reason: Reason, error: Error | undefined) => void
}

/** What a subscription needs of its client. */
export interface SubscriptionOwner {
  readonly link: Link
  readonly inbox: InboxOptions
  readonly saver: Saver | undefined
  forget(key: string): void
}

/** One subject or pattern, followed over all reconnects until it is closed: `for await` over it, or give it handlers. */
export class Subscription<T = unknown> implements AsyncIterable<Received<T>, undefined>, AsyncDisposable {
  readonly subject: string
  readonly key: string
  /** Resolves with the reason when it is closed. Never rejects. */
  readonly closed: Promise<Reason>
  readonly #host: SubscriptionOwner
  readonly #options: SubscribeOptions & Partial<SubscribeHandlers<T>>
  readonly #inbox: Inbox<T>
  readonly #pull: Pull<T> | undefined
  #resolveClosed!: (reason: Reason) => void
  readonly #onAbort = (): void => this.#end('done', 'aborted', undefined)
  #followed: TrackedSubscription | undefined
  #state: State = waiting('idle', 'it has not started')

  /** Throws `bad_subject`, `bad_token` and `bad_request`. */
  constructor(subject: string, options: SubscribeOptions | SubscribeHandlers<T>, host: SubscriptionOwner) {
    validatePattern(subject)
    const after = [options.after ?? []].flat()
    parseAfter(after)
    requireStart(after, options)
    this.subject = subject
    this.key = options.key ?? subject
    this.#options = options
    this.#host = host
    const { onEvent, onGap } = this.#options
    if ((onEvent === undefined) !== (onGap === undefined)) {
      throw new RefusedError('bad_request', 'expected onEvent and onGap together: gaps go to onGap')
    }
    if (onEvent === undefined) this.#pull = new Pull(() => this.close())
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
    this.#inbox = new Inbox(this.#owner(), host.inbox)
    options.signal?.addEventListener('abort', this.#onAbort)
    if (options.signal?.aborted) this.#onAbort()
    else this.#start(after)
  }

  get state(): State {
    return this.#state
  }

  /** Behind everything that was handled: `after` of a later subscription; undefined while nothing is known. */
  get token(): string | undefined {
    return this.#inbox.handled.token
  }

  /** As `token`, the item that is being handled included: what to store together with its effects, in one transaction. */
  get tokenInHand(): string | undefined {
    return this.#inbox.inHand.token
  }

  /** Nothing is handed over after it. What is being handled counts when it has settled. */
  close(): void {
    this.#end('done', 'closed by its owner', undefined)
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Received<T>, undefined> {
    if (this.#pull !== undefined) return this.#pull
    throw new RefusedError('bad_request', "a subscription with handlers can't be iterated")
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
    await this.#host.saver?.flush()
  }

  /** For its client: it is over for all. */
  end({ code, message }: Reason, error: Error | undefined): void {
    this.#end(code, message, error)
  }

  #start(after: readonly string[]): void {
    let stored: string | undefined | Promise<string | undefined>
    try {
      stored = this.#host.saver?.load(this.key)
    } catch (error) {
      this.#storeFailed(error)
      return
    }
    if (typeof stored === 'object') {
      stored.then(
        (token) => this.#follow(after, token),
        (error: unknown) => this.#storeFailed(error),
      )
    } else this.#follow(after, stored)
  }

  #storeFailed(error: unknown): void {
    const message = `the store failed for "${this.key}": ${String(error)}`
    this.#end('store', message, new RefusedError('store', message, { cause: error }))
  }

  #follow(after: readonly string[], stored: string | undefined): void {
    if (this.#state.name === 'closed') return
    try {
      const { last, policy } = this.#options
      const how = subscribeOptions(last, policy)
      this.#followed = new TrackedSubscription(this.subject, stored === undefined ? after : [stored], this.#inbox, how)
    } catch (error) {
      this.#storeFailed(error)
      return
    }
    this.#inbox.handled.moveTo(this.#followed.resumePoint)
    this.#host.link.add(this.#followed)
  }

  #owner(): InboxOwner<T> {
    return {
      item: (item) => this.#item(item),
      live: () => this.#setState({ name: 'live' }),
      state: (state) => this.#setState(state),
      refused: (refused) => this.end(refused, refusedError(refused)),
      handled: () => this.#host.saver?.moved(this.key, () => this.token),
      room: () => this.#host.link.add(this.#followed!),
      failed: (error) => {
        this.#end(
          'handler',
          `a handler failed: ${String(error)}`,
          error instanceof Error ? error : new Error(String(error)),
        )
      },
    }
  }

  #item(item: Received<T>): unknown {
    if (this.#pull !== undefined) return this.#pull.offer(item)
    const { onEvent, onGap } = this.#options
    return item.kind === 'event' ? onEvent?.(item) : onGap?.(item)
  }

  #end(code: string, message: string, error: Error | undefined): void {
    if (this.#state.name === 'closed') return
    const reason = { code, message }
    const state = closed(code, message)
    this.#state = state
    this.#inbox.close()
    this.#host.forget(this.key)
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    this.#pull?.end(reason)
    this.#resolveClosed(reason)
    if (this.#followed !== undefined) this.#host.link.remove(this.#followed)
    const options = this.#options
    tell(() => options.onState?.(state))
    if (options.onClosed !== undefined) tell(() => options.onClosed?.(reason, error))
    else if (error !== undefined && this.#pull === undefined) throwLater(error)
  }

  #setState(state: State): void {
    if (this.#state.name === 'closed' || isSameState(state, this.#state)) return
    this.#state = state
    tell(() => this.#options.onState?.(state))
  }
}

/** Of what the gateway would refuse as well. */
function requireStart(after: readonly string[], { last, policy }: SubscribeOptions): void {
  if (policy !== undefined && !policies.includes(policy)) {
    throw new RefusedError('bad_request', `expected policy to be ${policies.join(' or ')}, got "${policy}"`)
  }
  if (last === undefined) return
  if (!Number.isInteger(last) || last < 1 || last > maxLast) {
    throw new RefusedError('bad_request', `expected last to be an integer from 1 to ${maxLast}, got ${last}`)
  }
  if (after.length > 0) throw new RefusedError('bad_request', 'expected after or last, got both')
}
