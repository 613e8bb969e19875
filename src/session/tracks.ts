import { unknownGeneration } from '../base/generation.ts'
import { SmallMap } from '../base/small-map.ts'
import type { PartitionFeed } from '../fanout/partition-feed.ts'
import { encodeSaid, type PartitionCount, saysNothing, type Token } from '../wire/partition-counts.ts'
import { encodePosition, isSamePartition, type Position } from '../wire/token.ts'
import { AnnouncedCounts } from './announced-counts.ts'
import type { ScanBudget } from './matcher.ts'
import type { PositionSource, TokenForm } from './outlet.ts'
import type { Reader, ReaderOwner } from './reader.ts'
import { atHead, type Start } from './start.ts'
import type { Leg } from './subscription.ts'
import { type LegOwner, Track } from './track.ts'

/**
 * Main readers start at the head (WebSocket), or where the client's token says (SSE and poll).
 */
type MainStart = 'head' | 'asked'

/** All partitions that a session reads. */
export class Tracks implements PositionSource {
  readonly #owner: ReaderOwner
  readonly #mains: MainStart
  readonly #byFeed = new SmallMap<PartitionFeed, Track>()
  /**
   * The only track; undefined if there are several or one has been left. Most sessions have one,
   * and SSE builds a token at each delivery.
   */
  #only: Track | undefined
  /**
   * Whether a reader may have gaps to send: thousands of readers may be queued, too many to ask
   * at each slice.
   */
  owing = false
  /** Main readers that have yet to leave their hubs once the session is closed. */
  readonly #departing: Reader[] = []
  /**
   * SSE and poll: positions and counts of the client's token that concern no subscription,
   * carried through to its next token.
   */
  carried: Token = saysNothing
  /** SSE and poll only. */
  readonly counts: AnnouncedCounts | undefined

  constructor(owner: ReaderOwner, mains: MainStart) {
    this.#owner = owner
    this.#mains = mains
    this.counts = mains === 'head' ? undefined : new AnnouncedCounts()
  }

  get size(): number {
    return this.#byFeed.size
  }

  feeds(): Iterable<PartitionFeed> {
    return this.#byFeed.keys()
  }

  get(feed: PartitionFeed): Track | undefined {
    return this.#byFeed.get(feed)
  }

