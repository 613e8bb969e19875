import type { Timing } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { Delivery, Gap, ServerFrame } from '../wire/frames.ts'
import { encodeToken } from '../wire/token.ts'
import type { Refusal, SubscribeRequest } from './connection.ts'
import type { RelayedGap } from './gap.ts'
import type { Link } from './link.ts'
import { failure, lost } from './refusal.ts'
import type { PositionChange } from './resume-point.ts'
import type { State } from './state.ts'
import type { FromLeader, Leading, NotLeading, TabMessage, ToFollower, ToLeader } from './tab-messages.ts'
import { type SubscriptionSink, TrackedSubscription } from './tracked-subscription.ts'

/**
 * Silence after which a follower counts as gone, ms. Browsers may run the timers of hidden tabs
 * only once a minute.
 */
const goneMs = 200_000
/**
 * Most frames not confirmed by a follower, whose memory holds them. Beyond it, the leader drops
 * it.
 */
const maxUntaken = 4096

export interface TabLeaderOptions {
  readonly clock: Timing
  readonly random: Random
}

interface Follower {
  /** Its subscriptions, by ref. */
  readonly relays: Map<number, Relay>
  heardMs: number
  untaken: number
}

/**
 * Serves follower tabs over its own connection, as a gateway would. Each of their subscriptions is
 * one of the leader's link.
 */
export class TabLeader {
  readonly #link: Link
  readonly #post: (message: ToFollower | Leading | NotLeading) => void
  readonly #clock: Timing
  readonly #followers = new Map<string, Follower>()
  #cancelSweep: (() => void) | undefined
  /** Why there is no connection; undefined while there is one, or one is opening. */
  #away: Refusal | undefined

  constructor(link: Link, post: (message: FromLeader) => void, { clock, random }: TabLeaderOptions) {
    const by = `${random.next()}`
    this.#link = link
    this.#post = (message) => post({ ...message, by })
    this.#clock = clock
    this.#post({ kind: 'hosting' })
  }

  /** Applies the link's state to the followers: without a connection, they wait like this tab. */
  linkIs(state: State): void {
    const reason = state.name === 'waiting' && state.reason.code !== 'idle' ? state.reason : undefined
    if (reason !== undefined) {
      const isNew = this.#away === undefined
      this.#away = { ...reason, retryAfterMs: 0, retry: 'later' }
      if (isNew) this.#leave(this.#away)
    } else if (this.#away !== undefined && state.name !== 'connecting') {
      this.#away = undefined
      this.#post({ kind: 'hosting' })
    }
  }

  heard(message: TabMessage): void {
    if (message.kind !== 'to-host') return
    const { from, asks } = message
    if (this.#away !== undefined) {
      if (asks.kind === 'open') this.#post({ kind: 'not-hosting', refused: this.#away })
      return
    }
    if (asks.kind === 'open') this.#followers.set(from, { relays: new Map(), heardMs: 0, untaken: 0 })
    const follower = this.#followers.get(from)
    if (asks.kind === 'bye') this.#dismiss(from)
    else if (follower === undefined) this.#post({ kind: 'to-guest', to: from, frame: undefined })
    else this.#asked(from, follower, asks)
  }

  close(): void {
    this.#cancelSweep?.()
    this.#leave(lost('another tab', 'it no longer leads'))
  }

