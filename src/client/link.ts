import type { Timing } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { Backoff, type BackoffOptions } from './backoff.ts'
import { Candidates } from './candidates.ts'
import type { Refusal, Transport } from './connection.ts'
import { Conversation, type ConversationOwner } from './conversation.ts'
import type { Environment, Happening } from './environment.ts'
import { type Effect, type LinkEvent, next, type Phase } from './phase.ts'
import { isProxys } from './refusal.ts'
import { SharedRequestPlanner } from './shared-request.ts'
import { isSameState, type State, waiting } from './state.ts'
import type { TrackedSubscription } from './tracked-subscription.ts'
import { TransportUpgrade } from './transport-upgrade.ts'

export interface LinkOptions {
  /** Base URLs, such as `http://127.0.0.1:8080`, in order of preference. */
  readonly urls: readonly string[]
  /** In order of preference. */
  readonly transports: readonly Transport[]
  readonly backoff: BackoffOptions
  /**
   * Closes the connection of a page hidden for this long, until it is seen, ms; Infinity = never.
   */
  readonly hiddenMs: number
  readonly clock: Timing
  readonly random: Random
  readonly environment: Environment
}

export interface LinkListener {
  state(state: State): void
  /** The gateway refuses the client as a whole. No callback follows. */
  refused(refused: Refusal): void
}

interface Loss {
  readonly refused: Refusal
  /** Lifetime of a fruitless connection, ms; undefined if it delivered something. */
  readonly vainMs: number | undefined
  /** The subscriptions that it served at its end. */
  readonly served: readonly TrackedSubscription[]
  /** The subscriptions that its request named. */
  readonly asked: readonly TrackedSubscription[]
}

/**
 * Age at which a connection resets the back-off, ms. One that is accepted and soon closed counts
 * as a failure.
 */
const steadyMs = 5000
/** Time for which an unused connection is kept, ms: its next user may come at once. */
const lingerMs = 5000
/**
 * Upper bound of the random delay after `online`, ms: other clients come online at the same time.
 */
const onlineSpreadMs = 250

const isAnswered = (phase: Phase): boolean => phase === 'open' || phase === 'streaming'

const idle = waiting('idle', 'nothing is subscribed')

/**
 * A client's one connection for all of its subscriptions. Reconnects with back-off, to the same or
 * another gateway, over the same or the next transport. The table of phases (phase.ts) decides
 * what happens when; this class carries it out. It uses sockets and timers through interfaces
 * only.
 */
export class Link {
  readonly #options: LinkOptions
  readonly #listener: LinkListener
  readonly #backoff: Backoff
  /**
   * Back-off for shared requests left at once, until one has reported everything to all: gateways
   * may disagree for a while.
   */
  readonly #tears: Backoff
  #candidates: Candidates
  /** The subscriptions to serve. */
  readonly #members = new Set<TrackedSubscription>()
  /** Subscriptions refused for now, and the cancellation of their next request. */
  readonly #refusedForNow = new Map<TrackedSubscription, () => void>()
  readonly #sharing = new SharedRequestPlanner()
  #conversation: Conversation | undefined
  /** When the conversation was opened, on the monotonic clock. */
  #connectedMs = 0
  readonly #owner = this.#makeOwner()
  readonly #better: TransportUpgrade
  #phase: Phase = 'idle'
  #cancelAttempt: (() => void) | undefined
  /** Earliest time of the next attempt, requested by the gateway, on the monotonic clock. */
  #notBeforeMs = 0
  #cancelLinger: (() => void) | undefined
  #cancelSteady: (() => void) | undefined
  /** A connection has delivered unreadable input, and none has been steady since. */
  #unreadable = false
  #cancelHidden: (() => void) | undefined
  #hidden = false
  readonly #unwatch: () => void
  #state: State = idle
  /** The end of the last connection. */
  #loss: Loss | undefined

