import { type Delivery, type Gap, type SubscribeOptions, subscribeOptions } from '../wire/frames.ts'
import { decodeSaid, parseAsked } from '../wire/partition-counts.ts'
import { hashOf, isSamePartition, keyOf, type Log, type Position, partitionKeyOf } from '../wire/token.ts'
import type { Backoff } from './backoff.ts'
import type { Refusal, SubscribeRequest } from './connection.ts'
import { leadsBack, positionsOf } from './gap.ts'
import { type PositionChange, ResumePoint } from './resume-point.ts'
import { SeenEvents } from './seen-events.ts'
import type { State } from './state.ts'

/** Whom a subscription's events go to, each synchronously and in order. None of them may throw. */
export interface SubscriptionSink {
  /** False: it wants no more for now; this one it has taken. */
  event(delivery: Delivery, move: PositionChange | undefined): boolean
  gap(gap: Gap, move: PositionChange | undefined): boolean
  /** It stands elsewhere, with nothing to tell. */
  moved(move: PositionChange): void
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
const maxConflictTries = 3

/** As `partitionKeyOf`, by the stream's name. */
export const namedKeyOf = ({ stream = '', partition }: Pick<Delivery, 'stream' | 'partition'>): string =>
  partitionKeyOf({ nameHash: hashOf(stream), partition })

/**
 * One subscription over all of its connections: where it stands, and what is new to it. Its `Service` knows what of that which comes over
 * the present one is for it. The place moves as events are received, ahead of the subscriber's own, which moves as they are handled.
 */
export class TrackedSubscription {
  readonly subject: string
  readonly sink: SubscriptionSink
  readonly resumePoint = new ResumePoint()
  /** Under which it is served by the present connection; 0 = it is not. */
  ref = 0
  /** On the present connection. */
  live = false
  /** Its place names all of its partitions: a gateway has said where it stands, or a token did. */
  hasResumePoint = false
  /** Over SSE or poll, a request for several was refused: this one is to be asked for alone, or was, and is well. */
  alone: 'unneeded' | 'wanted' | 'well' = 'unneeded'
  /** Another history was heard of than it stands in: it is to be asked for alone, until it is live. */
  inConflict = false
  /** The turn in which a gateway last told it everything; -1 = one may have more to say. */
  judged = -1
  /** Of the times that it was refused for now. */
  backoff: Backoff | undefined
  readonly policy: SubscribeOptions['policy']
  /**
   * SSE says positions less often than events: what came until then, by `keyOf` where the stream is known by its position, else by
   * `partitionKeyOf`.
   */
  readonly seen = new Map<string, SeenEvents>()
  /** Of each stream, by `nameHash`, the log that its gateway reads, as it was said last. */
  readonly logs = new Map<number, Log>()
  /** By `keyOf`, where it stood when it was torn last, and how often there. */
  readonly #conflicts = new Map<string, readonly [at: string, times: number]>()
  /** Of each partition, the `repartitioned` that it was told last there, and where it stood then. */
  readonly #repartitioned = new Map<string, string>()
  readonly #start: readonly string[]
  readonly #last: number | undefined
  /** The last events only are being told, until it is live. */
  #givenLast = false

  /** `after` as the protocol takes it; `last` counts only where it holds no token. Throws `bad_token`. */
  constructor(
    subject: string,
    after: readonly string[],
    inflow: SubscriptionSink,
    { last, policy }: SubscribeOptions = {},
  ) {
    this.subject = subject
    this.sink = inflow
    this.policy = policy
    this.#start = after
    this.#last = last
    const parsed = parseAsked(after)
    if (parsed.kind !== 'positions') return
    this.hasResumePoint = true
    this.resumePoint.move({ ...parsed, how: 'all' })
  }

  /** What to ask a gateway for. */
  request(ref: number): SubscribeRequest {
    const { token } = this.resumePoint
    const last = token === undefined ? this.#last : undefined
    const after = token === undefined ? this.#start : [token]
    return { ref, subject: this.subject, after, ...subscribeOptions(last, this.policy) }
  }

  /** What it asks the present connection for. */
  connected(ref: number): SubscribeRequest {
    const request = this.request(ref)
    this.ref = ref
    this.#givenLast = request.last !== undefined
    return request
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
    this.hasResumePoint = true
  }

  becameLive(): void {
    this.live = true
    this.#givenLast = false
  }

  /** It stands there in another history than is heard of. False: it was asked for alone often enough. */
  noteConflict(own: Position): boolean {
    const key = keyOf(own)
    const at = `${own.offset} ${own.generation}`
    const [before, times] = this.#conflicts.get(key) ?? []
    const now = before === at ? times! + 1 : 1
    this.#conflicts.set(key, [at, now])
    this.inConflict = now <= maxConflictTries
    return this.inConflict
  }

  move(move: PositionChange): void {
    this.resumePoint.move(move)
    this.sink.moved(move)
  }

  // Each as `SubscriptionSink.event`

