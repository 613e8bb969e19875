import { type Delivery, type Gap, type SubscribeOptions, subscribeOptions } from '../wire/frames.ts'
import { decodeSaid, parseAsked } from '../wire/partition-counts.ts'
import { hashOf, isSamePartition, keyOf, type Log, type Position, partitionKeyOf } from '../wire/token.ts'
import type { Backoff } from './backoff.ts'
import type { Refusal, SubscribeRequest } from './connection.ts'
import { leadsBack, positionsOf } from './gap.ts'
import { type PositionChange, ResumePoint } from './resume-point.ts'
import { SeenEvents } from './seen-events.ts'
import type { State } from './state.ts'

/**
 * Receives a subscription's events, each synchronously and in order. None of its methods may
 * throw.
 */
export interface SubscriptionSink {
  /** Takes an event. Returns false if the sink wants no more for now. */
  event(delivery: Delivery, move: PositionChange | undefined): boolean
  gap(gap: Gap, move: PositionChange | undefined): boolean
  /** The position has moved without an event or gap. */
  moved(move: PositionChange): void
  /** All missed events have been passed on. */
  live(): void
  state(state: State): void
  /** The subscription is refused for good. */
  refused(refused: Refusal): void
}

/**
 * Most requests of a subscription alone because of one position in another history. A gateway may
 * not know of the rewrite the first time. It never reports one for a position that is only
 * carried, in a partition that the subject has left.
 */
const maxConflictTries = 3

/** As `partitionKeyOf`, with the stream's name. */
export const namedKeyOf = ({ stream = '', partition }: Pick<Delivery, 'stream' | 'partition'>): string =>
  partitionKeyOf({ nameHash: hashOf(stream), partition })

/**
 * One subscription over all of its connections: its resume point, and which events are new. Its
 * `Service` selects the frames of the present connection that are for it. The resume point moves
 * as events are received, ahead of the consumer's position, which moves as they are handled.
 */
export class TrackedSubscription {
  readonly subject: string
  readonly sink: SubscriptionSink
  readonly resumePoint = new ResumePoint()
  /** Ref on the present connection; 0 = not served. */
  ref = 0
  /** Whether it is live on the present connection. */
  live = false
  /** The resume point has all of its partitions, from a gateway or a token. */
  hasResumePoint = false
  /**
   * After the refusal of a shared request: `wanted` = it is to be requested alone; `well` = that
   * succeeded.
   */
  alone: 'unneeded' | 'wanted' | 'well' = 'unneeded'
  /** Another history than its own was reported: it is to be requested alone until it is live. */
  inConflict = false
  /** The turn in which a gateway last reported everything; -1 = there may be more to report. */
  judged = -1
  /** Back-off of its temporary refusals. */
  backoff: Backoff | undefined
  readonly policy: SubscribeOptions['policy']
  /**
   * Events since the last position, which SSE sends less often. By `keyOf` if a position
   * identifies the stream, else by `partitionKeyOf`.
   */
  readonly seen = new Map<string, SeenEvents>()
  /** The log of each stream that its gateway last reported to read, by `nameHash`. */
  readonly logs = new Map<number, Log>()
  /** The last conflicting position by `keyOf`, and the number of conflicts at it. */
  readonly #conflicts = new Map<string, readonly [at: string, times: number]>()
  /** The last `repartitioned` gap of each partition, and the offsets at that time. */
  readonly #repartitioned = new Map<string, string>()
  readonly #start: readonly string[]
  readonly #last: number | undefined
  /** The gateway is sending the `last` events; false once it is live. */
  #givenLast = false

  /** `after` as in the protocol; `last` applies only if it holds no token. Throws `bad_token`. */
  constructor(
    subject: string,
    after: readonly string[],
    sink: SubscriptionSink,
    { last, policy }: SubscribeOptions = {},
  ) {
    this.subject = subject
    this.sink = sink
    this.policy = policy
    this.#start = after
    this.#last = last
    const parsed = parseAsked(after)
    if (parsed.kind !== 'positions') return
    this.hasResumePoint = true
    this.resumePoint.move({ ...parsed, how: 'all' })
  }

  /** Returns the request for a gateway. */
  request(ref: number): SubscribeRequest {
    const { token } = this.resumePoint
    const last = token === undefined ? this.#last : undefined
    const after = token === undefined ? this.#start : [token]
    return { ref, subject: this.subject, after, ...subscribeOptions(last, this.policy) }
  }

  /** Attaches to a connection and returns the request for it. */
  connected(ref: number): SubscribeRequest {
    const request = this.request(ref)
    this.ref = ref
    this.#givenLast = request.last !== undefined
    return request
  }

  /** Detaches from its connection. */
  disconnected(): void {
    this.ref = 0
    this.live = false
    this.#givenLast = false
  }

  /** Takes over the start position that the gateway reports. */
  subscribed(after: string): void {
    this.move({ how: 'all', ...decodeSaid(after) })
    this.hasResumePoint = true
  }

