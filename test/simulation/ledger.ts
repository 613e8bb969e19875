import type { GapReason } from '../../src/wire/frames.ts'
import { isSameLog, type Position } from '../../src/wire/token.ts'
import type { LogRecord, PartitionLog } from './partition-log.ts'
import type { Truth } from './truth.ts'

/** What a subscription was told that it will not be given. */
export interface ToldGap {
  readonly incarnation: number
  /** The incarnation that it had positions of before. */
  readonly before: number | undefined
  readonly partition: number
  readonly from: number
  readonly to: number
  /** Where it goes on. */
  readonly next: number
  readonly reason: GapReason
  readonly atMs: number
}

/** Where a subscription began, and since when it is owed events. */
export interface Beginning {
  /** By incarnation and partition. */
  readonly starts: Map<string, number>
  ms: number
  /** The incarnation that it began with; -1 = it has not begun. */
  incarnation: number
}

/** Records that a token passed over that its gateway could not judge: it has seen no epochs of before its start. */
export interface Unjudged {
  readonly place: string
  readonly from: number
  readonly to: number
  readonly epoch: number
}

/** A position ahead of its gateway, which does not say of which history: the gateway has seen none that it could be held against. */
export interface Blind {
  readonly place: string
  readonly to: number
  readonly sinceMs: number
}

/** What a subscription knows of itself, whichever ledger is asked. */
export interface Subscriber {
  readonly subject: string
  /** It shares its positions with others, over SSE or long-poll, now or before. */
  together: boolean
  /** It was asked for in one request with others, which has one position for all. */
  shared: boolean
  readonly beginning: Beginning
  readonly unjudged: Unjudged[]
  readonly blind: Blind[]
  readonly stood: Stood
  /** Incarnations that one request named together, for several who knew different ones. */
  readonly mixed: Set<number>
}

/** Of which history a position was, as its generation says. */
interface Step {
  readonly offset: number
  /** -1 = it does not say. */
  readonly epoch: number
  readonly atMs: number
}

/** How far a subscription has stood, and when it came so far, by the history that it was told of. */
export class Stood {
  readonly #steps = new Map<string, Step[]>()

  reached(place: string, { offset, epoch, atMs }: Step): void {
    const steps = this.#steps.get(place) ?? []
    if (offset <= (steps.findLast((each) => each.epoch === epoch)?.offset ?? 0)) return
    steps.push({ offset, epoch, atMs })
    this.#steps.set(place, steps)
  }

  /**
   * It stood beyond the record's offset when another record had been there: before this one was written, or where a gateway said so
   * that had not heard of it yet.
   */
  wasBeyond({ incarnation, partition, offset, seenMs, epoch }: LogRecord): boolean {
    const steps = this.#steps.get(placeOf(incarnation, partition)) ?? []
    const isOther = (each: Step) => each.atMs < seenMs || (each.epoch >= 0 && each.epoch < epoch)
    return steps.some((each) => each.offset > offset && isOther(each))
  }
}

export const placeOf = (incarnation: number, partition: number): string => `${incarnation}/${partition}`

/** Gaps whose offsets are not given, and not given again under other circumstances. */
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

/** What one subscription was given and told, held against what it is owed. */
export class Ledger {
  readonly given = new Set<LogRecord>()
  readonly #stood: Stood
  readonly #gaps: ToldGap[] = []
  readonly #subscriber: Subscriber
  readonly #truth: Truth
  readonly #nowMs: () => number
  /** Up to where it is known that all was given or told. */
  readonly #verified = new Map<string, number>()

  constructor(subscriber: Subscriber, truth: Truth, nowMs: () => number) {
    this.#subscriber = subscriber
    this.#stood = subscriber.stood
    this.#truth = truth
    this.#nowMs = nowMs
  }

