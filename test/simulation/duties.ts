import type { Gap, GapReason } from '../../src/wire/frames.ts'
import { placeOf } from './excuses.ts'
import type { Asked } from './gap-truth.ts'
import { isUnreadable, type LogRecord, type PartitionLog } from './partition-log.ts'
import { shown } from './shown.ts'
import { matesOf } from './subjects.ts'
import type { Truth } from './truth.ts'
import type { GatewayKnowledge } from './witness.ts'

/** The fields of a gap that matter here. */
export interface Told extends Pick<Gap, 'partition' | 'from' | 'to' | 'reason'> {
  readonly incarnation: number
}

/** Events and gaps that a subscription received on one connection for its request. */
export interface Served {
  readonly asked: Asked
  readonly given: ReadonlySet<LogRecord>
  readonly told: readonly Told[]
  /**
   * Heads of the gateway that reported the subscription live, if another gateway counted the last
   * events.
   */
  readonly heads?: Asked['heads']
  /**
   * What the counting gateway had read when its response arrived: more than when the request was
   * sent, because the request was in flight in between.
   */
  readonly answered?: Read | undefined
}

/** A gateway's read state at a time. */
export type Read = Pick<Asked, 'heads' | 'epochs' | 'atMs'>

/**
 * Returns whether the gateway had read the record before the request, so that delivering it is
 * catch-up.
 */
export function isCaughtUp(truth: Truth, { heads, atMs }: Asked, record: LogRecord): boolean {
  const { incarnation, partition, offset, seenMs, gone } = record
  const head = heads?.get(placeOf(incarnation, partition)) ?? 0
  if (offset >= head || seenMs > atMs || gone === 'rewritten') return false
  return !truth.broker.incarnations[incarnation]!.logs[partition]!.rewrites.some(({ from }) => from <= offset)
}

/** Returns whether the gateway had read the record, in the history that it held. */
function wasRead(log: PartitionLog, { heads, epochs, atMs }: Read, record: LogRecord): boolean {
  const { incarnation, partition, offset, seenMs } = record
  const place = placeOf(incarnation, partition)
  if (offset >= (heads?.get(place) ?? 0) || seenMs > atMs) return false
  const epoch = epochs?.get(place) ?? -1
  return epoch < 0 || log.inLineage(record, epoch)
}

/** Checks that catch-up skips records that had expired at the request, as documented. */
export function lateFault(
  truth: Truth,
  asked: Asked,
  record: LogRecord,
  { gateway, nowMs }: { readonly gateway: GatewayKnowledge | undefined; readonly nowMs: number },
) {
  const clock = gateway?.clockMs?.()
  const ttlMs = record.event?.ttlMs ?? 0
  if (clock === undefined || ttlMs === 0 || !isCaughtUp(truth, asked, record)) return undefined
  const lateMs = clock.least - (nowMs - asked.atMs) - (record.timeMs + ttlMs)
  return lateMs >= 0
    ? `was given ${shown(record)}, which had expired ${lateMs.toFixed(0)} ms before it asked`
    : undefined
}

/**
 * Gaps after which the gateway continues at another place, or in another log than the one in
 * which it counted.
 */
const leadsAway: ReadonlySet<GapReason> = new Set(['rewritten', 'recreated', 'repartitioned'])

/**
 * Checks that `last: n` delivered the last n events of each subject, or that a gap covers the
 * others, as documented.
 */
export function lastFault(truth: Truth, served: Served, isExact: boolean): string | undefined {
  const { asked, given, told, answered = asked } = served
  const { last, heads, subject } = asked
  if (last === undefined || heads === undefined) return undefined
  for (const place of heads.keys()) {
    // Events that the gateway has not read yet arrive later, like all new events.
    const head = served.heads === undefined ? Number.POSITIVE_INFINITY : (served.heads.get(place) ?? 0)
    const [index, partition] = place.split('/').map(Number)
    const incarnation = truth.broker.incarnations[index!]
    const log = incarnation?.logs[partition!]
    // The stream may have been recreated before the gateway looked, or another gateway that lags
    // may still report the earlier incarnation.
    const here = told.filter((gap) => gap.partition === partition)
    const isLedAway = here.some((gap) => gap.incarnation !== index || leadsAway.has(gap.reason))
    if (isLedAway || incarnation?.deletedMs !== Number.POSITIVE_INFINITY) continue
    const isTold = ({ offset }: LogRecord) => here.some(({ from, to = from }) => offset >= from && offset <= to)
    const theirs = (log?.past ?? []).filter((record) => {
      const isThere = record.gone === undefined && !record.hidden && !isUnreadable(record)
      return isThere && truth.wants(subject, record) && !truth.strayed(record) && isCaughtUp(truth, asked, record)
    })
    for (const [name, records] of Map.groupBy(theirs, ({ event }) => event!.subject)) {
      const found = records.filter((record) => given.has(record)).length
      // Later events may have arrived before the gateway looked. Known limit: the index
      // identifies subjects by hash.
      const mates = new Set([name, ...matesOf(name)])
      // The record was among the last events when the gateway counted. It was rewritten before
      // delivery, or the delivering gateway has not read it yet.
      const wasCounted = (record: LogRecord) =>
        (record.gone === 'rewritten' || record.offset >= head) &&
        (wasRead(log!, asked, record) || wasRead(log!, answered, record))
      const later = (than: LogRecord) =>
        log!.past.filter((record) => {
          const { event, offset, hidden } = record
          if (event === undefined || hidden || offset <= than.offset || !mates.has(event.subject)) return false
          return given.has(record) || isTold(record) || event.subject !== name || wasCounted(record)
        }).length
      const due = records
        .slice(-last)
        .find((record) => record.offset < head && !given.has(record) && !isTold(record) && later(record) < last)
      if (due !== undefined) return `asked for the last ${last} of ${name}, and was not given ${shown(due)}`
      if (isExact && found > last) return `asked for the last ${last} of ${name}, and was given ${found}`
    }
  }
  return undefined
}
