import { type Delivery, type Gap, type SubscribeOptions, subscribeOptions } from '../wire/frames.ts'
import { decodeSaid, parseAsked } from '../wire/partition-counts.ts'
import { hashOf, isSamePartition, keyOf, type Log, type Position, partitionKeyOf } from '../wire/token.ts'
import { Ahead } from './ahead.ts'
import type { Backoff } from './backoff.ts'
import type { Refusal, Wish } from './connection.ts'
import { leadsBack, positionsOf } from './gap.ts'
import { type Move, Place } from './place.ts'
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

/**
 * How often a subscription is asked for alone by one position that is of another history. A gateway may not have heard of the rewrite the
 * first time; one that only carries the position, in a partition that the subject has left, never says anything of it.
 */
const mostTears = 3

/** As `partitionKeyOf`, by the stream's name. */
export const namedKeyOf = ({ stream = '', partition }: Pick<Delivery, 'stream' | 'partition'>): string =>
  partitionKeyOf({ nameHash: hashOf(stream), partition })

/**
 * One subscription over all of its connections: where it stands, and what is new to it. Its `Service` knows what of that which comes over
 * the present one is for it. The place moves as events are received, ahead of the subscriber's own, which moves as they are handled.
 */
export class Followed {
  readonly subject: string
  readonly inflow: Inflow
  readonly place = new Place()
  /** Under which it is served by the present connection; 0 = it is not. */
  ref = 0
  /** On the present connection. */
  live = false
  /** Its place names all of its partitions: a gateway has said where it stands, or a token did. */
  placed = false
  /** Over SSE or poll, a request for several was refused: this one is to be asked for alone, or was, and is well. */
  alone: 'unneeded' | 'wanted' | 'well' = 'unneeded'
  /** Another history was heard of than it stands in: it is to be asked for alone, until it is live. */
  torn = false
  /** The turn in which a gateway last told it everything; -1 = one may have more to say. */
  judged = -1
  /** Of the times that it was refused for now. */
  backoff: Backoff | undefined
  readonly policy: SubscribeOptions['policy']
  /**
   * SSE says positions less often than events: what came until then, by `keyOf` where the stream is known by its position, else by
   * `partitionKeyOf`.
   */
  readonly ahead = new Map<string, Ahead>()
  /** Of each stream, by `nameHash`, the log that its gateway reads, as it was said last. */
  readonly logs = new Map<number, Log>()
  /** By `keyOf`, where it stood when it was torn last, and how often there. */
  readonly #tears = new Map<string, readonly [at: string, times: number]>()
  /** Of each partition, the `repartitioned` that it was told last there, and where it stood then. */
  readonly #repartitioned = new Map<string, string>()
  readonly #start: readonly string[]
  readonly #last: number | undefined
  /** The last events only are being told, until it is live. */
  #givenLast = false

  /** `after` as the protocol takes it; `last` counts only where it holds no token. Throws `bad_token`. */
  constructor(subject: string, after: readonly string[], inflow: Inflow, { last, policy }: SubscribeOptions = {}) {
    this.subject = subject
    this.inflow = inflow
    this.policy = policy
    this.#start = after
    this.#last = last
    const parsed = parseAsked(after)
    if (parsed.kind !== 'positions') return
    this.placed = true
    this.place.move({ ...parsed, how: 'all' })
  }

  /** What to ask a gateway for. */
  wish(ref: number): Wish {
    const { token } = this.place
    const last = token === undefined ? this.#last : undefined
    const after = token === undefined ? this.#start : [token]
    return { ref, subject: this.subject, after, ...subscribeOptions(last, this.policy) }
  }

  /** What it asks the present connection for. */
  connected(ref: number): Wish {
    const wish = this.wish(ref)
    this.ref = ref
    this.#givenLast = wish.last !== undefined
    return wish
  }

  /** Another connection, or none. */
  disconnected(): void {
    this.ref = 0
    this.live = false
    this.#givenLast = false
  }

  /** The gateway says from where it is served. */
  subscribed(after: string): void {
    this.move({ how: 'all', ...decodeSaid(after) })
    this.placed = true
  }

  becameLive(): void {
    this.live = true
    this.#givenLast = false
  }

  /** It stands there in another history than is heard of. False: it was asked for alone often enough. */
  tears(own: Position): boolean {
    const key = keyOf(own)
    const at = `${own.offset} ${own.generation}`
    const [before, times] = this.#tears.get(key) ?? []
    const now = before === at ? times! + 1 : 1
    this.#tears.set(key, [at, now])
    this.torn = now <= mostTears
    return this.torn
  }

  move(move: Move): void {
    this.place.move(move)
    this.inflow.moved(move)
  }

  // Each as `Inflow.event`