  constructor(options: LinkOptions, listener: LinkListener) {
    this.#options = options
    this.#listener = listener
    this.#backoff = new Backoff(options.random, options.backoff)
    this.#tears = new Backoff(options.random, options.backoff)
    this.#candidates = new Candidates(options.urls, options.transports)
    this.#better = new TransportUpgrade(options.clock, () => {
      this.#candidates.useBetter()
      this.#step('due')
    })
    this.#unwatch = options.environment.watch((what) => this.#happened(what))
  }

  get state(): State {
    return this.#state
  }

  add(tracked: TrackedSubscription): void {
    if (this.#phase === 'closed') return
    if (this.#members.has(tracked)) {
      this.#conversation?.hasRoom(tracked)
      return
    }
    this.#members.add(tracked)
    this.#step('joined')
    this.#tell()
  }

  remove(tracked: TrackedSubscription): void {
    this.#refusedForNow.get(tracked)?.()
    this.#refusedForNow.delete(tracked)
    if (!this.#members.delete(tracked)) return
    if (tracked.ref !== 0) this.#conversation?.remove(tracked)
    this.#left()
  }

  /** Replaces the transports and leaves the present connection. */
  use(transports: readonly Transport[]): void {
    this.#candidates = new Candidates(this.#options.urls, transports)
    this.#backoff.reset()
    this.#step('rerouted')
  }

  /** Requests a sign of life. A waiting link tries at once. */
  check(): void {
    this.#around('retry')
  }

  /** Closes the link. No callback follows. */
  close(): void {
    this.#step('closed')
    this.#unwatch()
    this.#cancelHidden?.()
    for (const cancel of this.#refusedForNow.values()) cancel()
    this.#members.clear()
  }

  // Steps and their effects

  #step(event: LinkEvent): void {
    const [phase, ...effects] = next(this.#phase, event)
    this.#phase = phase
    for (const effect of effects) this.#effects[effect]()
  }

  readonly #effects: Readonly<Record<Effect, () => void>> = {
    leave: () => {
      this.#conversation?.close()
      this.#conversation = undefined
      this.#better.stop()
      this.#cancelAttempt?.()
      this.#cancelAttempt = undefined
      this.#cancelLinger?.()
      this.#cancelSteady?.()
    },
    choose: () => {
      if (this.#members.size === 0) this.#step('deserted')
      else if (!this.#options.environment.online()) this.#bar('offline', 'the device is offline')
      else if (this.#hidden) this.#bar('hidden', 'the page is hidden')
      else this.#connect()
    },
    attempt: () => {
      if (this.#cancelAttempt === undefined) this.#attemptAfter(0)
    },
    comeApart: () => {
      this.#attemptAfter(this.#tears.next(0))
      this.#setState({ name: 'catching-up' })
    },
    startOver: () => {
      this.#backoff.reset()
      this.#attemptAfter(this.#options.random.next() * onlineSpreadMs)
    },
    backOff: () => this.#backOff(),
    linger: () => {
      this.#cancelLinger = this.#options.clock.after(lingerMs, () => this.#step('unused'))
    },
    ask: () => {
      this.#cancelLinger?.()
      for (const tracked of this.#members) {
        if (tracked.ref !== 0) continue
        this.#conversation?.add(tracked)
        tracked.sink.state(this.#phase === 'open' ? { name: 'catching-up' } : this.#state)
      }
    },
    inform: () => {
      if (this.#state !== idle) this.#setState(this.#state)
    },
    greet: () => {
      this.#cancelSteady = this.#options.clock.after(steadyMs, () => {
        this.#backoff.reset()
        this.#unreadable = false
        if (this.#conversation?.isOfUse && this.#candidates.better === undefined) this.#better.reset()
      })
      for (const { sink } of this.#conversation?.members ?? []) sink.state({ name: 'catching-up' })
      this.#tell()
    },
    check: () => this.#conversation?.check(),
    end: () => this.#listener.refused(this.#loss!.refused),
    sort: () => this.#sort(),
  }

  #attemptAfter(ms: number): void {
    const { clock } = this.#options
    const waitMs = Math.max(ms, this.#notBeforeMs - clock.monotonicMs())
    this.#cancelAttempt?.()
    this.#cancelAttempt = clock.after(waitMs, () => this.#step('due'))
  }

  #bar(code: string, message: string): void {
    this.#step('barred')
    this.#setState(waiting(code, message))
  }

  #connect(): void {
    const candidate = this.#candidates.current
    const { url, transport } = candidate
    this.#setState({ name: 'connecting', url, transport: transport.name })
    // The state callback may have closed the link.
    if (this.#phase !== 'choosing') return
    this.#step(transport.separate ? 'separate' : 'shared')
    this.#connectedMs = this.#options.clock.monotonicMs()
    const context = { members: this.#members, sharing: this.#sharing, clock: this.#options.clock }
    this.#conversation = new Conversation(candidate, context, this.#owner)
  }

  #backOff(): void {
    const { refused, vainMs } = this.#loss!
    this.#candidates.lost(vainMs)
    const { code, message, retryAfterMs } = refused
    this.#notBeforeMs = this.#options.clock.monotonicMs() + retryAfterMs
    const pauseMs = this.#backoff.next(retryAfterMs)
    this.#attemptAfter(pauseMs)
    this.#setState(waiting(code, message, pauseMs))
  }

  /**
   * Handles the refusal of a request for several subscriptions. Requests each of them alone, so
   * that only those at fault end, and then all together again. If each succeeds alone, they are
   * too many for one request, and the newest is refused.
   */
  #sort(): void {
    const { refused, served, asked } = this.#loss!
    const isClear = asked.length === 1 || asked.every(({ alone }) => alone === 'well')
    for (const tracked of isClear && asked.length > 1 ? served.slice(-1) : served) {
      if (isClear) this.#refusedOne(tracked, refused)
      else tracked.alone = 'wanted'
    }
    if (this.#members.size > 0) this.#step('retry')
  }

  // Callbacks of a connection

  #makeOwner(): ConversationOwner {
    return {
      step: (event) => this.#step(event),
      changed: () => this.#tell(),
      agreed: () => this.#tears.reset(),
      full: (tracked) => this.#park(tracked),
      refused: (tracked, refused) => this.#refusedOne(tracked, refused),
      lost: (refused) => this.#lost(refused),
    }
  }

  /**
   * Detaches a subscription whose consumer can't keep up; the gateway's log keeps the rest. It
   * comes back by `add` when its inbox has drained.
   */
  #park(tracked: TrackedSubscription): void {
    this.remove(tracked)
    tracked.sink.state(waiting('slow', 'the consumer is slow'))
  }

  /** Refuses one subscription. The connection continues for the others. */
  #refusedOne(tracked: TrackedSubscription, refused: Refusal): void {
    this.#members.delete(tracked)
    if (refused.retry === 'no') tracked.sink.refused(refused)
    else this.#retryOne(tracked, refused)
    this.#left()
  }

  #retryOne(tracked: TrackedSubscription, { code, message, retryAfterMs }: Refusal): void {
    const { random, backoff, clock } = this.#options
    tracked.backoff ??= new Backoff(random, backoff)
    const pauseMs = tracked.backoff.next(retryAfterMs)
    const cancel = clock.after(pauseMs, () => {
      this.#refusedForNow.delete(tracked)
      this.add(tracked)
    })
    this.#refusedForNow.set(tracked, cancel)
    tracked.sink.state(waiting(code, message, pauseMs))
  }

  /** A subscription has left. */
  #left(): void {
    if (this.#members.size === 0) this.#step('deserted')
    this.#tell()
  }

  #lost(refused: Refusal): void {
    const isOnce = refused.unreadable === true && !this.#unreadable
    this.#unreadable ||= isOnce
    const isForGood = refused.retry === 'no' && !isOnce && !(isProxys(refused) && this.#candidates.count > 1)
    const { members: served, asked, isOfUse } = this.#conversation!
    const vainMs = isOfUse || refused.waits ? undefined : this.#options.clock.monotonicMs() - this.#connectedMs
    this.#loss = { refused, vainMs, served, asked }
    this.#step(isForGood ? 'refused' : 'lost')
  }

  // Changes of the environment

  #happened(what: Happening): void {
    const { clock, hiddenMs } = this.#options
    this.#cancelHidden?.()
    if (what === 'hidden') {
      if (hiddenMs === Number.POSITIVE_INFINITY) return
      this.#cancelHidden = clock.after(hiddenMs, () => {
        this.#hidden = true
        this.#around('due')
      })
    } else if (what === 'visible') {
      this.#hidden = false
      this.check()
    } else if (what !== 'leaving') this.#around(what)
  }

  #around(event: LinkEvent): void {
    if (this.#members.size > 0) this.#step(event)
  }

  // State

  /**
   * Reports a state to all subscriptions. A callback may change the state: the rest have then
   * received the newer one.
   */
  #setState(state: State): void {
    this.#show(state)
    for (const { sink } of this.#members) if (this.#state === state) sink.state(state)
  }

  /** Reports the state while there is a connection, or no subscription. */
  #tell(): void {
    if (this.#members.size === 0) this.#show(idle)
    else if (isAnswered(this.#phase)) {
      const live = [...this.#members].every((tracked) => tracked.live)
      // Until then, events may be in transit that the better transport would lose.
      if (live) this.#better.tryLater(this.#candidates.better)
      this.#show({ name: live ? 'live' : 'catching-up' })
    }
  }

  #show(state: State): void {
    if (this.#phase === 'closed') return
    const isNews = !isSameState(state, this.#state)
    this.#state = state
    if (isNews) this.#listener.state(state)
  }
}
