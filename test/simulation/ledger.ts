import type { GapReason } from '../../src/wire/frames.ts'
import type { Position } from '../../src/wire/token.ts'
import { type ExcuseCounts, excuseNames, excuses, placeOf, type Subscriber, type ToldGap } from './excuses.ts'
import type { LogRecord, PartitionLog } from './partition-log.ts'
import type { Truth } from './truth.ts'

/** Reasons of gaps whose offsets are never delivered, even under other circumstances. */
const final: ReadonlySet<GapReason> = new Set([
  'retention',
  'corrupt',
  'compacted',
  'budget',
  'unnamed',
  'ttl',
  'latest',
  'collapsed',
])

/** A range of offsets [from, to) in the lineage that ends in `epoch`. */
interface Stretch {
  readonly from: number
  readonly to: number
  readonly epoch: number
  /** true = include records that moved subjects left in their old partitions. */
  readonly moved: boolean
}

/** Checks the events and gaps of one subscription against what it must receive. */
export class Ledger {
  readonly given = new Set<LogRecord>()
  /**
   * Records that an earlier program received from a log before it moved to a later one, and a
   * gateway that had not heard of the later one led it back.
   */
  readonly #left = new Set<LogRecord>()
  readonly #gaps: ToldGap[] = []
  readonly #subscriber: Subscriber
  readonly #truth: Truth
  readonly #nowMs: () => number
  /** Counts of excuses; undefined = not requested. */
  readonly #counts: ExcuseCounts | undefined
  /** Offset by place up to which every record is known to be delivered or covered. */
  readonly #verified = new Map<string, number>()

  constructor(subscriber: Subscriber, truth: Truth, nowMs: () => number, counts?: ExcuseCounts) {
    this.#subscriber = subscriber
    this.#truth = truth
    this.#nowMs = nowMs
    this.#counts = counts
  }

