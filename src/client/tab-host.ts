import type { Clock } from '../base/clock.ts'
import { type CarillonError, toCarillonError } from '../base/errors.ts'
import type { Delivery, Gap, ServerFrame } from '../wire/frames.ts'
import type { Refusal, Wish } from './connection.ts'
import { Followed, type Inflow } from './followed.ts'
import type { Link } from './link.ts'
import type { Move } from './place.ts'
import type { State } from './state.ts'
import type { TabMessage, ToHost } from './tab-messages.ts'

/** A tab that has said nothing for so long is gone, ms: browsers let the timers of hidden tabs run once a minute. */
const goneMs = 200_000
/** Frames posted to a tab that it has not said to have taken: beyond that it is let go of. What is posted lies in its memory. */
const maxUntaken = 4096

interface Guest {
  readonly relays: Map<number, Followed>
  heardMs: number
  untaken: number
}

/** Serves the other tabs of the browser over this one's connection, as a gateway would: each of their subscriptions is one more of it. */
export class TabHost {
  readonly #link: Link
  readonly #post: (message: TabMessage) => void
  readonly #clock: Clock
  readonly #guests = new Map<string, Guest>()
  #cancelSweep: (() => void) | undefined
  #hosting = true

  constructor(link: Link, post: (message: TabMessage) => void, clock: Clock) {
    this.#link = link
    this.#post = post
    this.#clock = clock
    post({ kind: 'hosting' })
  }

  /** The link's state is the guests' as well: while there is no connection they wait like this tab. */
  linkIs(state: State): void {
    const lost = state.name === 'waiting' && state.reason.code !== 'idle'
    if (lost && this.#hosting) {
      this.#hosting = false
      this.#dismissAll()
      this.#post({ kind: 'not-hosting', refused: refusedBy(state) })
    } else if (!lost && !this.#hosting && state.name !== 'connecting') {
      this.#hosting = true
      this.#post({ kind: 'hosting' })
    }
  }

  heard(message: TabMessage): void {
    if (message.kind !== 'to-host' || !this.#hosting) return
    const { from, asks } = message
    if (asks.kind === 'open') this.#guests.set(from, { relays: new Map(), heardMs: 0, untaken: 0 })
    const guest = this.#guests.get(from)
    if (asks.kind === 'bye') this.#dismiss(from)
    else if (guest === undefined) this.#post({ kind: 'to-guest', to: from, frame: undefined })
    else this.#asked(from, guest, asks)
  }

  close(refused: Refusal | undefined): void {
    this.#cancelSweep?.()
    this.#dismissAll()
    this.#post({ kind: 'not-hosting', refused })
  }

  #asked(from: string, guest: Guest, asks: ToHost['asks']): void {
    guest.heardMs = this.#clock.monotonicMs()
    this.#cancelSweep ??= this.#clock.after(goneMs, () => this.#sweep())
    if (asks.kind === 'subscribe') this.#subscribe(from, guest, asks.wish)
    else if (asks.kind === 'unsubscribe') this.#end(guest, asks.ref)
    else {
      guest.untaken = 0
      this.#tell(from, { kind: 'pong', t: 0, nowUs: this.#clock.nowUs(), after: '' })
    }
  }

  #subscribe(from: string, guest: Guest, { ref, subject, after, ...how }: Wish): void {
    try {
      const relay = new Relay(ref, (frame) => this.#tell(from, frame))
      const followed = new Followed(subject, after, relay, how)
      relay.followed = followed
      guest.relays.set(ref, followed)
      this.#link.add(followed)
    } catch (error) {
      const { code, message }: CarillonError = toCarillonError(error)
      this.#tell(from, { kind: 'error', ref, code, message, retryAfterMs: 0 })
    }
  }

  #end({ relays }: Guest, ref: number): void {
    const followed = relays.get(ref)
    if (followed !== undefined) this.#link.remove(followed)
    relays.delete(ref)
  }

  #dismiss(from: string): void {
    const guest = this.#guests.get(from)
    for (const followed of guest?.relays.values() ?? []) this.#link.remove(followed)
    this.#guests.delete(from)
  }

  #dismissAll(): void {
    for (const from of [...this.#guests.keys()]) this.#dismiss(from)
  }

  #sweep(): void {
    const oldest = this.#clock.monotonicMs() - goneMs
    for (const [from, { heardMs }] of [...this.#guests]) if (heardMs <= oldest) this.#dismiss(from)
    this.#cancelSweep = this.#guests.size === 0 ? undefined : this.#clock.after(goneMs, () => this.#sweep())
  }

  #tell(to: string, frame: ServerFrame): void {
    const guest = this.#guests.get(to)
    if (guest === undefined) return
    if (++guest.untaken > maxUntaken) {
      this.#dismiss(to)
      this.#post({ kind: 'to-guest', to, frame: undefined })
    } else this.#post({ kind: 'to-guest', to, frame })
  }
}

/** One subscription of another tab: what comes for it goes there, under its ref. Its tab holds it back, not this one. */
class Relay implements Inflow {
  followed: Followed | undefined
  readonly #refs: readonly number[]
  readonly #ref: number
  readonly #tell: (frame: ServerFrame) => void
  /** Events were told without their positions, as over SSE: the next position is theirs. */
  #positionOwed = false

  constructor(ref: number, tell: (frame: ServerFrame) => void) {
    this.#ref = ref
    this.#refs = [ref]
    this.#tell = tell
  }

  event(delivery: Delivery, move: Move | undefined): boolean {
    this.#positionOwed ||= move === undefined
    this.#tell({ ...delivery, refs: this.#refs, after: move === undefined ? '' : delivery.after })
    return true
  }

  gap(gap: Gap): boolean {
    this.#tell({ ...gap, refs: this.#refs })
    return true
  }

  moved({ how }: Move): void {
    const after = this.followed?.place.token
    if (after === undefined || (how !== 'all' && !this.#positionOwed)) return
    this.#positionOwed = false
    this.#tell({ kind: 'subscribed', ref: this.#ref, after })
  }

  live(): void {
    const after = this.followed?.place.token
    if (after !== undefined) this.#tell({ kind: 'subscribed', ref: this.#ref, after })
    this.#tell({ kind: 'live', ref: this.#ref })
  }

  state(): void {}

  refused({ code, message, retryAfterMs }: Refusal): void {
    this.#tell({ kind: 'error', ref: this.#ref, code, message, retryAfterMs })
  }
}

function refusedBy(state: State): Refusal | undefined {
  if (state.name !== 'waiting' || state.reason.code === 'lost') return undefined
  return { ...state.reason, retryAfterMs: 0, final: false }
}