  #asked(from: string, follower: Follower, asks: ToLeader['asks']): void {
    follower.heardMs = this.#clock.monotonicMs()
    this.#cancelSweep ??= this.#clock.after(goneMs, () => this.#sweep())
    if (asks.kind === 'subscribe') this.#subscribe(from, follower, asks.wish)
    else if (asks.kind === 'unsubscribe') this.#end(follower, asks.ref)
    else {
      follower.untaken = 0
      // Positions are frames too: answering `taken` with many positions would cause the next
      // `taken`.
      if (asks.kind === 'taken') return
      if (asks.kind === 'check') this.#link.check()
      for (const relay of follower.relays.values()) relay.renew()
      this.#tell(from, { kind: 'pong', t: 0, nowUs: 0, after: '' })
    }
  }

  #subscribe(from: string, follower: Follower, request: SubscribeRequest): void {
    try {
      const relay = new Relay(request, (frame) => this.#tell(from, frame))
      follower.relays.set(request.ref, relay)
      this.#link.add(relay.followed)
    } catch (error) {
      this.#tell(from, { kind: 'error', ref: request.ref, ...failure(error) })
    }
  }

  #end({ relays }: Follower, ref: number): void {
    const relay = relays.get(ref)
    if (relay !== undefined) this.#link.remove(relay.followed)
    relays.delete(ref)
  }

  #dismiss(from: string): void {
    const follower = this.#followers.get(from)
    for (const { followed: tracked } of follower?.relays.values() ?? []) this.#link.remove(tracked)
    this.#followers.delete(from)
  }

  #leave(refused: Refusal): void {
    for (const [from, { relays }] of [...this.#followers]) {
      for (const relay of relays.values()) relay.renew()
      this.#dismiss(from)
    }
    this.#post({ kind: 'not-hosting', refused })
  }

  #sweep(): void {
    const oldest = this.#clock.monotonicMs() - goneMs
    for (const [from, { heardMs }] of [...this.#followers]) if (heardMs <= oldest) this.#dismiss(from)
    this.#cancelSweep = this.#followers.size === 0 ? undefined : this.#clock.after(goneMs, () => this.#sweep())
  }

  #tell(to: string, frame: ServerFrame): void {
    const follower = this.#followers.get(to)
    if (follower === undefined) return
    const isTooMuch = ++follower.untaken > maxUntaken
    if (isTooMuch) this.#dismiss(to)
    this.#post({ kind: 'to-guest', to, frame: isTooMuch ? undefined : frame })
  }
}

/**
 * Relays one subscription of a follower, under its ref. Back-pressure is the follower's business.
 */
class Relay implements SubscriptionSink {
  readonly followed: TrackedSubscription
  readonly #ref: number
  readonly #tell: (frame: ServerFrame) => void
  /**
   * The follower misses a position: it has none yet, or an event or gap came without one, as over
   * SSE. The next position goes to it at once.
   */
  #needsPosition: boolean
  /** The position has moved since the follower last received it. */
  #isStale = false

  /** Throws `bad_token`. */
  constructor({ ref, subject, after, ...how }: SubscribeRequest, tell: (frame: ServerFrame) => void) {
    this.followed = new TrackedSubscription(subject, after, this, how)
    this.#needsPosition = !this.followed.hasResumePoint
    this.#ref = ref
    this.#tell = tell
  }

  /**
   * Sends the position unless the follower has it. All frames that it covers were posted before.
   */
  renew(): void {
    const { token } = this.followed.resumePoint
    if (!this.#isStale || token === undefined) return
    this.#isStale = false
    this.#tell({ kind: 'subscribed', ref: this.#ref, after: token })
  }

  event(delivery: Delivery, move: PositionChange | undefined): boolean {
    this.#needsPosition ||= move === undefined
    this.#tell({ ...delivery, refs: [this.#ref], after: move === undefined ? '' : delivery.after })
    return true
  }

  gap(gap: Gap, move: PositionChange | undefined): boolean {
    // A gap has the number of partitions before all of them are reported. The follower gets the
    // number with a later position change.
    const after = move === undefined ? '' : encodeToken(move.positions ?? [])
    this.#needsPosition ||= after !== gap.after
    const relayed: RelayedGap = { ...gap, refs: [this.#ref], after, behind: gap.after }
    this.#tell(relayed)
    // After such a gap the follower waits for `live` with its ref.
    if (gap.reason === 'repartitioned' && this.followed.live) this.live()
    return true
  }

  moved({ how }: PositionChange): void {
    this.#isStale = true
    if (how !== 'all' && !this.#needsPosition) return
    this.#needsPosition = false
    this.renew()
  }

  live(): void {
    this.renew()
    this.#tell({ kind: 'live', ref: this.#ref })
  }

  state(): void {}

  refused(refused: Refusal): void {
    this.#tell({ kind: 'error', ref: this.#ref, ...refused })
  }
}