  gap(gap: ToldGap): void {
    this.#gaps.push(gap)
    const { reason, partition, incarnation, from } = gap
    if (reason === 'rewritten') this.#lower(placeOf(incarnation, partition), from)
    if (reason !== 'recreated') return
    for (const place of this.#verified.keys()) if (place.endsWith(`/${partition}`)) this.#verified.delete(place)
  }

  /** Its program ended: what the stored position does not cover will be given again. */
  forgetBeyond(positions: readonly Position[]): void {
    this.#verified.clear()
    for (const record of this.given) if (!isBelow(record, positions, this.#truth)) this.given.delete(record)
  }

  /** The first record below the position that was neither given nor told of; undefined = none. */
  missingBelow(position: Position): LogRecord | undefined {
    const { partition, offset, generation } = position
    const log = this.#truth.broker.byLog(position)?.logs[partition]
    if (log === undefined) return undefined
    const place = placeOf(log.incarnation, partition)
    const verified = this.#verified.get(place) ?? 0
    const epoch = this.#truth.epochOf(log, offset, generation)
    // That subjects moved is told in the partitions that they moved to, each in its time: it is asked for at the end.
    const record = this.#missingIn(log, verified, offset, epoch, false)
    if (record === undefined) this.#verified.set(place, Math.max(verified, offset))
    return record
  }

  /** The first record of the whole log that was neither given nor told of. */
  missing(): LogRecord | undefined {
    for (const { logs } of this.#truth.broker.incarnations) {
      for (const log of logs) {
        const record = this.#missingIn(log, 0, log.head, Number.POSITIVE_INFINITY, true)
        if (record !== undefined) return record
      }
    }
    return undefined
  }

  #lower(place: string, offset: number): void {
    const verified = this.#verified.get(place)
    if (verified !== undefined && verified > offset) this.#verified.set(place, offset)
  }

  #missingIn(log: PartitionLog, from: number, to: number, epoch: number, moved: boolean): LogRecord | undefined {
    const start = this.#startOf(log)
    if (start === undefined) return undefined
    const least = Math.max(from, start)
    const nowMs = this.#nowMs()
    return log.find(least, to, (record) => {
      const { hidden, seenMs } = record
      if (hidden || seenMs > nowMs || this.given.has(record)) return false
      if (record.gone === 'rewritten' || !this.#isOwed(record, log) || !log.inLineage(record, epoch)) return false
      if (!moved && this.#truth.displacedMs(record) !== undefined) return false
      return !this.#isTold(record)
    })
  }

  #isOwed(record: LogRecord, log: PartitionLog): boolean {
    const { subject } = this.#subscriber
    return record.damaged
      ? this.#truth.reads(subject, log) && !this.#truth.strayedFor(subject, record)
      : this.#truth.wants(subject, record)
  }

  /** undefined where nothing is owed: the subscription began with a later incarnation. */
  #startOf({ incarnation, partition }: PartitionLog): number | undefined {
    const { beginning } = this.#subscriber
    // A token may carry positions of earlier ones, of what was told already.
    if (beginning.incarnation < 0 || incarnation < beginning.incarnation) return undefined
    const start = beginning.starts.get(placeOf(incarnation, partition))
    if (start !== undefined) return start
    return 0
  }

  #isTold(record: LogRecord): boolean {
    const place = placeOf(record.incarnation, record.partition)
    const { offset, epoch, seenMs } = record
    const { unjudged, blind, beginning, shared, mixed } = this.#subscriber
    // Documented: one position speaks for all, so who stood further on may not hear of a rewrite below.
    if (shared && epoch > 0 && this.#stood.wasBeyond(record)) return true
    // Documented: of gateways that do not know yet that the stream was created again, one may have the word of those who do.
    if (mixed.has(record.incarnation)) return true
    if (unjudged.some((each) => each.place === place && each.epoch <= epoch && each.from <= offset && each.to > offset))
      return true
    if (epoch > 0 && blind.some((each) => each.place === place && each.to > offset && each.sinceMs < seenMs))
      return true
    const displacedMs = this.#truth.displacedMs(record)
    // Documented: events of moved subjects that were written before stay in the old partitions, also for who begins later.
    if (displacedMs !== undefined && (beginning.ms >= displacedMs || this.#truth.movedTwice())) return true
    if (this.#truth.tooEarly(record) || this.#truth.misplaced(record)) return true
    return this.#gaps.some((gap) => this.#tells(gap, record, displacedMs))
  }

  #tells(gap: ToldGap, record: LogRecord, displacedMs: number | undefined): boolean {
    const { reason, incarnation, partition, from, to, next, atMs } = gap
    const { offset, seenMs } = record
    const { deletedMs } = this.#truth.broker.incarnations[record.incarnation]!
    if (reason === 'recreated' && incarnation > record.incarnation) {
      // Of a rewrite that came shortly before nobody may have heard.
      if (record.epoch > 0) return true
      return partition !== record.partition || from <= offset || gap.before !== record.incarnation
    }
    const isHere = incarnation === record.incarnation && partition === record.partition
    if (isHere) {
      // What was gone before it came is part of what it does not know of the new log.
      const wasGone = record.gone === 'retention' && record.goneMs <= atMs
      if (wasGone && (reason === 'recreated' || (reason === 'rewritten' && from <= offset && to >= offset))) return true
      if (reason === 'repartitioned' && offset < from && seenMs <= atMs) return true
      // Documented: where generations are times, a history is known as far as the gateway's index reaches.
      const isBelow = from <= offset && next > offset
      if (reason === 'rewritten' && isBelow && this.#truth.broker.generations === 'times') return true
      // Damage has no epoch: where a history begins with it, the agreement reaches past it.
      if (record.damaged && reason === 'rewritten' && atMs >= record.seenMs) return true
    }
    const isMoved = displacedMs !== undefined && atMs >= displacedMs
    if (reason === 'recreated' && incarnation === record.incarnation && isMoved) return true
    if ((reason === 'repartitioned' || reason === 'unnamed') && (atMs >= deletedMs || isMoved)) return true
    return isHere && from <= offset && to >= offset && atMs >= record.seenMs && final.has(reason)
  }
}

function isBelow(record: LogRecord, positions: readonly Position[], truth: Truth): boolean {
  const log = truth.broker.incarnations[record.incarnation]!
  return positions.some(
    (each) => isSameLog(each, log) && each.partition === record.partition && each.offset > record.offset,
  )
}
