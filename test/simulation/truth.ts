import { murmur2 } from '../../src/base/hash.ts'
import { isPattern, matches } from '../../src/subject/subject.ts'
import type { Event } from '../../src/wire/frames.ts'
import { decodeToken, type Position } from '../../src/wire/token.ts'
import type { Incarnation, SimBroker } from './broker.ts'
import type { LogRecord, PartitionLog } from './partition-log.ts'

/** Where somebody says that an event is. */
interface Place {
  readonly partition: number
  readonly offset: number
}

/** What is known of a broker's logs and their past: a simulated one's, or what was read from a real one. */
export type BrokerPast = Pick<
  SimBroker,
  'incarnations' | 'current' | 'generations' | 'forgetsRewrites' | 'firstOffset' | 'byLog'
>

/** What was written, found by what clients say of it. */
export class Truth {
  readonly broker: BrokerPast
  /** Whether routes lead a subject or pattern to this stream. */
  readonly carries: (pattern: string) => boolean
  /** A subject is in all partitions; undefined = in that of its hash. */
  readonly by: 'any' | undefined
  readonly #byPlace = new Map<string, LogRecord[]>()
  readonly #matches = new Map<string, Map<string, boolean>>()

  constructor(broker: BrokerPast, carries: (pattern: string) => boolean = () => true, by?: 'any') {
    this.broker = broker
    this.carries = carries
    this.by = by
  }

  /** Whether events of a subject may be in the partition, of so many. */
  isPlace(subject: string, count: number, partition: number): boolean {
    return this.by === 'any' ? partition < count : partitionOf(subject, count) === partition
  }

  /** Whether events of a subject or pattern may be in several partitions at a time. */
  isSpread(pattern: string): boolean {
    return this.by === 'any' || isPattern(pattern)
  }

  add(record: LogRecord): void {
    const key = `${record.partition}/${record.offset}`
    const same = this.#byPlace.get(key)
    if (same === undefined) this.#byPlace.set(key, [record])
    else same.push(record)
  }

