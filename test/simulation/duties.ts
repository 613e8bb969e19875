import type { Gap, GapReason } from '../../src/wire/frames.ts'
import { placeOf } from './excuses.ts'
import type { Asked } from './gap-truth.ts'
import { isUnreadable, type LogRecord, type PartitionLog } from './partition-log.ts'
import { shown } from './shown.ts'
import { matesOf } from './subjects.ts'
import type { Truth } from './truth.ts'
import type { GatewayKnowledge } from './witness.ts'

/** A gap, as far as it counts here. */
export interface Told extends Pick<Gap, 'partition' | 'from' | 'to' | 'reason'> {
  readonly incarnation: number
}

/** What a subscription was given and told on one connection, as far as it counts for what it asked. */
export interface Served {
  readonly asked: Asked
  readonly given: ReadonlySet<LogRecord>
  readonly told: readonly Told[]
  /** How far the gateway has read that says that all was given, where this is not the one that counted what was asked. */
  readonly heads?: Asked['heads']
  /** What the gateway that counted had read when its answer came: more than when it was asked, as the request is under way for a while. */
  readonly answered?: Read | undefined
}

/** What a gateway had read at a time. */
export type Read = Pick<Asked, 'heads' | 'epochs' | 'atMs'>

/** Read by its gateway before it was asked for: given, it is caught up with. */
export function isCaughtUp(truth: Truth, { heads, atMs }: Asked, record: LogRecord): boolean {
  const { incarnation, partition, offset, seenMs, gone } = record
  const head = heads?.get(placeOf(incarnation, partition)) ?? 0
  if (offset >= head || seenMs > atMs || gone === 'rewritten') return false
  return !truth.broker.incarnations[incarnation]!.logs[partition]!.rewrites.some(({ from }) => from <= offset)
}

/** In the history that a gateway held then. */
function wasRead(log: PartitionLog, { heads, epochs, atMs }: Read, record: LogRecord): boolean {
  const { incarnation, partition, offset, seenMs } = record
  const place = placeOf(incarnation, partition)
  if (offset >= (heads?.get(place) ?? 0) || seenMs > atMs) return false
  const epoch = epochs?.get(place) ?? -1
  return epoch < 0 || log.inLineage(record, epoch)
}

/** Documented: who catches up is not given what had expired when it asked. */
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

/** After these its gateway goes on elsewhere, or in a log that is not the one in which it had counted. */
const leadsAway: ReadonlySet<GapReason> = new Set(['rewritten', 'recreated', 'repartitioned'])

/** Documented: `last: n` gives the last n events of each subject, or a gap says that there may be more. */
export function lastFault(truth: Truth, served: Served, isExact: boolean): string | undefined {
  const { asked, given, told, answered = asked } = served
  const { last, heads, subject } = asked
  if (last === undefined || heads === undefined) return undefined
  for (const place of heads.keys()) {
    // What is not there yet comes later, as all that is new does.
    const head = served.heads === undefined ? Number.POSITIVE_INFINITY : (served.heads.get(place) ?? 0)
    const [index, partition] = place.split('/').map(Number)
    const incarnation = truth.broker.incarnations[index!]
    const log = incarnation?.logs[partition!]
    // The stream may have become another one before its gateway had looked; or another gateway, which lags, still tells of the one before.
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
      // Later ones may have come before its gateway had looked. Known limit: the index knows subjects by their hashes.
      const mates = new Set([name, ...matesOf(name)])
      // Among the last ones when its gateway counted, and rewritten away before it was given, or not read yet where all else was given.
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
