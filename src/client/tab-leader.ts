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

/** A tab that has said nothing for so long is gone, ms: browsers let the timers of hidden tabs run once a minute. */
const goneMs = 200_000
/** Frames posted to a tab that it has not said to have taken: beyond that it is let go of. What is posted lies in its memory. */
const maxUntaken = 4096

export interface TabLeaderOptions {
  readonly clock: Timing
  readonly random: Random
}

interface Guest {
  /** By ref. */
  readonly relays: Map<number, Relay>
  heardMs: number
  untaken: number
}

/** Serves other tabs of the browser over its own connection, as a gateway would: each of their subscriptions is one more of it. */
export class TabLeader {
  readonly #link: Link
  readonly #post: (message: ToFollower | Leading | NotLeading) => void
  readonly #clock: Timing
  readonly #guests = new Map<string, Guest>()
  #cancelSweep: (() => void) | undefined
  /** Why there is no connection; undefined while there is one, or one is being made. */
  #away: Refusal | undefined

  constructor(link: Link, post: (message: FromLeader) => void, { clock, random }: TabLeaderOptions) {
    const by = `${random.next()}`
    this.#link = link
    this.#post = (message) => post({ ...message, by })
    this.#clock = clock
    this.#post({ kind: 'hosting' })
  }

  /** The link's state is the guests' as well: while there is no connection they wait like this tab. */
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
    if (asks.kind === 'open') this.#guests.set(from, { relays: new Map(), heardMs: 0, untaken: 0 })
    const guest = this.#guests.get(from)
    if (asks.kind === 'bye') this.#dismiss(from)
    else if (guest === undefined) this.#post({ kind: 'to-guest', to: from, frame: undefined })
    else this.#asked(from, guest, asks)
  }

  close(): void {
    this.#cancelSweep?.()
    this.#leave(lost('another tab', 'it let go'))
  }

  #asked(from: string, guest: Guest, asks: ToLeader['asks']): void {
    guest.heardMs = this.#clock.monotonicMs()
    this.#cancelSweep ??= this.#clock.after(goneMs, () => this.#sweep())
    if (asks.kind === 'subscribe') this.#subscribe(from, guest, asks.wish)
    else if (asks.kind === 'unsubscribe') this.#end(guest, asks.ref)
    else {
      guest.untaken = 0
      // Positions are frames as well: an answer of positions to so many frames would be the reason of the next one.
      if (asks.kind === 'taken') return
      if (asks.kind === 'check') this.#link.check()
      for (const relay of guest.relays.values()) relay.renew()
      this.#tell(from, { kind: 'pong', t: 0, nowUs: 0, after: '' })
    }
  }

  #subscribe(from: string, guest: Guest, wish: SubscribeRequest): void {
    try {
      const relay = new Relay(wish, (frame) => this.#tell(from, frame))
      guest.relays.set(wish.ref, relay)
      this.#link.add(relay.followed)
    } catch (error) {
      this.#tell(from, { kind: 'error', ref: wish.ref, ...failure(error) })
    }
  }

  #end({ relays }: Guest, ref: number): void {
    const relay = relays.get(ref)
    if (relay !== undefined) this.#link.remove(relay.followed)
    relays.delete(ref)
  }

  #dismiss(from: string): void {
    const guest = this.#guests.get(from)
    for (const { followed: tracked } of guest?.relays.values() ?? []) this.#link.remove(tracked)
    this.#guests.delete(from)
  }

  #leave(refused: Refusal): void {
    for (const [from, { relays }] of [...this.#guests]) {
      for (const relay of relays.values()) relay.renew()
      this.#dismiss(from)
    }
    this.#post({ kind: 'not-hosting', refused })
  }

  #sweep(): void {
    const oldest = this.#clock.monotonicMs() - goneMs
    for (const [from, { heardMs }] of [...this.#guests]) if (heardMs <= oldest) this.#dismiss(from)
    this.#cancelSweep = this.#guests.size === 0 ? undefined : this.#clock.after(goneMs, () => this.#sweep())
  }

  #tell(to: string, frame: ServerFrame): void {
    const guest = this.#guests.get(to)
    if (guest === undefined) return
    const isTooMuch = ++guest.untaken > maxUntaken
    if (isTooMuch) this.#dismiss(to)
    this.#post({ kind: 'to-guest', to, frame: isTooMuch ? undefined : frame })
  }
}

/** One subscription of another tab: what comes for it goes there, under its ref. Its tab holds it back, not this one. */
class Relay implements SubscriptionSink {
  readonly followed: TrackedSubscription
  readonly #ref: number
  readonly #tell: (frame: ServerFrame) => void
  /** Its tab knows no position yet, or not all that came with an event or gap, as over SSE: it is told the next one at once. */
  #positionOwed: boolean
  /** It stands further on than its tab knows. */
  #isStale = false

  /** Throws `bad_token`. */
  constructor({ ref, subject, after, ...how }: SubscribeRequest, tell: (frame: ServerFrame) => void) {
    this.followed = new TrackedSubscription(subject, after, this, how)
    this.#positionOwed = !this.followed.hasResumePoint
    this.#ref = ref
    this.#tell = tell
  }

  /** Tells its tab where it stands, unless it knows. What is posted before is what the position covers. */
  renew(): void {
    const { token } = this.followed.resumePoint
    if (!this.#isStale || token === undefined) return
    this.#isStale = false
    this.#tell({ kind: 'subscribed', ref: this.#ref, after: token })
  }

  event(delivery: Delivery, move: PositionChange | undefined): boolean {
    this.#positionOwed ||= move === undefined
    this.#tell({ ...delivery, refs: [this.#ref], after: move === undefined ? '' : delivery.after })
    return true
  }

  gap(gap: Gap, move: PositionChange | undefined): boolean {
    // A gap has the number of partitions before all of them are reported. Only a later position change has it after that.
    const after = move === undefined ? '' : encodeToken(move.positions ?? [])
    this.#positionOwed ||= after !== gap.after
    const relayed: RelayedGap = { ...gap, refs: [this.#ref], after, behind: gap.after }
    this.#tell(relayed)
    // Its tab waits for `live` behind such a gap, which names it there.
    if (gap.reason === 'repartitioned' && this.followed.live) this.live()
    return true
  }

  moved({ how }: PositionChange): void {
    this.#isStale = true
    if (how !== 'all' && !this.#positionOwed) return
    this.#positionOwed = false
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
