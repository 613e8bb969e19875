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

/** Main readers start at the head (WebSocket), or where the client's token says. */
type MainStart = 'head' | 'asked'

/** All partitions that a session touches. */
export class Tracks implements PositionSource {
  readonly #owner: ReaderOwner
  readonly #mains: MainStart
  readonly #byFeed = new SmallMap<PartitionFeed, Track>()
  /** Of a session that has one track and has left none since, as most: its token is made at each SSE delivery. */
  #only: Track | undefined
  /** One of its readers may owe something: thousands may wait for their turn, and each slice would ask them all. */
  owing = false
  /** Once it is closed. */
  readonly #departing: Reader[] = []
  /** SSE and poll: what the client's token says of what no subscription touches, carried through to its next one. */
  carried: Token = saysNothing
  /** SSE and poll. */
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
   * The partition's track. Over SSE and poll a new one's main reader begins as `start` says. Over WebSocket it starts at the head: nobody
   * has verified that the log reaches up to that offset, and a live reader passes over whatever lies below where it stands.
   */
  open(start: Start): Track {
    const { feed } = start
    const known = this.#byFeed.get(feed)
    if (known !== undefined) return known
    const track = new Track(this.#owner, this.#mains === 'head' ? atHead(feed) : start)
    if (this.#mains === 'head') track.main.goLive()
    this.#byFeed.set(feed, track)
    this.#only = this.size === 1 ? track : undefined
    // From here on its own reader says where it stands.
    this.#carry(this.carried.positions.filter((position) => !isSamePartition(position, feed)))
    return track
  }

  /** `carried`: where it stood stays in the token, for a gateway that does not know yet that its events are elsewhere. */
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
   * The session's position in all of them, behind what `step` has; whoever asks for it gives it to the client. `brief`: where it is one
   * only, without the number of partitions.
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
   * Where the client stands once it has what is written next for one of its readers, which leads that to `next`: valid during one write.
   * `generation`: of an event.
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
   * What is owed in any partition, before something is given in another: a token that has gone on in old partitions and does not name a
   * new one yet looks like one that never wanted it.
   */
  flushGaps(): void {
    if (!this.owing) return
    for (const track of this.#byFeed.values()) track.flushGaps()
    this.owing = !this.#owner.writable
  }

  /** One slice of catching up; `legs` hears of those that reached the head. True when there is more to do at once. */
  read(budget: ScanBudget, legs: LegOwner): boolean {
    let more = false
    this.flushGaps()
    for (const track of this.#byFeed.values()) {
      if (this.#read(track.main, budget)) more = true
      if (track.side !== undefined && this.#read(track.side, budget)) more = true
      track.settle(legs)
      // A leg that joined may have let the next one of its queue begin.
      if (track.side?.mode === 'behind' && track.main.mode === 'live') more = true
      if (!this.#owner.writable) return false
    }
    return more
  }

  get allLive(): boolean {
    for (const { main, side } of this.#byFeed.values()) if (main.mode !== 'live' || side !== undefined) return false
    return true
  }

  /** The socket is full: every live reader stops at its head. */
  fallBehind(): void {
    for (const { main } of this.#byFeed.values()) main.fallBehind()
  }

  /** Nothing is given any more. Its readers' places in hubs are left by `depart`: there may be a thousand in each partition. */
  close(): void {
    for (const track of this.#byFeed.values()) {
      track.close()
      if (track.main.legs.length > 0) this.#departing.push(track.main)
    }
    this.#byFeed.clear()
    this.#only = undefined
  }

  /** Leaves up to so many places. True when there are more. */
  depart(places: number): boolean {
    for (let left = places; left > 0 && this.#departing.length > 0; left--) {
      const reader = this.#departing.at(-1)!
      const leg = reader.legs.at(-1)
      if (leg === undefined) this.#departing.pop()
      else reader.leave(leg)
    }
    return this.#departing.length > 0
  }

  /** True when the reader used up its slice before it was at the head. */
  #read(reader: Reader, budget: ScanBudget): boolean {
    if (reader.mode !== 'behind') return false
    return reader.read(budget) === 'budget'
  }
}

/** What is written for a reader leads it to an offset. */
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