  becameLive(): void {
    this.live = true
    this.#givenLast = false
  }

  /**
   * Notes a conflict at its position `own` with another history. Returns false once it has been
   * requested alone often enough.
   */
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

  // Each returns a boolean as `SubscriptionSink.event`

  /** Takes a delivery for this subscription. `position`: the one after the delivery. */
  take(delivery: Delivery, position: Position): boolean {
    const { offset, event } = delivery
    if (offset < (this.resumePoint.at(position)?.offset ?? 0)) return true
    if (this.#seenAt(position)?.has(offset, event)) return true
    const move: PositionChange = { how: 'on', positions: [position] }
    this.resumePoint.move(move)
    return this.sink.event(delivery, move)
  }

  /** Takes a delivery for this subscription that names its stream. Positions arrive separately. */
  takeNamed(delivery: Delivery): boolean {
    const { stream = '', partition, offset, event } = delivery
    const own = this.resumePoint.named(stream, partition)
    const byName = namedKeyOf(delivery)
    const key = own === undefined ? byName : keyOf(own)
    // Events from before it had a position there count as well.
    const seen = this.seen.get(key) ?? this.seen.get(byName) ?? new SeenEvents()
    if (offset < (own?.offset ?? 0) || seen.has(offset, event)) return true
    // With positions in several incarnations, the incarnation of the delivery is unknown.
    if (own === undefined && [...this.seen.values()].some((each) => each.remembers(offset, event))) return true
    if (own !== undefined) this.seen.delete(byName)
    this.seen.set(key, seen)
    seen.took(offset, event)
    // Events between the `last` ones were not requested. They are not new on the next connection.
    if (this.#givenLast) seen.skipped(offset)
    return this.sink.event(delivery, undefined)
  }

  takeGap(gap: Gap): boolean {
    const positions = positionsOf(gap)
    // Everything after a gap that may lead back is new, whatever its offset. `repartitioned` leads
    // back if it ends below the position there, or in another log. Relayed by a leader tab, it
    // moves nothing.
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
   * Takes a gap that reports a partition in which its subjects may be. Gateways repeat the gaps of
   * all such partitions until a position confirms them. A gap since which nothing has moved is not
   * news: otherwise an inbox with less room would be filled by the same gaps each time.
   */
  takeRepartitioned(gap: Gap): boolean {
    const key = namedKeyOf(gap)
    const known = () => `${gap.after} ${positionsOf(gap).map((after) => this.resumePoint.at(after)?.offset)}`
    if (this.#repartitioned.get(key) === known()) return true
    // A position that it has there already may be another subscription's: it may be new there too.
    const isBelow = positionsOf(gap).some((after) => (this.resumePoint.at(after)?.offset ?? -1) < after.offset)
    const room = isBelow ? this.takeGap(gap) : this.sink.gap(gap, undefined)
    this.#repartitioned.set(key, known())
    return room
  }

  /**
   * Takes a gap only if it is news. The gap's reader may have been behind this subscription, or
   * may not be its reader yet or any more. The offsets that it passes may have been received
   * before. If the log was rewritten since, these were different events: such a gap is news where
   * it ends below the position.
   */
  takeGapIfNews(gap: Gap): boolean {
    const passes = gap.to !== undefined && !leadsBack.has(gap.reason)
    const known = (after: Position) => (passes ? this.resumePoint.at(after)?.offset : this.#known(gap, after))
    const isNews = gap.after === '' || positionsOf(gap).some((after) => isAbout(gap, after, known(after)))
    return isNews ? this.takeGap(gap) : true
  }

  /**
   * Whether it has a position in the gap's partition. A position in a partition that it does not
   * read would count as its own once its subjects move there.
   */
  standsIn(gap: Gap): boolean {
    if (gap.after === '') return true
    const { positions } = this.resumePoint
    return positionsOf(gap).some((after) => positions.some((own) => isSamePartition(own, after)))
  }

  #seenAt(position: Position): SeenEvents | undefined {
    if (this.seen.size === 0) return undefined
    return this.seen.get(keyOf(position)) ?? this.seen.get(partitionKeyOf(position))
  }

  /** Returns the next new offset. Over SSE, events are ahead of their positions. */
  #known(gap: Gap, position: Position): number | undefined {
    const own = this.resumePoint.at(position)?.offset
    // Events of another log, or of this one before it, say nothing about what follows the gap.
    if (own === undefined) {
      return gap.reason === 'recreated' || this.standsIn(gap) ? undefined : this.#seenAt(position)?.next
    }
    return Math.max(own, this.seen.get(keyOf(position))?.next ?? 0)
  }
}

/** Whether a gap up to `after` is news to a subscription whose next new offset is `own`. */
function isAbout({ reason }: Gap, after: Position, own: number | undefined): boolean {
  return reason === 'rewritten' ? isBeyond(own, after) : own === undefined || own < after.offset
}

/** Whether `own` is beyond the offset, or unknown. */
const isBeyond = (own: number | undefined, { offset }: Position): boolean => own === undefined || own > offset