  /**
   * Returns the partition's track, creating it if needed. Over SSE and poll the main reader of a
   * new track starts at `start`. Over WebSocket it starts at the head: nobody has verified that
   * the log reaches up to the offset of `start`, and a live reader ignores everything below its
   * position.
   */
  open(start: Start): Track {
    const { feed } = start
    const known = this.#byFeed.get(feed)
    if (known !== undefined) return known
    const track = new Track(this.#owner, this.#mains === 'head' ? atHead(feed) : start)
    if (this.#mains === 'head') track.main.goLive()
    this.#byFeed.set(feed, track)
    this.#only = this.size === 1 ? track : undefined
    // From now on its reader determines the position.
    this.#carry(this.carried.positions.filter((position) => !isSamePartition(position, feed)))
    return track
  }

  /**
   * Removes a leg. `carried`: its position stays in the token, for a gateway that does not know
   * yet that the events have moved.
   */
  leave(leg: Leg, position: 'forgotten' | 'carried' = 'forgotten'): void {
    const { legs } = leg.subscription
    legs.splice(legs.indexOf(leg), 1)
    const track = this.#byFeed.get(leg.feed)
    if (track === undefined) return
    track.leave(leg)
    if (!track.empty) return
    const stood = position === 'carried' ? track.main.position() : undefined
    if (stood !== undefined) this.#carry([...this.carried.positions, stood])
    track.close()
    this.#byFeed.delete(leg.feed)
    this.#only = undefined
  }

  /**
   * Returns the session's position in all partitions, after the write that `step` describes. The
   * caller must deliver it to the client. `brief`: without the partition count, if there is only
   * one position.
   */
  token(form: TokenForm = 'full', step?: Step): string {
    const { carried } = this
    const carries = carried.positions.length + carried.counts.length > 0 || this.counts?.hasOthers === true
    const isOne = this.#only !== undefined && !carries
    if (form === 'brief' && isOne && !this.#only!.isJoinedAnew) {
      const position = positionOf(this.#only!, step)
      if (position !== undefined) return encodePosition(position)
    }
    const positions = [...carried.positions]
    for (const track of this.#byFeed.values()) {
      const position = track.isJoinedAnew ? undefined : positionOf(track, step)
      if (position !== undefined) positions.push(position)
    }
    return encodeSaid(positions, [...carried.counts, ...this.#counts(positions, step)])
  }

  /**
   * Returns the client's position after the next frame of one of its readers, which moves that
   * reader to `next`: valid during one write. `generation` is that of an event.
   */
  behind(reader: Reader, next: number, generation: number = unknownGeneration): PositionSource {
    return step.of(this, reader, next, generation)
  }

  #counts(positions: readonly Position[], step: Step | undefined): PartitionCount[] {
    if (this.counts === undefined) return []
    const owes = [...this.#byFeed.values()].some(({ main }) =>
      main === step?.reader ? main.hasMorePending : main.hasPendingGaps,
    )
    return this.counts.say(this.#byFeed.keys(), owes ? 'something' : 'nothing', positions)
  }

  #carry(positions: readonly Position[]): void {
    if (positions.length !== this.carried.positions.length) this.carried = { ...this.carried, positions }
  }

  /**
   * Sends the pending gaps of all partitions, before anything is delivered in any: a token that
   * has moved on in old partitions and does not name a new one yet looks as if the new one had
   * never been wanted.
   */
  flushGaps(): void {
    if (!this.owing) return
    for (const track of this.#byFeed.values()) track.flushGaps()
    this.owing = !this.#owner.writable
  }

  /**
   * Runs one slice of catching up; `legs` is notified of legs that reached the head. True = there
   * is more to do at once.
   */
  read(budget: ScanBudget, legs: LegOwner): boolean {
    let more = false
    this.flushGaps()
    for (const track of this.#byFeed.values()) {
      if (this.#read(track.main, budget)) more = true
      if (track.side !== undefined && this.#read(track.side, budget)) more = true
      track.settle(legs)
      // A leg that joined may have let the next one in its queue begin.
      if (track.side?.mode === 'behind' && track.main.mode === 'live') more = true
      if (!this.#owner.writable) return false
    }
    return more
  }

  get allLive(): boolean {
    for (const { main, side } of this.#byFeed.values()) if (main.mode !== 'live' || side !== undefined) return false
    return true
  }

  /** Moves every live reader to behind, at its head: the socket is full. */
  fallBehind(): void {
    for (const { main } of this.#byFeed.values()) main.fallBehind()
  }

  /**
   * Ends delivery. `depart` leaves the readers' places in hubs: there may be a thousand in each
   * partition.
   */
  close(): void {
    for (const track of this.#byFeed.values()) {
      track.close()
      if (track.main.legs.length > 0) this.#departing.push(track.main)
    }
    this.#byFeed.clear()
    this.#only = undefined
  }

  /** Leaves up to `places` memberships in hubs. True = there are more. */
  depart(places: number): boolean {
    for (let left = places; left > 0 && this.#departing.length > 0; left--) {
      const reader = this.#departing.at(-1)!
      const leg = reader.legs.at(-1)
      if (leg === undefined) this.#departing.pop()
      else reader.leave(leg)
    }
    return this.#departing.length > 0
  }

  /** Runs one turn of a reader that is behind. True = its slice ended before the head. */
  #read(reader: Reader, budget: ScanBudget): boolean {
    if (reader.mode !== 'behind') return false
    return reader.read(budget) === 'budget'
  }
}

/** A write for a reader, which moves it to `next`. */
class Step implements PositionSource {
  #tracks: Tracks | undefined
  reader: Reader | undefined
  next = 0
  generation = unknownGeneration

  of(tracks: Tracks, reader: Reader, next: number, generation: number): this {
    this.#tracks = tracks
    this.reader = reader
    this.next = next
    this.generation = generation
    return this
  }

  token(form?: TokenForm): string {
    return this.#tracks!.token(form, this)
  }
}

/** One object for all sessions. */
const step = new Step()

const positionOf = ({ main }: Track, step: Step | undefined): Position | undefined =>
  main === step?.reader ? main.positionAfter(step.next, step.generation) : main.position()
