import { matches } from '../subject/subject.ts'
import { type Delivery, type Gap, type SubscribeOptions, subscribeOptions } from '../wire/frames.ts'
import { decodeToken, type Position, parseAfter } from '../wire/token.ts'
import type { Refusal, Wish } from './connection.ts'
import { keyOf, type Move, Place } from './place.ts'
import type { State } from './state.ts'

/** Whom a subscription's events go to, each synchronously and in order. None of them may throw. */
export interface Inflow {
  /** False: it wants no more for now; this one it has taken. */
  event(delivery: Delivery, move: Move | undefined): boolean
  gap(gap: Gap, move: Move | undefined): boolean
  /** It stands elsewhere, with nothing to tell. */
  moved(move: Move): void
  /** Everything missed has been told. */
  live(): void
  state(state: State): void
  /** It can't be served, ever. */
  refused(refused: Refusal): void
}

/** Events that wait for `live`, in number: beyond that the gateway is asked again for all of them. */
const maxHeld = 256

/**
 * One subscription as its connections know it: where it stands, what of that which comes is new to it, and whether it is live on the
 * present connection. The place moves as events are received, ahead of the subscriber's own, which moves as they are handled.
 */
export class Followed {
  readonly subject: string
  readonly inflow: Inflow
  readonly place = new Place()
  /** Under which it is served by the present connection; 0 = it is not. */
  ref = 0
  live = false
  /** Its place names all of its partitions: a gateway has said where it stands, or a token did. */
  placed = false
  /** Over SSE or poll, a request for several was refused: this one is to be asked for alone, or was, and is well. */
  alone: 'unneeded' | 'wanted' | 'well' = 'unneeded'
  readonly policy: SubscribeOptions['policy']
  readonly #start: readonly string[]
  readonly #last: number | undefined
  /** Events that name no ref, from before it was told to be live: only then it is clear whether they were for it. */
  #held: (Delivery | Gap)[] = []
  #heldTooMuch = false
  /**
   * SSE says positions less often than events: the next new offset until then, by `keyOf` where the stream is known by its position,
   * else by its name and partition.
   */
  readonly #next = new Map<string, number>()

  /** `after` as the protocol takes it; `last` counts only where it holds no token. Throws `bad_token`. */
  constructor(subject: string, after: readonly string[], inflow: Inflow, { last, policy }: SubscribeOptions = {}) {
    this.subject = subject
    this.inflow = inflow
    this.policy = policy
    this.#start = after
    this.#last = last
    const parsed = parseAfter(after)
    if (parsed.kind !== 'positions') return
    this.placed = true
    this.place.move({ how: 'all', positions: parsed.positions })
  }

  /** What to ask a gateway for. */
  wish(ref: number): Wish {
    const token = this.placed ? this.place.token : undefined
    const last = token === undefined ? this.#last : undefined
    const after = token === undefined ? this.#start : [token]
    return { ref, subject: this.subject, after, ...subscribeOptions(last, this.policy) }
  }

  /** Another connection, or none. */
  disconnected(): void {
    this.ref = 0
    this.live = false
    this.#held = []
    this.#heldTooMuch = false
  }

  // A connection on which it has a position of its own

  /** The gateway says from where it is served. */
  subscribed(after: string): void {
    this.#move({ how: 'all', positions: decodeToken(after) })
    this.placed = true
  }