  /** The newest record that a delivery can be, of `incarnation` where that is known. */
  find({ partition, offset }: Place, event: Event, incarnation: Incarnation | undefined): LogRecord | undefined {
    return this.#byPlace.get(`${partition}/${offset}`)?.findLast((record) => {
      if (incarnation !== undefined && record.incarnation !== incarnation.index) return false
      return record.event !== undefined && sameEvent(record.event, event)
    })
  }

  /** `matches`, remembered: it is asked for each record and subject again and again. */
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

  /** Whether who follows this reads that log, and is to be told what nobody can read there. */
  reads(pattern: string, log: PartitionLog): boolean {
    if (!this.carries(pattern)) return false
    const { logs } = this.broker.incarnations[log.incarnation]!
    return isPattern(pattern) || this.isPlace(pattern, logs.length, log.partition)
  }

  /** Where who follows this reads the stream as it is now, whatever is published to others. */
  headsFor(pattern: string): readonly PartitionLog[] {
    return this.broker.current.logs.filter((log) => this.reads(pattern, log))
  }

  /** Whether who follows this may be told something of that partition: its subject is there, or was with fewer of them. */
  readsPartition(pattern: string, partition: number): boolean {
    if (!this.carries(pattern)) return false
    return this.broker.incarnations.some((incarnation) => {
      if (incarnation.logs[partition] === undefined) return false
      return isPattern(pattern) || this.countsOf(incarnation).some((count) => this.isPlace(pattern, count, partition))
    })
  }

  /** Whether who follows this reads that partition of the present log, and did with each number of them that it has had. */
  alwaysReads(pattern: string, partition: number): boolean {
    const { current } = this.broker
    if (current.logs[partition] === undefined) return false
    return isPattern(pattern) || this.countsOf(current).every((count) => this.isPlace(pattern, count, partition))
  }

  /** That of a token's position in the partition. */
  incarnationOf(token: string, partition: number): Incarnation | undefined {
    const position = this.positionIn(token, partition)
    return position && this.broker.byLog(position)
  }

  /** A token's position in a partition of this stream. */
  positionIn(token: string, partition: number): Position | undefined {
    if (token === '') return undefined
    return decodeToken(token).find((each) => each.partition === partition && this.broker.byLog(each) !== undefined)
  }

  /** The epoch of the history that a position is of; -1 = it does not say. */
  epochOf(log: PartitionLog, offset: number, generation: number): number {
    if (this.broker.generations === 'ranges' || generation < 0) return generation
    // One history only: whichever it says is the log's.
    if (log.rewrites.length === 0) return -1
    const below = log.past.findLast((record) => record.offset === offset - 1 && generationOf(record) === generation)
    return below?.epoch ?? -1
  }

  /** It may be told late, when the log is another one already. */
  wasRewritten(partition: number, to: number): boolean {
    return this.broker.incarnations.some(({ logs }) => logs[partition]?.rewrites.some(({ from }) => from <= to))
  }

  wasRepartitioned(): boolean {
    const { incarnations } = this.broker
    return incarnations.some(({ growths, logs }) => growths.length > 0 || logs.length !== incarnations[0]!.logs.length)
  }

  /** The numbers of partitions that an incarnation had, in order. */
  countsOf({ growths, logs }: Incarnation): readonly number[] {
    return [...growths.map(({ before }) => before), logs.length]
  }

  /** The numbers of partitions that the stream had, this incarnation and those before it, until it last grew. */
  countsUntil(incarnation: Incarnation, nowMs: number): readonly number[] {
    const earlier = this.broker.incarnations.slice(0, incarnation.index).flatMap((each) => this.countsOf(each))
    return [...earlier, ...incarnation.growths.filter(({ atMs }) => atMs <= nowMs).map(({ before }) => before)]
  }

  /** Subjects may have moved forth and back: a token of the first place says nothing of the second. */
  movedTwice(): boolean {
    const { incarnations } = this.broker
    const counts = incarnations.flatMap(({ growths, logs }) => [...growths.map(({ before }) => before), logs.length])
    return counts.filter((count, i) => i > 0 && count !== counts[i - 1]).length > 1
  }

  /** When the record's subject moved to another partition, by the growths since it was written; undefined = never. */
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

  /** By `nowMs` the record's subject had moved on to that partition. */
  movedInto(record: LogRecord, partition: number, nowMs: number): boolean {
    const { event, incarnation } = record
    const displacedMs = this.displacedMs(record)
    if (event === undefined || displacedMs === undefined || displacedMs > nowMs) return false
    const { growths, logs } = this.broker.incarnations[incarnation]!
    const since = growths.filter(({ atMs }) => atMs > displacedMs && atMs <= nowMs).map(({ before }) => before)
    const now = growths.find(({ atMs }) => atMs > nowMs)?.before ?? logs.length
    return [...since, now].some((count) => this.isPlace(event.subject, count, partition))
  }

  /** Whether who follows this may have read another partition since the record was written. */
  strayedFor(pattern: string, { incarnation }: LogRecord): boolean {
    return !this.isSpread(pattern) && this.broker.incarnations[incarnation]!.growths.length > 0
  }

  /** In the wrong place for all or some of those who read it. */
  strayed(record: LogRecord): boolean {
    return this.displacedMs(record) !== undefined || this.misplaced(record) || this.tooEarly(record)
  }

  /** Written to a partition that was not its subject's. */
  misplaced(record: LogRecord): boolean {
    if (record.event === undefined) return false
    return !this.isPlace(record.event.subject, this.#countAt(record), record.partition)
  }

  /** In a partition that was not its subject's, however many of them a gateway knew. */
  neverBelonged({ event, incarnation, partition }: LogRecord): boolean {
    if (event === undefined) return false
    const { growths, logs } = this.broker.incarnations[incarnation]!
    const isItsOwn = (count: number) => this.isPlace(event.subject, count, partition)
    return !isItsOwn(logs.length) && !growths.some(({ before }) => isItsOwn(before))
  }

  /** How many partitions there were when it was written. */
  #countAt({ incarnation, writtenMs }: LogRecord): number {
    const { growths, logs } = this.broker.incarnations[incarnation]!
    return growths.find(({ atMs }) => atMs >= writtenMs)?.before ?? logs.length
  }

  /** Written while some gateways that read the partition did not know yet that its subject lives there now: to those it was in the wrong place. */
  tooEarly({ event, incarnation, partition, writtenMs }: LogRecord): boolean {
    if (event === undefined) return false
    return this.broker.incarnations[incarnation]!.growths.some(({ atMs, before, adoptedMs }) => {
      const isUnknown = writtenMs >= atMs && writtenMs <= adoptedMs && partition < before
      return isUnknown && !this.isPlace(event.subject, before, partition)
    })
  }
}

/** As a source whose generations are times tells it. */
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
