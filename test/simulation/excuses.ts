import { isPattern } from '../../src/subject/subject.ts'
import type { GapReason } from '../../src/wire/frames.ts'
import type { LogRecord } from './partition-log.ts'
import type { Truth } from './truth.ts'

/** A gap that a subscription received. */
export interface ToldGap {
  readonly incarnation: number
  /** Incarnation of its positions before the gap. */
  readonly before: number | undefined
  readonly partition: number
  readonly from: number
  readonly to: number
  /** Offset at which the subscription continues. */
  readonly next: number
  readonly reason: GapReason
  readonly atMs: number
}

/** Where a subscription began, and from when on it must receive events. */
export interface Beginning {
  /** Start offsets by incarnation and partition. */
  readonly starts: Map<string, number>
  ms: number
  /** Incarnation at the start; -1 = not started. */
  incarnation: number
}

/**
 * Records passed by a token that the gateway could not verify. Of a rewrite before the gateway's
 * start, it has seen nothing below the offset where it began to read; and a token has no
 * generation if its gateway had not read the record directly below.
 */
export interface Unjudged {
  readonly place: string
  readonly from: number
  readonly to: number
  readonly epoch: number
}

/**
 * A position without a generation ahead of its gateway, which has seen no history to verify it
 * against.
 */
export interface Blind {
  readonly place: string
  readonly to: number
  readonly sinceMs: number
}

/** State of a subscription that all its ledgers share. */
export interface Subscriber {
  readonly subject: string
  /**
   * true = the subscription shares its positions with others over SSE or long-poll, now or
   * earlier.
   */
  together: boolean
  /** true = it was part of a request with others, which has one position for all. */
  shared: boolean
  readonly beginning: Beginning
  readonly unjudged: Unjudged[]
  readonly blind: Blind[]
  readonly stood: Stood
}

/** A position's history, by its generation. */
interface Step {
  readonly offset: number
  /** Epoch; -1 = the position has no generation. */
  readonly epoch: number
  readonly atMs: number
}

/**
 * The positions that a subscription has had, with their times, by the history that the gateway
 * named.
 */
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

  /** Returns whether the subscription was exactly there in an earlier history. */
  wasAt(place: string, epoch: number, offset: number): boolean {
    return this.#steps.get(place)?.some((each) => each.epoch < epoch && each.offset === offset) ?? false
  }

  /** Returns whether it had a position in that history or a later one, at `offset` or below. */
  wasIn(place: string, epoch: number, offset: number): boolean {
    return this.#steps.get(place)?.some((each) => each.epoch >= epoch && each.offset <= offset) ?? false
  }

  /** Like `wasIn`, before it had a position at `offset` without a generation. */
  wasInBefore(place: string, { epoch, offset }: Pick<Step, 'epoch' | 'offset'>): boolean {
    const steps = this.#steps.get(place) ?? []
    const at = steps.findIndex((each) => each.epoch < 0 && each.offset === offset)
    return steps.slice(0, Math.max(at, 0)).some((each) => each.epoch >= epoch && each.offset <= offset)
  }

  /**
   * Returns whether it was beyond the record's offset when another record was there: before this
   * one was written, or at a gateway that had not heard of this one yet.
   */
  wasBeyond({ incarnation, partition, offset, seenMs, epoch }: LogRecord): boolean {
    const steps = this.#steps.get(placeOf(incarnation, partition)) ?? []
    const isOther = (each: Step) => each.atMs < seenMs || (each.epoch >= 0 && each.epoch < epoch)
    return steps.some((each) => each.offset > offset && isOther(each))
  }
}

export const placeOf = (incarnation: number, partition: number): string => `${incarnation}/${partition}`

/** A record that was neither delivered nor covered by a gap, and its subscription. */
export interface Case {
  readonly record: LogRecord
  readonly place: string
  /** When the record's subject moved to another partition; undefined = never. */
  readonly displacedMs: number | undefined
  readonly subscriber: Subscriber
  readonly truth: Truth
  /** Gaps since the log had the record, visible to readers or not. */
  readonly gaps: readonly ToldGap[]
}

type Excuse = (each: Case) => boolean

/** Returns whether a gap of that reason arrived since the log had the record. */
const aGap = ({ gaps }: Case, reason: GapReason, is: (gap: ToldGap) => boolean): boolean =>
  gaps.some((gap) => gap.reason === reason && is(gap))