  /** A delivery that is for it, `position` right behind. */
  take(delivery: Delivery, position: Position): boolean {
    const { offset, event } = delivery
    if (offset < (this.resumePoint.at(position)?.offset ?? 0)) return true
    if (this.#seenAt(position)?.has(offset, event)) return true
    const move: PositionChange = { how: 'on', positions: [position] }
    this.resumePoint.move(move)
    return this.sink.event(delivery, move)
  }

  /** A delivery that is for it and says its stream's name: positions come by themselves. */
  takeNamed(delivery: Delivery): boolean {
    const { stream = '', partition, offset, event } = delivery
    const own = this.resumePoint.named(stream, partition)
    const byName = namedKeyOf(delivery)
    const key = own === undefined ? byName : keyOf(own)
    // What came before it had a place there counts from then on as well.
    const seen = this.seen.get(key) ?? this.seen.get(byName) ?? new SeenEvents()
    if (offset < (own?.offset ?? 0) || seen.has(offset, event)) return true
    // Where its place names several incarnations it is not said in which it came.
    if (own === undefined && [...this.seen.values()].some((each) => each.remembers(offset, event))) return true
    if (own !== undefined) this.seen.delete(byName)
    this.seen.set(key, seen)
    seen.took(offset, event)
    // What lies between the last events was not asked for, and is not new when the next connection brings it.
    if (this.#givenLast) seen.skipped(offset)
    return this.sink.event(delivery, undefined)
  }

  takeGap(gap: Gap): boolean {
    const positions = positionsOf(gap)
    // What follows a gap that may lead back is new, whatever its offset. `repartitioned` leads back where it ends below the place there,
    // or in another log; where another tab says so, nothing moves by it.
    const mayLeadBack =
      gap.reason === 'repartitioned'
        ? positions.some((after) => isBeyond(this.resumePoint.at(after)?.offset, after))
        : gap.to === undefined || leadsBack.has(gap.reason)
    if (mayLeadBack) {
      const own = namedKeyOf(gap)
      for (const key of this.seen.keys()) if (key.startsWith(own)) this.seen.delete(key)
    }
    const move: PositionChange = { how: 'to', positions }
    this.resumePoint.move(move)
    return this.sink.gap(gap, move)
  }

  /**
   * Its subjects may have come there. Gateways tell all such partitions again until a position says that all were told: what was told
   * before, and nothing has moved since, is not news. Else an inbox with less room than that would be filled by the same ones each time.
   */
  takeRepartitioned(gap: Gap): boolean {
    const key = namedKeyOf(gap)
    const said = () => `${gap.after} ${positionsOf(gap).map((after) => this.resumePoint.at(after)?.offset)}`
    if (this.#repartitioned.get(key) === said()) return true
    // Where it stands in that partition already it may have come there just now: a position may be another's.
    const isBelow = positionsOf(gap).some((after) => (this.resumePoint.at(after)?.offset ?? -1) < after.offset)
    const room = isBelow ? this.takeGap(gap) : this.sink.gap(gap, undefined)
    this.#repartitioned.set(key, said())
    return room
  }

  /**
   * A gap of a reader that may have been behind this subscription, or is not its reader yet, or not any more. What it passes may have come
   * before; or, where the log was rewritten since, something else under the same offsets: so it is told of where the place is below.
   */
  takeGapIfNews(gap: Gap): boolean {
    const passes = gap.to !== undefined && !leadsBack.has(gap.reason)
    const known = (after: Position) => (passes ? this.resumePoint.at(after)?.offset : this.#known(gap, after))
    const isNews = gap.after === '' || positionsOf(gap).some((after) => isAbout(gap, after, known(after)))
    return isNews ? this.takeGap(gap) : true
  }

  /** A position in a partition that it does not read would pass for its own once its subjects move there. */
  standsIn(gap: Gap): boolean {
    if (gap.after === '') return true
    const { positions } = this.resumePoint
    return positionsOf(gap).some((after) => positions.some((own) => isSamePartition(own, after)))
  }

  #seenAt(position: Position): SeenEvents | undefined {
    if (this.seen.size === 0) return undefined
    return this.seen.get(keyOf(position)) ?? this.seen.get(partitionKeyOf(position))
  }

  /** The next new offset there: over SSE events are ahead of their positions. */
  #known(gap: Gap, position: Position): number | undefined {
    const own = this.resumePoint.at(position)?.offset
    // What came of another log, or of this one before that, says nothing of what is behind the gap.
    if (own === undefined) {
      return gap.reason === 'recreated' || this.standsIn(gap) ? undefined : this.#seenAt(position)?.next
    }
    return Math.max(own, this.seen.get(keyOf(position))?.next ?? 0)
  }
}

/** Whether a gap that ends at `after` is about one who expects the offset `own` next. */
function isAbout({ reason }: Gap, after: Position, own: number | undefined): boolean {
  return reason === 'rewritten' ? isBeyond(own, after) : own === undefined || own < after.offset
}

/** Also where nothing is known. */
const isBeyond = (own: number | undefined, { offset }: Position): boolean => own === undefined || own > offset
