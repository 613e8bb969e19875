import { unknownGeneration } from '../../base/generation.ts'
import type { Blocked } from '../source.ts'
import { Damage } from './damage.ts'
import { EpochHistory } from './epoch-history.ts'
import type { Divergence, FetchPartition } from './fetch-request.ts'
import { noNode } from './metadata-request.ts'

const untold = -1

/** Where a tail stands in one partition; written into fetch requests as it is. */
export class Cursor implements FetchPartition {
  readonly partition: number
  /** The offset that is read next. */
  offset: number
  readonly epochs = new EpochHistory()
  /** Node id; `noNode` = none known. */
  leader = noNode
  /** The newest that was heard of: an older leader's word counts for nothing. */
  leaderEpoch = unknownGeneration
  /** Of the leader whose log was seen to reach up to `offset`; unknown = of none. */
  answeredEpoch = unknownGeneration
  /** Changes when another fetch takes over: an answer to an older one is dropped. */
  version = 0
  /** The tail does not read this partition any more, or has another cursor for it. */
  dropped = false
  /** Whether the log was seen to reach up to `offset`; before that an end below it says nothing. */
  reached = false
  /** Times that a leader said that its log ends below what was read. */
  endsBelow = 0
  readonly damage = new Damage()
  /** Failed fetches in a row, and until when to leave it alone (monotonic ms). */
  failures = 0
  pausedUntilMs = 0
  /** What `end` said last. */
  toldNext = untold
  toldFirst = untold
  toldHead = untold
  /** What was behind the head at the last look; undefined = nothing. */
  blocked: Blocked | undefined
  #blockedAt = untold

  constructor(partition: number, offset: number, answeredEpoch = unknownGeneration) {
    this.partition = partition
    this.offset = offset
    this.answeredEpoch = answeredEpoch
  }

  /** As long as no batch was read, the leader that answered here vouches for what lies below: an end that moves back is noticed all the same. */
  get lastFetchedEpoch(): number {
    const { last } = this.epochs
    return last >= 0 ? last : this.answeredEpoch
  }

  /** The leader's log, which begins at `logStart`, is another one; the offset up to which the two may agree, see EpochHistory. */
  cutBack({ epoch, endOffset }: Divergence, logStart: number): number {
    this.answeredEpoch = unknownGeneration
    // What is read again may end where it did: that it is through is news all the same.
    this.toldNext = untold
    // What retention has taken since, the leader knows no more of: they may have parted anywhere below.
    const isGone = endOffset < this.offset && endOffset <= logStart
    return this.epochs.cutBack(epoch, isGone ? 0 : endOffset, this.offset)
  }

  /** A batch was passed. */
  passed(epoch: number, first: number, next: number): void {
    this.within(epoch, first, next)
    this.damage.read()
  }

  /** Records of a batch were read, and what follows in it may still be damaged. */
  within(epoch: number, first: number, next: number): void {
    this.epochs.passed(epoch, first)
    this.offset = next
    this.reached = true
  }

  /** Goes on at `offset`, of whose predecessors nothing is known but that the log of a leader reached up to it: `answeredEpoch`, unknown = of none. */
  jump(offset: number, answeredEpoch: number): void {
    this.offset = offset
    this.epochs.clear()
    this.answeredEpoch = answeredEpoch
    this.endsBelow = 0
    this.toldNext = untold
  }

  /** Begins another log. */
  restart(): void {
    this.jump(0, unknownGeneration)
    this.version++
    this.leader = noNode
    this.leaderEpoch = unknownGeneration
    this.reached = false
    this.damage.read()
    this.failures = 0
    this.pausedUntilMs = 0
  }

  /** The log's end, and where a transaction holds the head; true where that is news. */
  sawEnd(head: number, highWatermark: number, nowMs: number): boolean {
    const offsets = Math.max(0, highWatermark - head)
    if (offsets === (this.blocked?.offsets ?? 0) && (offsets === 0 || this.#blockedAt === head)) return false
    const sinceMs = this.#blockedAt === head && this.blocked !== undefined ? this.blocked.sinceMs : nowMs
    this.blocked = offsets === 0 ? undefined : { offsets, sinceMs }
    this.#blockedAt = head
    return true
  }

  drop(): void {
    this.dropped = true
    this.version++
  }

  /** Adopts what metadata says, unless it is older than what is known; true when it changed. */
  follow(leader: number, leaderEpoch: number): boolean {
    if (leaderEpoch < this.leaderEpoch || (leader === this.leader && leaderEpoch === this.leaderEpoch)) return false
    this.leader = leader
    this.leaderEpoch = leaderEpoch
    this.version++
    this.pausedUntilMs = 0
    return true
  }
}
