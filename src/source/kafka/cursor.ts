import { unknownGeneration } from '../../base/generation.ts'
import type { Blocked } from '../source.ts'
import { Damage } from './damage.ts'
import { EpochHistory } from './epoch-history.ts'
import type { Divergence, FetchPartition } from './fetch-request.ts'
import { noNode } from './metadata-request.ts'

/** No value was reported yet. */
const unreported = -1

/** The position of a tail in one partition. Fetch requests encode it as it is. */
export class Cursor implements FetchPartition {
  readonly partition: number
  /** The next offset to read. */
  offset: number
  readonly epochs = new EpochHistory()
  /** Node id; `noNode` = none known. */
  leader = noNode
  /** The newest known leader epoch. Metadata with an older one is ignored. */
  leaderEpoch = unknownGeneration
  /** Epoch of the leader whose log was seen to reach `offset`; unknown = none. */
  answeredEpoch = unknownGeneration
  /** Changes when another fetch takes over. Answers to older fetches are dropped. */
  version = 0
  /** The tail no longer reads this partition, or has another cursor for it. */
  dropped = false
  /**
   * Whether the log was seen to reach `offset`. Before that, a log end below `offset` proves
   * nothing.
   */
  reached = false
  /** How often a leader has reported a log end below `offset`. */
  endsBelow = 0
  readonly damage = new Damage()
  /** Consecutive failed fetches, and when to fetch again (monotonic ms). */
  failures = 0
  pausedUntilMs = 0
  /** The values of the last call of `end`. */
  reportedNext = unreported
  reportedFirst = unreported
  reportedHead = unreported
  /** What an open transaction held back at the last answer; undefined = nothing. */
  blocked: Blocked | undefined
  #blockedAt = unreported

  constructor(partition: number, offset: number, answeredEpoch = unknownGeneration) {
    this.partition = partition
    this.offset = offset
    this.answeredEpoch = answeredEpoch
  }

  /**
   * Epoch of the last batch read. Before the first batch, the epoch of the leader that answered
   * at this offset, so that a log end that moves back is still noticed.
   */
  get lastFetchedEpoch(): number {
    const { last } = this.epochs
    return last >= 0 ? last : this.answeredEpoch
  }

  /**
   * Handles a leader's log that diverges below the cursor and begins at `logStart`. Returns the
   * offset up to which the logs may agree, see EpochHistory.
   */
  cutBack({ epoch, endOffset }: Divergence, logStart: number): number {
    this.answeredEpoch = unknownGeneration
    // Reading again may end at the same offset, and must be reported again.
    this.reportedNext = unreported
    // The leader no longer knows what retention removed, so the logs may diverge at any earlier
    // offset.
    const isGone = endOffset < this.offset && endOffset <= logStart
    return this.epochs.cutBack(epoch, isGone ? 0 : endOffset, this.offset)
  }

  /** Notes that a batch was read completely. */
  passed(epoch: number, first: number, next: number): void {
    this.within(epoch, first, next)
    this.damage.read()
  }

  /** Notes that a part of a batch was read. The rest of it may still be damaged. */
  within(epoch: number, first: number, next: number): void {
    this.epochs.passed(epoch, first)
    this.offset = next
    this.reached = true
  }

  /**
   * Continues at `offset`. All that is known of the log below is that the log of the leader of
   * `answeredEpoch` reached up to it; unknown = no leader is known.
   */
  jump(offset: number, answeredEpoch: number): void {
    this.offset = offset
    this.epochs.clear()
    this.answeredEpoch = answeredEpoch
    this.endsBelow = 0
    this.reportedNext = unreported
  }

  /** Begins again with a different log, at offset 0. */
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

  /**
   * Notes the end of the log, and how much an open transaction holds back. Returns true if the
   * latter changed.
   */
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

  /**
   * Adopts the leader from the metadata, unless it is older than the known one. Returns true if
   * it changed.
   */
  follow(leader: number, leaderEpoch: number): boolean {
    if (leaderEpoch < this.leaderEpoch || (leader === this.leader && leaderEpoch === this.leaderEpoch)) return false
    this.leader = leader
    this.leaderEpoch = leaderEpoch
    this.version++
    this.pausedUntilMs = 0
    return true
  }
}