const isHere = ({ record }: Case, { incarnation, partition }: ToldGap): boolean =>
  incarnation === record.incarnation && partition === record.partition

/**
 * Returns whether retention had removed the record when the gap was sent. Nobody knows what such
 * a part of the log contained.
 */
const wasGone = ({ record }: Case, { atMs }: ToldGap): boolean => record.gone === 'retention' && record.goneMs <= atMs

/**
 * Other reasons why a record counts as accounted for: documented limits only. Each name states
 * the limit.
 */
export const excuses = {
  /** One position covers all, so a subscription further on may not learn of a rewrite below. */
  'stood beyond a rewrite, shared': ({ record, subscriber }) =>
    subscriber.shared && record.epoch > 0 && subscriber.stood.wasBeyond(record),

  'token of before its gateway': ({ record: { epoch, offset }, subscriber, place }) =>
    subscriber.unjudged.some(
      (each) => each.place === place && each.epoch <= epoch && each.from <= offset && each.to > offset,
    ),

  'position ahead without a generation': ({ record: { epoch, offset, seenMs }, subscriber, place }) =>
    epoch > 0 && subscriber.blind.some((each) => each.place === place && each.to > offset && each.sinceMs < seenMs),

  /** Earlier events of moved subjects stay in the old partitions, also for later subscriptions. */
  'begun after its subject moved': ({ displacedMs, subscriber }) =>
    displacedMs !== undefined && subscriber.beginning.ms >= displacedMs,

  'moved forth and back': ({ displacedMs, truth }) => displacedMs !== undefined && truth.movedTwice(),

  'in its new place too early': ({ record, truth }) => truth.tooEarly(record),

  'in the wrong partition': ({ record, truth }) => truth.misplaced(record),

  /**
   * On Kafka, a gateway learns only of `retention` for records that were rewritten and removed
   * before it read them, and of nothing where the log begins exactly at its position.
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

  /**
   * Possibly no gateway heard of a rewrite below the position shortly before the stream was
   * recreated.
   */
  'rewritten, then created again': (each) =>
    each.record.epoch > 0 &&
    aGap(each, 'recreated', ({ incarnation, partition, from }) => {
      const { record } = each
      return incarnation > record.incarnation && partition === record.partition && from > record.offset
    }),

  /**
   * The subscription was led to an even later log: no subscription receives anything of the logs
   * in between.
   */
  'in a log between two that it knew': (each) =>
    aGap(each, 'recreated', ({ incarnation, before = -1 }) => {
      return incarnation > each.record.incarnation && before < each.record.incarnation
    }),

  /** The new log has no such partition in which a gap could be sent. */
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

  /** Documented: everything that the new log has is delivered. */
  'gone before it came to the new log': (each) =>
    aGap(each, 'recreated', (gap) => isHere(each, gap) && wasGone(each, gap)),

  /** Documented: an older partition continues at its head. */
  'below its head in another partition': (each) =>
    aGap(each, 'repartitioned', (gap) => {
      return isHere(each, gap) && each.record.offset < gap.from && each.record.seenMs <= gap.atMs
    }),

  'moved, and created again': (each) =>
    aGap(each, 'recreated', ({ incarnation, atMs }) => {
      return incarnation === each.record.incarnation && isMovedBy(each, atMs)
    }),

  /**
   * A pattern already has positions in the older partitions: the gap arrives only in the new one.
   */
  'moved, as a pattern was told': (each) =>
    isPattern(each.subscriber.subject) &&
    aGap(each, 'repartitioned', ({ incarnation, atMs }) => {
      return incarnation === each.record.incarnation && isMovedBy(each, atMs)
    }),

  /** Documented: a token without the number of partitions. */
  'moved, told as unnamed': (each) =>
    aGap(each, 'unnamed', ({ incarnation, partition, atMs }) => {
      const { record, truth } = each
      return incarnation === record.incarnation && truth.movedInto(record, partition, atMs)
    }),
} as const satisfies Record<string, Excuse>

export type ExcuseName = keyof typeof excuses
export const excuseNames = Object.keys(excuses) as ExcuseName[]

const isMovedBy = ({ displacedMs }: Case, atMs: number): boolean => displacedMs !== undefined && atMs >= displacedMs

/**
 * Counts how often each excuse was the only reason why a record counted as accounted for, by
 * subscription.
 */
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
