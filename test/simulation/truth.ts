import { murmur2 } from '../../src/base/hash.ts'
import { isPattern, matches } from '../../src/subject/subject.ts'
import type { Event } from '../../src/wire/frames.ts'
import { decodeToken, type Position } from '../../src/wire/token.ts'
import type { Incarnation, SimBroker } from './broker.ts'
import type { LogRecord, PartitionLog } from './partition-log.ts'

/** A claimed place of an event. */
interface Place {
  readonly partition: number
  readonly offset: number
}

/** A broker's logs and their past: of a simulated broker, or read from a real one. */
export type BrokerPast = Pick<
  SimBroker,
  'incarnations' | 'current' | 'generations' | 'forgetsRewrites' | 'firstOffset' | 'byLog'
>

/** Looks up written records by the positions and events that clients report. */
export class Truth {
  readonly broker: BrokerPast
  /** Whether routes lead a subject or pattern to this stream. */
  readonly carries: (pattern: string) => boolean
  /** `any` = a subject is in all partitions; undefined = in the partition of its hash. */
  readonly by: 'any' | undefined
  readonly #byPlace = new Map<string, LogRecord[]>()
  readonly #matches = new Map<string, Map<string, boolean>>()

  constructor(broker: BrokerPast, carries: (pattern: string) => boolean = () => true, by?: 'any') {
    this.broker = broker
    this.carries = carries
    this.by = by
  }

  /** Returns whether events of a subject may be in the partition, with `count` partitions. */
  isPlace(subject: string, count: number, partition: number): boolean {
    return this.by === 'any' ? partition < count : partitionOf(subject, count) === partition
  }

  /**
   * Returns whether events of a subject or pattern may be in several partitions at the same time.
   */
  isSpread(pattern: string): boolean {
    return this.by === 'any' || isPattern(pattern)
  }

  add(record: LogRecord): void {
    const key = `${record.partition}/${record.offset}`
    const same = this.#byPlace.get(key)
    if (same === undefined) this.#byPlace.set(key, [record])
    else same.push(record)
  }

