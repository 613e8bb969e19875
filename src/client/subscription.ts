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
  /**
   * Where to start if the store has no position: a token (or several), `earliest`, `latest` (the
   * default) or `@<RFC 3339 time>`.
   */
  readonly after?: string | readonly string[]
  /**
   * Starts with the last events of each subject, 1 to 1000, within the bounds of the gateway's
   * search; not together with `after`. Applies only while no position is known: a stored one takes
   * precedence, and so does the subscription's own once it has one.
   */
  readonly last?: number
  /**
   * `latest`: while behind, delivers only the newest event of each subject, and a gap with the
   * number of the others. Default: `lossless`.
   */
  readonly policy?: Policy
  /** Key of the position in the store; default: the subject. */
  readonly key?: string
  /** Closes the subscription. */
  readonly signal?: AbortSignal
  /** Called with each change of the state. An exception becomes an uncaught error. */
  readonly onState?: (state: State) => void
}

/**
 * Handlers of the items. Each call waits until the previous one's promise has settled. A throw or
 * rejection ends the subscription.
 */
export interface SubscribeHandlers<T = unknown> extends SubscribeOptions {
  readonly onEvent: (event: ReceivedEvent<T>) => unknown
  readonly onGap: (gap: ReceivedGap) => unknown
  /** By default a failure, also of a handler, becomes an uncaught error. */
  readonly onClosed?: (reason: Reason, error: Error | undefined) => void
}

/** What a subscription needs from its client. */
export interface SubscriptionOwner {
  readonly link: Link
  readonly inbox: InboxOptions
  readonly saver: Saver | undefined
  forget(key: string): void
}

/**
 * Follows one subject or pattern over all reconnects until it is closed. Either pass handlers, or
 * iterate over it with `for await`.
 */
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
  #state: State = waiting('idle', 'not started yet')

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

  /**
   * Position after everything handled: `after` of a later subscription; undefined while unknown.
   */
  get token(): string | undefined {
    return this.#inbox.handled.token
  }

  /**
   * As `token`, plus the item in the consumer's hands. Store it in one transaction with the item's
   * effects.
   */
  get tokenInHand(): string | undefined {
    return this.#inbox.inHand.token
  }

  /** Closes the subscription. The item being handled counts once its handler has settled. */
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

  /** For the client, when all of its subscriptions end. */
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

/** Checks `policy`, `last` and `after` as a gateway would. Throws `bad_request`. */
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
