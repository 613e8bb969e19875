import { isPattern } from '../../src/subject/subject.ts'
import type { GapReason } from '../../src/wire/frames.ts'
import type { LogRecord } from './partition-log.ts'
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

/**
 * Records that a token passed over that its gateway could not judge. Of a rewrite before its start it has seen nothing below the place where it
 * began to read; and a token says no generation where who gave it had not read the record right below.
 */
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

  isIn(place: string): boolean {
    return this.#steps.has(place)
  }

  /** It stood right there, in a history before that one. */
  wasAt(place: string, epoch: number, offset: number): boolean {
    return this.#steps.get(place)?.some((each) => each.epoch < epoch && each.offset === offset) ?? false
  }

  /** It was told that it stands in that history, or a later one, at `offset` or below. */
  wasIn(place: string, epoch: number, offset: number): boolean {
    return this.#steps.get(place)?.some((each) => each.epoch >= epoch && each.offset <= offset) ?? false
  }

  /** The same, before it was told to stand at `offset` without being told in which history. */
  wasInBefore(place: string, { epoch, offset }: Pick<Step, 'epoch' | 'offset'>): boolean {
    const steps = this.#steps.get(place) ?? []
    const at = steps.findIndex((each) => each.epoch < 0 && each.offset === offset)
    return steps.slice(0, Math.max(at, 0)).some((each) => each.epoch >= epoch && each.offset <= offset)
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

/** A record that was neither given nor in the range of a gap, and those whom it was for. */
export interface Case {
  readonly record: LogRecord
  readonly place: string
  /** When its subject moved to another partition; undefined = never. */
  readonly displacedMs: number | undefined
  readonly subscriber: Subscriber
  readonly truth: Truth
  /** What was told since the log had the record, whether or not readers could have it. */
  readonly gaps: readonly ToldGap[]
}

type Excuse = (each: Case) => boolean

/** A gap of that reason, told since the log had the record. */
const aGap = ({ gaps }: Case, reason: GapReason, is: (gap: ToldGap) => boolean): boolean =>
  gaps.some((gap) => gap.reason === reason && is(gap))

const isHere = ({ record }: Case, { incarnation, partition }: ToldGap): boolean =>
  incarnation === record.incarnation && partition === record.partition

/** The record was no more when the gap was told: what was gone before is part of what nobody knows of the log. */
const wasGone = ({ record }: Case, { atMs }: ToldGap): boolean => record.gone === 'retention' && record.goneMs <= atMs

/** What else counts as told: documented limits, and nothing else. Each says what it is by its name. */
export const excuses = {
  /** One position speaks for all, so who stood further on may not hear of a rewrite below. */
  'stood beyond a rewrite, shared': ({ record, subscriber }) =>
    subscriber.shared && record.epoch > 0 && subscriber.stood.wasBeyond(record),

  'token of before its gateway': ({ record: { epoch, offset }, subscriber, place }) =>
    subscriber.unjudged.some(
      (each) => each.place === place && each.epoch <= epoch && each.from <= offset && each.to > offset,
    ),

  'position ahead without a generation': ({ record: { epoch, offset, seenMs }, subscriber, place }) =>
    epoch > 0 && subscriber.blind.some((each) => each.place === place && each.to > offset && each.sinceMs < seenMs),

  /** Events of moved subjects that were written before stay in the old partitions, also for who begins later. */
  'begun after its subject moved': ({ displacedMs, subscriber }) =>
    displacedMs !== undefined && subscriber.beginning.ms >= displacedMs,

  'moved forth and back': ({ displacedMs, truth }) => displacedMs !== undefined && truth.movedTwice(),

  'in its new place too early': ({ record, truth }) => truth.tooEarly(record),

  'in the wrong partition': ({ record, truth }) => truth.misplaced(record),

  /**
   * On Kafka, `retention` is all that a gateway is told of what was rewritten and is gone before it came to read it, and nothing where the log
   * begins right where it stands.
   */
  'rewritten, and gone before it was read': (each) => {
    const { record, place, subscriber, truth } = each
    if (!truth.broker.forgetsRewrites) return false
    const { rewrites, beginnings } = truth.broker.incarnations[record.incarnation]!.logs[record.partition]!
    const { stood } = subscriber
    return rewrites.some(({ epoch, from }) => {
      if (epoch > record.epoch || from > record.offset) return false
      const isOlder = (offset: number) => offset > record.offset && !stood.wasIn(place, epoch, offset)
      if (aGap(each, 'retention', (gap) => isHere(each, gap) && isOlder(gap.from) && wasGone(each, gap))) return true
      return beginnings.some(({ first, atMs }) => {
        return (
          record.gone === 'retention' && atMs >= record.goneMs && isOlder(first) && stood.wasAt(place, epoch, first)
        )
      })
    })
  },

  /** Of a rewrite below its position that came shortly before nobody may have heard. */
  'rewritten, then created again': (each) =>
    each.record.epoch > 0 &&
    aGap(each, 'recreated', ({ incarnation, partition, from }) => {
      const { record } = each
      return incarnation > record.incarnation && partition === record.partition && from > record.offset
    }),

  /** It was told of a log that came later still: of those between nobody was given anything. */
  'in a log between two that it knew': (each) =>
    aGap(each, 'recreated', ({ incarnation, before = -1 }) => {
      return incarnation > each.record.incarnation && before < each.record.incarnation
    }),

  /** The new log has no such partition in which it could be told. */
  'created again, without its partition': (each) =>
    aGap(each, 'recreated', ({ incarnation }) => {
      const { record, truth } = each
      return (
        incarnation > record.incarnation && truth.broker.incarnations[incarnation]!.logs[record.partition] === undefined
      )
    }),

  'created again, told in another partition': (each) =>
    aGap(each, 'recreated', ({ incarnation, partition }) => {
      return incarnation > each.record.incarnation && partition !== each.record.partition
    }),

  /** Documented: all of it is given that the new log has. */
  'gone before it came to the new log': (each) =>
    aGap(each, 'recreated', (gap) => isHere(each, gap) && wasGone(each, gap)),

  /** Documented: an older partition goes on at its head. */
  'below its head in another partition': (each) =>
    aGap(each, 'repartitioned', (gap) => {
      return isHere(each, gap) && each.record.offset < gap.from && each.record.seenMs <= gap.atMs
    }),

  'moved, and created again': (each) =>
    aGap(each, 'recreated', ({ incarnation, atMs }) => {
      return incarnation === each.record.incarnation && isMovedBy(each, atMs)
    }),

  /** A pattern stands in the older partitions already: it is told in the new one only. */
  'moved, as a pattern was told': (each) =>
    isPattern(each.subscriber.subject) &&
    aGap(each, 'repartitioned', ({ incarnation, atMs }) => {
      return incarnation === each.record.incarnation && isMovedBy(each, atMs)
    }),

  /** Documented: a token that does not say how many partitions there were. */
  'moved, told as unnamed': (each) =>
    aGap(each, 'unnamed', ({ incarnation, partition, atMs }) => {
      const { record, truth } = each
      return incarnation === record.incarnation && truth.movedInto(record, partition, atMs)
    }),
} as const satisfies Record<string, Excuse>

export type ExcuseName = keyof typeof excuses
export const excuseNames = Object.keys(excuses) as ExcuseName[]

const isMovedBy = ({ displacedMs }: Case, atMs: number): boolean => displacedMs !== undefined && atMs >= displacedMs

/** How often each excuse was the only reason why a record counted as told, by subscription. */
export class ExcuseCounts {
  readonly #records = new Map<ExcuseName, Map<Subscriber, Set<LogRecord>>>()

  only(name: ExcuseName, { subscriber, record }: Case): void {
    const bySubscriber = this.#records.get(name) ?? new Map<Subscriber, Set<LogRecord>>()
    this.#records.set(name, bySubscriber)
    const records = bySubscriber.get(subscriber) ?? new Set()
    bySubscriber.set(subscriber, records)
    records.add(record)
  }

  get counts(): Readonly<Partial<Record<ExcuseName, number>>> {
    const sumOf = (bySubscriber: Map<Subscriber, Set<LogRecord>>) =>
      [...bySubscriber.values()].reduce((sum, { size }) => sum + size, 0)
    return Object.fromEntries([...this.#records].map(([name, bySubscriber]) => [name, sumOf(bySubscriber)]))
  }
}
