import type { Timing } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { Backoff, type BackoffOptions } from './backoff.ts'
import { Better } from './better.ts'
import { Candidates } from './candidates.ts'
import type { Refusal, Transport } from './connection.ts'
import { Conversation, type ConversationHost } from './conversation.ts'
import type { Environment, Happening } from './environment.ts'
import type { Followed } from './followed.ts'
import { isProxys } from './refusal.ts'
import { type Share, Sharing } from './share.ts'
import { isSameState, type State, waiting } from './state.ts'

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

/** A connection that nobody uses any more is kept so long, ms: its next user may come at once. */
const lingerMs = 5000
/** A client that is told to be online again waits up to so long, ms: others are told at the same time. */
const onlineSpreadMs = 250

const idle = waiting('idle', 'nothing is subscribed')

/**
 * A client's one connection, for all that it follows: opens it, opens it again by back-off, here or at another gateway, over this
 * transport or the next. It knows no sockets and no timers but by contract.
 */
export class Link {
  readonly #options: LinkOptions
  readonly #listener: LinkListener
  readonly #backoff: Backoff
  /** Of shared requests that were left at once, until all have been told everything together: gateways may disagree for a while. */
  readonly #tears: Backoff
  #candidates: Candidates
  /** Who wants to be served. */
  readonly #members = new Set<Followed>()
  /** Who was refused for now, and when it is asked for again. */
  readonly #refusedForNow = new Map<Followed, () => void>()
  readonly #backoffs = new WeakMap<Followed, Backoff>()
  readonly #sharing = new Sharing()
  #conversation: Conversation | undefined
  readonly #host = this.#makeHost()
  readonly #better: Better
  /** The gateway has answered over the present connection. */
  #heard = false
  #cancelAttempt: (() => void) | undefined
  /** No attempt before this, whatever happens: the gateway asked for it. On the monotonic clock. */
  #notBeforeMs = 0
  #cancelLinger: (() => void) | undefined
  #cancelHidden: (() => void) | undefined
  #hidden = false
  readonly #unwatch: () => void
  #state: State = idle
  #closed = false