  /** Returns the newest record that matches a delivery, in `incarnation` if it is known. */
  find({ partition, offset }: Place, event: Event, incarnation: Incarnation | undefined): LogRecord | undefined {
    return this.#byPlace.get(`${partition}/${offset}`)?.findLast((record) => {
      if (incarnation !== undefined && record.incarnation !== incarnation.index) return false
      return record.event !== undefined && sameEvent(record.event, event)
    })
  }

  /** Cached `matches`: the same record and subject are compared repeatedly. */
  wants(pattern: string, record: LogRecord): boolean {
    if (record.event === undefined) return false
    const { subject } = record.event
    let known = this.#matches.get(pattern)
    if (known === undefined) {
      known = new Map()
      this.#matches.set(pattern, known)
    }
    let wanted = known.get(subject)
    if (wanted === undefined) {
      wanted = matches(pattern, subject)
      known.set(subject, wanted)
    }
    return wanted
  }

  /**
   * Returns whether a subscription to the pattern reads the log, and must receive gaps for
   * unreadable records there.
   */
  reads(pattern: string, log: PartitionLog): boolean {
    if (!this.carries(pattern)) return false
    const { logs } = this.broker.incarnations[log.incarnation]!
    return isPattern(pattern) || this.isPlace(pattern, logs.length, log.partition)
  }

  /** Returns the current partitions that a subscription to the pattern reads. */
  headsFor(pattern: string): readonly PartitionLog[] {
    return this.broker.current.logs.filter((log) => this.reads(pattern, log))
  }

  /**
   * Returns whether a subscription may receive frames of the partition: its subject is there, or
   * was with fewer partitions.
   */
  readsPartition(pattern: string, partition: number): boolean {
    if (!this.carries(pattern)) return false
    return this.broker.incarnations.some((incarnation) => {
      if (incarnation.logs[partition] === undefined) return false
      return isPattern(pattern) || this.countsOf(incarnation).some((count) => this.isPlace(pattern, count, partition))
    })
  }

  /**
   * Returns whether a subscription reads the partition of the current log, and did with every
   * earlier number of partitions.
   */
  alwaysReads(pattern: string, partition: number): boolean {
    const { current } = this.broker
    if (current.logs[partition] === undefined) return false
    return isPattern(pattern) || this.countsOf(current).every((count) => this.isPlace(pattern, count, partition))
  }

  /** Returns the incarnation of a token's position in the partition. */
  incarnationOf(token: string, partition: number): Incarnation | undefined {
    const position = this.positionIn(token, partition)
    return position && this.broker.byLog(position)
  }

  /** Returns a token's position in a partition of this stream. */
  positionIn(token: string, partition: number): Position | undefined {
    if (token === '') return undefined
    return decodeToken(token).find((each) => each.partition === partition && this.broker.byLog(each) !== undefined)
  }

  /** Returns the epoch of a position's history; -1 = unknown. */
  epochOf(log: PartitionLog, offset: number, generation: number): number {
    if (this.broker.generations === 'ranges' || generation < 0) return generation
    // The log has only one history, so no generation is needed.
    if (log.rewrites.length === 0) return -1
    const below = log.past.findLast((record) => record.offset === offset - 1 && generationOf(record) === generation)
    return below?.epoch ?? -1
  }

  /**
   * Returns whether the partition was rewritten at or below `to`, in any incarnation: the gap may
   * arrive after the log was recreated.
   */
  wasRewritten(partition: number, to: number): boolean {
    return this.broker.incarnations.some(({ logs }) => logs[partition]?.rewrites.some(({ from }) => from <= to))
  }

  wasRepartitioned(): boolean {
    const { incarnations } = this.broker
    return incarnations.some(({ growths, logs }) => growths.length > 0 || logs.length !== incarnations[0]!.logs.length)
  }

  /** Returns the partition counts of an incarnation, in order. */
  countsOf({ growths, logs }: Incarnation): readonly number[] {
    return [...growths.map(({ before }) => before), logs.length]
  }

  /**
   * Returns all partition counts of earlier incarnations, and this one's counts before its
   * growths up to `nowMs`.
   */
  countsUntil(incarnation: Incarnation, nowMs: number): readonly number[] {
    const earlier = this.broker.incarnations.slice(0, incarnation.index).flatMap((each) => this.countsOf(each))
    return [...earlier, ...incarnation.growths.filter(({ atMs }) => atMs <= nowMs).map(({ before }) => before)]
  }

  /**
   * Returns whether subjects may have moved away and back. A token of the first stay does not
   * cover the second.
   */
  movedTwice(): boolean {
    const { incarnations } = this.broker
    const counts = incarnations.flatMap(({ growths, logs }) => [...growths.map(({ before }) => before), logs.length])
    return counts.filter((count, i) => i > 0 && count !== counts[i - 1]).length > 1
  }

  /**
   * Returns when a growth after the write moved the record's subject to another partition;
   * undefined = never.
   */
  displacedMs(record: LogRecord): number | undefined {
    if (record.event === undefined) return undefined
    const { growths, logs } = this.broker.incarnations[record.incarnation]!
    const after = growths.slice(1).map(({ before }) => before)
    after.push(logs.length)
    const { subject } = record.event
    const at = growths.findIndex(
      ({ atMs }, i) => atMs >= record.writtenMs && !this.isPlace(subject, after[i]!, record.partition),
    )
    return at < 0 ? undefined : growths[at]!.atMs
  }

  /** Returns whether the record's subject had moved to that partition by `nowMs`. */
  movedInto(record: LogRecord, partition: number, nowMs: number): boolean {
    const { event, incarnation } = record
    const displacedMs = this.displacedMs(record)
    if (event === undefined || displacedMs === undefined || displacedMs > nowMs) return false
    const { growths, logs } = this.broker.incarnations[incarnation]!
    const since = growths.filter(({ atMs }) => atMs > displacedMs && atMs <= nowMs).map(({ before }) => before)
    const now = growths.find(({ atMs }) => atMs > nowMs)?.before ?? logs.length
    return [...since, now].some((count) => this.isPlace(event.subject, count, partition))
  }

  /**
   * Returns whether a subscription may have read another partition since the record was written.
   */
  strayedFor(pattern: string, { incarnation }: LogRecord): boolean {
    return !this.isSpread(pattern) && this.broker.incarnations[incarnation]!.growths.length > 0
  }

  /** Returns whether the record is in the wrong partition for some or all readers. */
  strayed(record: LogRecord): boolean {
    return this.displacedMs(record) !== undefined || this.misplaced(record) || this.tooEarly(record)
  }

  /** Returns whether the record was written to a partition other than its subject's. */
  misplaced(record: LogRecord): boolean {
    if (record.event === undefined) return false
    return !this.isPlace(record.event.subject, this.#countAt(record), record.partition)
  }

  /**
   * Returns whether the partition was never the subject's, for any partition count that a gateway
   * knew.
   */
  neverBelonged({ event, incarnation, partition }: LogRecord): boolean {
    if (event === undefined) return false
    const { growths, logs } = this.broker.incarnations[incarnation]!
    const isItsOwn = (count: number) => this.isPlace(event.subject, count, partition)
    return !isItsOwn(logs.length) && !growths.some(({ before }) => isItsOwn(before))
  }

  /** Returns the partition count when the record was written. */
  #countAt({ incarnation, writtenMs }: LogRecord): number {
    const { growths, logs } = this.broker.incarnations[incarnation]!
    return growths.find(({ atMs }) => atMs >= writtenMs)?.before ?? logs.length
  }

  /**
   * Returns whether the record was written before every gateway had learned that its subject is
   * in this partition. For those gateways it was in the wrong place.
   */
  tooEarly({ event, incarnation, partition, writtenMs }: LogRecord): boolean {
    if (event === undefined) return false
    return this.broker.incarnations[incarnation]!.growths.some(({ atMs, before, adoptedMs }) => {
      const isUnknown = writtenMs >= atMs && writtenMs <= adoptedMs && partition < before
      return isUnknown && !this.isPlace(event.subject, before, partition)
    })
  }
}

/** Returns the record's generation for a source that uses times as generations. */
export const generationOf = ({ timeMs }: LogRecord): number => Math.floor(timeMs) % 2 ** 32

export function partitionOf(subject: string, partitions: number): number {
  const bytes = Buffer.from(subject)
  return (murmur2(bytes, 0, bytes.length) & 0x7fffffff) % partitions
}

export function sameEvent(a: Event, b: Event): boolean {
  return (
    a.id === b.id &&
    a.subject === b.subject &&
    a.type === b.type &&
    a.contentType === b.contentType &&
    a.publishedAtUs === b.publishedAtUs &&
    a.ttlMs === b.ttlMs &&
    a.collapseKey === b.collapseKey &&
    a.priority === b.priority &&
    a.deleted === b.deleted &&
    Buffer.compare(a.data, b.data) === 0 &&
    sameAttributes(a.attributes, b.attributes)
  )
}

function sameAttributes(a: Event['attributes'], b: Event['attributes']): boolean {
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name])
}
