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
  /** `http://127.0.0.1:8080`, in order of preference. */
  readonly urls: readonly string[]
  /** In order of preference. */
  readonly transports: readonly Transport[]
  readonly backoff: BackoffOptions
  /** A page that nobody has seen for so long lets go of its connection until it is seen, ms; Infinity = never. */
  readonly hiddenMs: number
  readonly clock: Timing
  readonly random: Random
  readonly environment: Environment
}

export interface LinkListener {
  state(state: State): void
  /** The gateway refuses this client, whatever it follows. Nothing is told after it. */
  refused(refused: Refusal): void
}

interface Loss {
  readonly refused: Refusal
  /** How long it had been there where it brought nothing, ms. */
  readonly vainMs: number | undefined
  /** Whom it served last. */
  readonly served: readonly TrackedSubscription[]
  /** Whom its request named. */
  readonly asked: readonly TrackedSubscription[]
}

/** What failed before a connection is forgotten once it has stood for so long, ms: one that is accepted and then closed is a failure. */
const steadyMs = 5000
/** A connection that nobody uses any more is kept so long, ms: its next user may come at once. */
const lingerMs = 5000
/** A client that is told to be online again waits up to so long, ms: others are told at the same time. */
const onlineSpreadMs = 250

const isAnswered = (phase: Phase): boolean => phase === 'open' || phase === 'streaming'

const idle = waiting('idle', 'nothing is subscribed')

/**
 * A client's one connection, for all that it follows: opens it, opens it again by back-off, here or at another gateway, over this
 * transport or the next. What it does when is in the table of phases (phase.ts); here is how. It knows no sockets and no timers but by
 * contract.
 */
export class Link {
  readonly #options: LinkOptions
  readonly #listener: LinkListener
  readonly #backoff: Backoff
  /** Of shared requests that were left at once, until all have been told everything together: gateways may disagree for a while. */
  readonly #tears: Backoff
  #candidates: Candidates
  /** Who wants to be served. */
  readonly #members = new Set<TrackedSubscription>()
  /** Who was refused for now, and when it is asked for again. */
  readonly #refusedForNow = new Map<TrackedSubscription, () => void>()
  readonly #sharing = new SharedRequestPlanner()
  #conversation: Conversation | undefined
  /** When that was opened. */
  #connectedMs = 0
  readonly #host = this.#makeHost()
  readonly #better: TransportUpgrade
  #phase: Phase = 'idle'
  #cancelAttempt: (() => void) | undefined
  /** No attempt before this, whatever happens: the gateway asked for it. On the monotonic clock. */
  #notBeforeMs = 0
  #cancelLinger: (() => void) | undefined
  #cancelSteady: (() => void) | undefined
  /** What came last time, or shortly before, could not be read. */
  #unreadable = false
  #cancelHidden: (() => void) | undefined
  #hidden = false
  readonly #unwatch: () => void
  #state: State = idle
  /** How the last connection ended. */
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

  /** Other ways from now on: what is connected is left for them. */
  use(transports: readonly Transport[]): void {
    this.#candidates = new Candidates(this.#options.urls, transports)
    this.#backoff.reset()
    this.#step('rerouted')
  }

  /** Asks for a sign of life, and what waits tries at once. */
  check(): void {
    this.#around('retry')
  }

  /** Nothing is told after it. */
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
      for (const { sink: inflow } of this.#conversation?.members ?? []) inflow.state({ name: 'catching-up' })
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
    // Whoever was told may have closed it.
    if (this.#phase !== 'choosing') return
    this.#step(transport.separate ? 'separate' : 'shared')
    this.#connectedMs = this.#options.clock.monotonicMs()
    const whom = { members: this.#members, sharing: this.#sharing, clock: this.#options.clock }
    this.#conversation = new Conversation(candidate, whom, this.#host)
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
   * A request for several: each is asked for alone, so that only those end that are at fault, and then again together. Where each is well by
   * itself they are too many for one request, and who came last has no room.
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

  // What a connection tells

  #makeHost(): ConversationOwner {
    return {
      step: (event) => this.#step(event),
      changed: () => this.#tell(),
      agreed: () => this.#tears.reset(),
      full: (tracked) => this.#park(tracked),
      refused: (tracked, refused) => this.#refusedOne(tracked, refused),
      lost: (refused) => this.#lost(refused),
    }
  }

  /** Its subscriber can't keep up: the gateway's log holds the rest. It comes back by `add` when there is room. */
  #park(tracked: TrackedSubscription): void {
    this.remove(tracked)
    tracked.sink.state(waiting('slow', 'its consumer is behind'))
  }

  /** The connection goes on for the others. */
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

  /** Somebody does not want to be served any more. */
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

  // What happens around it

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

  /** Who is told may change it: those behind are told of that instead. */
  #setState(state: State): void {
    this.#show(state)
    for (const { sink: inflow } of this.#members) if (this.#state === state) inflow.state(state)
  }

  /** The state while there is a connection, or nobody who wants one. */
  #tell(): void {
    if (this.#members.size === 0) this.#show(idle)
    else if (isAnswered(this.#phase)) {
      const live = [...this.#members].every((tracked) => tracked.live)
      // Before that something may be coming which the better one can't bring.
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