  constructor(options: LinkOptions, listener: LinkListener) {
    this.#options = options
    this.#listener = listener
    this.#backoff = new Backoff(options.random, options.backoff)
    this.#tears = new Backoff(options.random, options.backoff)
    this.#candidates = new Candidates(options.urls, options.transports)
    this.#better = new Better(options.clock, () => {
      this.#candidates.useBetter()
      this.#open()
    })
    this.#unwatch = options.environment.watch((what) => this.#happened(what))
  }

  get state(): State {
    return this.#state
  }

  add(followed: Followed): void {
    if (this.#closed || this.#members.has(followed)) return
    this.#members.add(followed)
    this.#cancelLinger?.()
    this.#cancelLinger = undefined
    if (this.#conversation === undefined) {
      if (this.#cancelAttempt === undefined) this.#attemptAfter(0)
      else if (this.#state !== idle) followed.inflow.state(this.#state)
    } else if (this.#conversation.separate) {
      this.#conversation.add(followed)
      followed.inflow.state(this.#heard ? { name: 'catching-up' } : this.#state)
    } else this.#reopen()
    this.#tell()
  }

  remove(followed: Followed): void {
    this.#refusedForNow.get(followed)?.()
    this.#refusedForNow.delete(followed)
    if (!this.#members.delete(followed)) return
    if (followed.ref !== 0) {
      this.#conversation?.remove(followed)
      if (!this.#conversation?.separate && this.#members.size > 0) this.#reopen()
    }
    this.#left()
  }

  /** Other ways from now on: what is connected is left for them. */
  use(transports: readonly Transport[]): void {
    this.#candidates = new Candidates(this.#options.urls, transports)
    this.#backoff.reset()
    this.#letGo()
    if (!this.#closed && this.#members.size > 0) this.#attemptAfter(0)
  }

  /** Nothing is told after it. */
  close(): void {
    this.#closed = true
    this.#unwatch()
    this.#letGo()
    this.#cancelHidden?.()
    for (const cancel of this.#refusedForNow.values()) cancel()
    this.#members.clear()
  }

  // Opening and leaving

  #attemptAfter(ms: number): void {
    const { clock } = this.#options
    const waitMs = Math.max(ms, this.#notBeforeMs - clock.monotonicMs())
    this.#cancelAttempt?.()
    this.#cancelAttempt = clock.after(waitMs, () => {
      this.#cancelAttempt = undefined
      this.#open()
    })
  }

  /** A shared connection serves whom it was opened for: for others it is opened again, once for all that change together. */
  #reopen(): void {
    if (this.#cancelAttempt === undefined) this.#attemptAfter(0)
  }

  #open(): void {
    this.#letGo()
    if (this.#closed || this.#members.size === 0) return
    if (!this.#options.environment.online()) this.#setState(waiting('offline', 'the device is offline'))
    else if (this.#hidden) this.#setState(waiting('hidden', 'the page is hidden'))
    else this.#connect()
  }

  #connect(): void {
    const candidate = this.#candidates.current
    const { url, transport } = candidate
    this.#heard = false
    const members = [...this.#members]
    const share = transport.separate ? undefined : this.#sharing.next(members)
    this.#setState({ name: 'connecting', url, transport: transport.name })
    this.#conversation = new Conversation(candidate, { members, share, clock: this.#options.clock }, this.#host)
  }

  #makeHost(): ConversationHost {
    return {
      heard: () => this.#works(),
      serves: () => this.#backoff.reset(),
      changed: () => this.#tell(),
      judged: (members) => {
        this.#sharing.live(members)
        if (members.length === this.#members.size) this.#tears.reset()
      },
      outdated: () => this.#reopen(),
      torn: (share) => this.#torn(share),
      full: (followed) => this.#park(followed),
      again: (followed) => {
        this.remove(followed)
        this.add(followed)
      },
      refused: (followed, refused) => {
        this.#conversation?.forget(followed)
        this.#refusedOne(followed, refused)
      },
      lost: (refused) => this.#lost(refused),
    }
  }

  /** Leaves the present connection without a word. */
  #letGo(): void {
    this.#conversation?.close()
    this.#conversation = undefined
    this.#better.stop()
    this.#cancelAttempt?.()
    this.#cancelAttempt = undefined
    this.#cancelLinger?.()
    this.#cancelLinger = undefined
  }

  /** Somebody does not want to be served any more. */
  #left(): void {
    if (this.#members.size === 0 && this.#conversation !== undefined && this.#cancelLinger === undefined) {
      if (this.#conversation.separate) this.#cancelLinger = this.#options.clock.after(lingerMs, () => this.#letGo())
      else this.#letGo()
    }
    this.#tell()
  }

  // What a connection tells

  #torn(share: Share): void {
    if (!this.#sharing.isOther(share, [...this.#members])) return
    // What it still brings would carry them along.
    this.#letGo()
    this.#attemptAfter(this.#tears.next(0))
    this.#setState({ name: 'catching-up' })
  }

  /** The gateway has answered. */
  #works(): void {
    if (this.#heard) return
    this.#heard = true
    for (const { inflow } of this.#conversation?.members ?? []) inflow.state({ name: 'catching-up' })
    this.#tell()
    const { better } = this.#candidates
    if (better !== undefined) this.#better.tryLater(better)
  }

  /** Its subscriber can't keep up: the gateway's log holds the rest. It comes back by `add` when there is room. */
  #park(followed: Followed): void {
    this.remove(followed)
    followed.inflow.state(waiting('slow', 'its consumer is behind'))
  }

  /** The connection goes on for the others. */
  #refusedOne(followed: Followed, refused: Refusal): void {
    this.#members.delete(followed)
    if (refused.final) followed.inflow.refused(refused)
    else this.#retryOne(followed, refused)
    this.#left()
  }

  #retryOne(followed: Followed, { code, message, retryAfterMs }: Refusal): void {
    const { random, backoff, clock } = this.#options
    const own = this.#backoffs.get(followed) ?? new Backoff(random, backoff)
    this.#backoffs.set(followed, own)
    const pauseMs = own.next(retryAfterMs)
    const cancel = clock.after(pauseMs, () => {
      this.#refusedForNow.delete(followed)
      this.add(followed)
    })
    this.#refusedForNow.set(followed, cancel)
    followed.inflow.state(waiting(code, message, pauseMs))
  }

  #lost(refused: Refusal | undefined): void {
    const { url } = this.#candidates.current
    const { separate = true, members: served = [] } = this.#conversation ?? {}
    this.#letGo()
    if (this.#members.size === 0) return
    if (refused?.final && !(isProxys(refused) && this.#candidates.count > 1)) {
      if (separate) this.#listener.refused(refused)
      else this.#sharedRefused(refused, served)
      return
    }
    this.#candidates.lost(this.#heard)
    const { code, message, retryAfterMs } = refused ?? {
      code: 'lost',
      message: `no connection to ${url}`,
      retryAfterMs: 0,
    }
    this.#notBeforeMs = this.#options.clock.monotonicMs() + retryAfterMs
    const pauseMs = this.#backoff.next(retryAfterMs)
    this.#attemptAfter(pauseMs)
    this.#setState(waiting(code, message, pauseMs))
  }

  /** A request for several: each is asked for alone, so that only those end that are at fault, and then again together. */
  #sharedRefused(refused: Refusal, served: readonly Followed[]): void {
    const isClear = served.length === 1 || served.every(({ alone }) => alone === 'well')
    for (const followed of served) {
      if (isClear) this.#refusedOne(followed, refused)
      else followed.alone = 'wanted'
    }
    if (this.#members.size > 0) this.#attemptAfter(0)
  }

  // What happens around it

  #happened(what: Happening): void {
    const { clock, hiddenMs, random } = this.#options
    this.#cancelHidden?.()
    if (what === 'hidden') {
      if (hiddenMs < Number.POSITIVE_INFINITY) this.#cancelHidden = clock.after(hiddenMs, () => this.#hide())
      return
    }
    if (what === 'leaving') return
    if (what === 'visible') this.#hidden = false
    if (this.#members.size === 0) return
    if (this.#conversation !== undefined) {
      if (!this.#conversation.check() && what === 'online') this.#open()
    } else if (what === 'offline') this.#open()
    else {
      if (what === 'online') this.#backoff.reset()
      this.#attemptAfter(what === 'online' ? random.next() * onlineSpreadMs : 0)
    }
  }

  #hide(): void {
    this.#hidden = true
    if (this.#members.size > 0) this.#open()
  }

  // State

  #setState(state: State): void {
    for (const { inflow } of this.#members) inflow.state(state)
    this.#show(state)
  }

  /** The state while there is a connection, or nobody who wants one. */
  #tell(): void {
    if (this.#members.size === 0) this.#show(idle)
    else if (this.#conversation !== undefined && this.#heard) {
      const live = [...this.#members].every((followed) => followed.live)
      this.#show({ name: live ? 'live' : 'catching-up' })
    }
  }

  #show(state: State): void {
    if (this.#closed || isSameState(state, this.#state)) return
    this.#state = state
    this.#listener.state(state)
  }
}