  /** A delivery that is for it, `position` right behind. */
  take(delivery: Delivery, position: Position): boolean {
    const { offset, event } = delivery
    if (offset < (this.place.at(position)?.offset ?? 0)) return true
    if (this.#aheadAt(position)?.has(offset, event)) return true
    const move: Move = { how: 'on', positions: [position] }
    this.place.move(move)
    return this.inflow.event(delivery, move)
  }

  /** A delivery that is for it and says its stream's name: positions come by themselves. */
  takeNamed(delivery: Delivery): boolean {
    const { stream = '', partition, offset, event } = delivery
    const own = this.place.named(stream, partition)
    const byName = namedKeyOf(delivery)
    const key = own === undefined ? byName : keyOf(own)
    // What came before it had a place there counts from then on as well.
    const ahead = this.ahead.get(key) ?? this.ahead.get(byName) ?? new Ahead()
    if (offset < (own?.offset ?? 0) || ahead.has(offset, event)) return true
    // Where its place names several incarnations it is not said in which it came.
    if (own === undefined && [...this.ahead.values()].some((each) => each.remembers(offset, event))) return true
    if (own !== undefined) this.ahead.delete(byName)
    this.ahead.set(key, ahead)
    ahead.took(offset, event)
    // What lies between the last events was not asked for, and is not new when the next connection brings it.
    if (this.#givenLast) ahead.skipped(offset)
    return this.inflow.event(delivery, undefined)
  }

  takeGap(gap: Gap): boolean {
    const positions = positionsOf(gap)
    // What follows a gap that may lead back is new, whatever its offset. `repartitioned` leads back where it ends below the place there,
    // or in another log; where another tab says so, nothing moves by it.
    const mayLeadBack =
      gap.reason === 'repartitioned'
        ? positions.some((after) => isBeyond(this.place.at(after)?.offset, after))
        : gap.to === undefined || leadsBack.has(gap.reason)
    if (mayLeadBack) {
      const own = namedKeyOf(gap)
      for (const key of this.ahead.keys()) if (key.startsWith(own)) this.ahead.delete(key)
    }
    const move: Move = { how: 'to', positions }
    this.place.move(move)
    return this.inflow.gap(gap, move)
  }

  /**
   * Its subjects may have come there. Gateways tell all such partitions again until a position says that all were told: what was told
   * before, and nothing has moved since, is not news. Else an inbox with less room than that would be filled by the same ones each time.
   */
  takeRepartitioned(gap: Gap): boolean {
    const key = namedKeyOf(gap)
    const said = () => `${gap.after} ${positionsOf(gap).map((after) => this.place.at(after)?.offset)}`
    if (this.#repartitioned.get(key) === said()) return true
    // Where it stands in that partition already it may have come there just now: a position may be another's.
    const isBelow = positionsOf(gap).some((after) => (this.place.at(after)?.offset ?? -1) < after.offset)
    const room = isBelow ? this.takeGap(gap) : this.inflow.gap(gap, undefined)
    this.#repartitioned.set(key, said())
    return room
  }

  /**
   * A gap of a reader that may have been behind this subscription, or is not its reader yet, or not any more. What it passes may have come
   * before; or, where the log was rewritten since, something else under the same offsets: so it is told of where the place is below.
   */
  takeGapIfNews(gap: Gap): boolean {
    const passes = gap.to !== undefined && !leadsBack.has(gap.reason)
    const known = (after: Position) => (passes ? this.place.at(after)?.offset : this.#known(gap, after))
    const isNews = gap.after === '' || positionsOf(gap).some((after) => isAbout(gap, after, known(after)))
    return isNews ? this.takeGap(gap) : true
  }

  /** A position in a partition that it does not read would pass for its own once its subjects move there. */
  standsIn(gap: Gap): boolean {
    if (gap.after === '') return true
    const { positions } = this.place
    return positionsOf(gap).some((after) => positions.some((own) => isSamePartition(own, after)))
  }

  #aheadAt(position: Position): Ahead | undefined {
    if (this.ahead.size === 0) return undefined
    return this.ahead.get(keyOf(position)) ?? this.ahead.get(partitionKeyOf(position))
  }

  /** The next new offset there: over SSE events are ahead of their positions. */
  #known(gap: Gap, position: Position): number | undefined {
    const own = this.place.at(position)?.offset
    // What came of another log, or of this one before that, says nothing of what is behind the gap.
    if (own === undefined) {
      return gap.reason === 'recreated' || this.standsIn(gap) ? undefined : this.#aheadAt(position)?.next
    }
    return Math.max(own, this.ahead.get(keyOf(position))?.next ?? 0)
  }
}

/** Whether a gap that ends at `after` is about one who expects the offset `own` next. */
function isAbout({ reason }: Gap, after: Position, own: number | undefined): boolean {
  return reason === 'rewritten' ? isBeyond(own, after) : own === undefined || own < after.offset
}

/** Also where nothing is known. */
const isBeyond = (own: number | undefined, { offset }: Position): boolean => own === undefined || own > offset