  gap(gap: ToldGap): void {
    this.#gaps.push(gap)
    const { reason, partition, incarnation, from } = gap
    if (reason === 'rewritten') this.#lower(placeOf(incarnation, partition), from)
    if (reason !== 'recreated') return
    for (const place of this.#verified.keys()) if (place.endsWith(`/${partition}`)) this.#verified.delete(place)
  }

  /**
   * Records that the program ended. Records beyond the stored position will be delivered again,
   * or a gap will cover them.
   */
  forgetBeyond(positions: readonly Position[]): void {
    this.#verified.clear()
    for (const record of [...this.given, ...this.#left]) {
      if (isBelow(record, positions, this.#truth)) continue
      this.given.delete(record)
      if (this.#wasLeft(record, positions)) this.#left.add(record)
      else this.#left.delete(record)
    }
  }

  /**
   * Returns whether the subscription had left the record's log for a later one and was led back.
   * Its position shows this: in other partitions it is in the later log.
   */
  #wasLeft({ incarnation, partition }: LogRecord, positions: readonly Position[]): boolean {
    const latest = Math.max(...positions.map((each) => this.#truth.broker.byLog(each)?.index ?? -1))
    return this.#gaps.some(({ before = -1, ...gap }) => {
      const isBack = gap.partition === partition && gap.incarnation <= incarnation && before > incarnation
      return isBack && latest >= before
    })
  }

  /**
   * Returns the first record below the position that was neither delivered nor covered; undefined
   * = none.
   */
  missingBelow(position: Position): LogRecord | undefined {
    const { partition, offset, generation } = position
    const log = this.#truth.broker.byLog(position)?.logs[partition]
    if (log === undefined) return undefined
    const place = placeOf(log.incarnation, partition)
    const verified = this.#verified.get(place) ?? 0
    const epoch = this.#truth.epochOf(log, offset, generation)
    // The gap of a moved subject arrives in its new partition, at any time: `missing` checks it
    // at the end.
    const record = this.#missingIn(log, { from: verified, to: offset, epoch, moved: false })
    if (record === undefined) this.#verified.set(place, Math.max(verified, offset))
    return record
  }

  /** Returns the first record of the whole log that was neither delivered nor covered. */
  missing(): LogRecord | undefined {
    for (const { logs } of this.#truth.broker.incarnations) {
      for (const log of logs) {
        const record = this.#missingIn(log, { from: 0, to: log.head, epoch: Number.POSITIVE_INFINITY, moved: true })
        if (record !== undefined) return record
      }
    }
    return undefined
  }

  #lower(place: string, offset: number): void {
    const verified = this.#verified.get(place)
    if (verified !== undefined && verified > offset) this.#verified.set(place, offset)
  }

  #missingIn(log: PartitionLog, { from, to, epoch, moved }: Stretch): LogRecord | undefined {
    const start = this.#startOf(log)
    if (start === undefined) return undefined
    const least = Math.max(from, start)
    const nowMs = this.#nowMs()
    return log.find(least, to, (record) => {
      const { hidden, seenMs } = record
      if (hidden || seenMs > nowMs || this.#isGiven(record)) return false
      if (record.gone === 'rewritten' || !this.#isOwed(record, log) || !log.inLineage(record, epoch)) return false
      if (!moved && this.#truth.displacedMs(record) !== undefined) return false
      return !this.#isTold(record)
    })
  }

  /**
   * Returns whether the record counts as delivered. Once its subject was in another partition of
   * the current log, no gateway needs to report the loss of the earlier log again.
   */
  #isGiven(record: LogRecord): boolean {
    if (!this.#left.has(record)) return this.given.has(record)
    return this.given.has(record) || !this.#truth.alwaysReads(this.#subscriber.subject, record.partition)
  }

  #isOwed(record: LogRecord, log: PartitionLog): boolean {
    const { subject } = this.#subscriber
    return record.damaged
      ? this.#truth.reads(subject, log) && !this.#truth.strayedFor(subject, record)
      : this.#truth.wants(subject, record)
  }

  /**
   * Returns the start offset; undefined = nothing is due, because the subscription began with a
   * later incarnation.
   */
  #startOf({ incarnation, partition }: PartitionLog): number | undefined {
    const { beginning } = this.#subscriber
    // A token may carry positions of earlier incarnations, for which gaps have already arrived.
    if (beginning.incarnation < 0 || incarnation < beginning.incarnation) return undefined
    const start = beginning.starts.get(placeOf(incarnation, partition))
    if (start !== undefined) return start
    return 0
  }

  #isTold(record: LogRecord): boolean {
    // A gap covers no later records.
    const gaps = this.#gaps.filter(({ atMs }) => atMs >= record.writtenMs)
    return gaps.some((gap) => this.#tells(gap, record)) || this.#isExcused(record, gaps)
  }

  #tells({ reason, incarnation, partition, from, to, next, atMs }: ToldGap, record: LogRecord): boolean {
    const isHere = partition === record.partition && from <= record.offset && to >= record.offset
    if (reason === 'recreated') return isHere && incarnation > record.incarnation
    if (incarnation !== record.incarnation) return false
    if (reason === 'repartitioned') return this.#truth.movedInto(record, partition, atMs)
    if (!isHere || atMs < record.seenMs) return false
    if (final.has(reason)) return true
    // The subscription continues where the histories are known to agree, or at the log's current
    // end or start. Nothing below is delivered or can still be read.
    const isLost = record.damaged || record.spoiledMs <= atMs || (record.gone === 'retention' && record.goneMs <= atMs)
    return reason === 'rewritten' && record.offset < next && isLost
  }

  #isExcused(record: LogRecord, gaps: readonly ToldGap[]): boolean {
    const place = placeOf(record.incarnation, record.partition)
    const displacedMs = this.#truth.displacedMs(record)
    const each = { record, place, displacedMs, subscriber: this.#subscriber, truth: this.#truth, gaps }
    if (this.#counts === undefined) return excuseNames.some((name) => excuses[name](each))
    const found = excuseNames.filter((name) => excuses[name](each))
    if (found.length === 1) this.#counts.only(found[0]!, each)
    return found.length > 0
  }
}

/**
 * Returns whether the record is below a position. A position in a later log implies that the loss
 * of this log was reported.
 */
function isBelow(record: LogRecord, positions: readonly Position[], truth: Truth): boolean {
  return positions.some((each) => {
    if (each.partition !== record.partition) return false
    const { index = -1 } = truth.broker.byLog(each) ?? {}
    return index > record.incarnation || (index === record.incarnation && each.offset > record.offset)
  })
}