  /** A delivery that names it. False as `Inflow.event`. */
  take(delivery: Delivery, position: Position): boolean {
    const known = Math.max(this.place.at(position)?.offset ?? 0, this.#next.get(keyOf(position)) ?? 0)
    if (delivery.offset < known) return true
    const move: Move = { how: 'on', positions: [position] }
    this.place.move(move)
    return this.inflow.event(delivery, move)
  }

  /** A delivery to every subscription that is live in its partition and matches. */
  common(delivery: Delivery, position: Position): boolean {
    const matching = matches(this.subject, delivery.event.subject)
    if (!this.live) {
      if (matching) this.#hold(delivery)
      return true
    }
    if (matching) return this.take(delivery, position)
    // One reader serves all that are live: it has passed this one's events before that as well.
    if (this.place.at(position) !== undefined) this.#move({ how: 'on', positions: [position] })
    return true
  }

  /** The gateway says where what is live stands: what is quiet stays near the head. */
  renewed(positions: readonly Position[]): void {
    if (!this.live) return
    const ahead = positions.filter(
      (position) => (this.place.at(position)?.offset ?? Number.POSITIVE_INFINITY) < position.offset,
    )
    if (ahead.length > 0) this.#move({ how: 'on', positions: ahead })
  }

  gapNamed(gap: Gap): boolean {
    // It joins in another partition now, and is told to be live there as at the start.
    if (gap.reason === 'repartitioned') this.live = false
    return this.#gap(gap)
  }

  gapCommon(gap: Gap): boolean {
    if (this.live) return this.#gap(gap)
    this.#hold(gap)
    return true
  }

  /** What it missed has been told. `again`: not all could be kept meanwhile, it is to be asked for anew. */
  becameLive(): 'live' | 'full' | 'again' {
    const held = this.#held
    const again = this.#heldTooMuch
    this.#held = []
    this.#heldTooMuch = false
    if (again) return 'again'
    this.live = true
    let room = true
    for (const frame of held) {
      if (frame.kind === 'gap') room = this.#gapIfNews(frame) && room
      else room = this.take(frame, decodeToken(frame.after)[0]!) && room
    }
    this.inflow.live()
    return room ? 'live' : 'full'
  }

  // A connection on which all share one position

  shared(delivery: Delivery): boolean {
    if (!matches(this.subject, delivery.event.subject)) return true
    const { stream, partition, offset } = delivery
    if (stream === undefined) return this.take(delivery, decodeToken(delivery.after)[0]!)
    const own = this.place.named(stream, partition)
    const key = own === undefined ? `${stream}/${partition}` : keyOf(own)
    if (offset < Math.max(own?.offset ?? 0, this.#next.get(key) ?? 0)) return true
    this.#next.set(key, offset + 1)
    return this.inflow.event(delivery, undefined)
  }

  gapShared(gap: Gap): boolean {
    return this.#gapIfNews(gap)
  }

  /**
   * All stand there, or further on. A position in a partition that it did not know is its own when it is `alone`, or not placed:
   * otherwise it is another one's.
   */
  together(positions: readonly Position[], alone: boolean): void {
    const own =
      alone || !this.placed ? positions : positions.filter((position) => this.place.at(position) !== undefined)
    this.#move({ how: 'on', positions: own })
    this.placed = true
  }

  #move(move: Move): void {
    this.place.move(move)
    this.inflow.moved(move)
  }

  /** In one partition, what names no ref is for those that are live; in several, it may be live in some and behind in others. */
  #hold(frame: Delivery | Gap): void {
    if (this.place.size <= 1 || this.#heldTooMuch) return
    this.#held.push(frame)
    if (this.#held.length <= maxHeld) return
    this.#heldTooMuch = true
    this.#held = []
  }

  #gap(gap: Gap): boolean {
    // What follows a gap is new, whatever its offset.
    this.#next.delete(`${gap.stream}/${gap.partition}`)
    const positions = gap.after === '' ? [] : decodeToken(gap.after)
    for (const position of positions) this.#next.delete(keyOf(position))
    const move: Move = { how: 'to', positions }
    this.place.move(move)
    return this.inflow.gap(gap, move)
  }

  /** A gap of a reader that may have been behind this subscription, or is not its reader yet. */
  #gapIfNews(gap: Gap): boolean {
    const isNews = gap.after === '' || decodeToken(gap.after).some((after) => isAbout(gap, after, this.place.at(after)))
    return isNews ? this.#gap(gap) : true
  }
}

/** Whether a gap that ends at `after` is about one who stands at `own`. */
function isAbout({ reason }: Gap, after: Position, own: Position | undefined): boolean {
  if (own === undefined) return true
  return reason === 'rewritten' ? own.offset > after.offset : own.offset < after.offset
}
