import type { Gap, GapReason } from '../../src/wire/frames.ts'
import type { Incarnation } from './broker.ts'
import type { LogRecord } from './partition-log.ts'
import { shown } from './shown.ts'
import type { Truth } from './truth.ts'

type Told = Pick<Gap, 'partition' | 'from' | 'to' | 'reason' | 'certain' | 'n'>

/** Why a gap that is about these subjects, all that it counts where `isCounted`, is not true at `nowMs`; undefined where it is. */
export function gapFault(
  truth: Truth,
  gap: Told,
  incarnation: Incarnation,
  subjects: readonly string[],
  isCounted: boolean,
  nowMs: number,
): string | undefined {
  const { partition, from, to = Number.POSITIVE_INFINITY, reason, certain, n } = gap
  const log = incarnation.logs[partition]
  if (log === undefined) return 'there is no such partition'
  if (to < from) return 'it ends before it begins'
  const theirs = log.past.filter((record) => {
    const { offset, hidden, seenMs } = record
    if (offset < from || offset > to || hidden || seenMs > nowMs) return false
    return subjects.some((subject) => truth.wants(subject, record))
  })
  const kept = theirs.filter((record) => record.gone === undefined)
  const isRewritten = truth.wasRewritten(partition, to)
  switch (reason) {
    case 'retention':
      return kept.length === 0 ? undefined : `${shown(kept[0]!)} is still there`
    case 'corrupt':
      return isRewritten || kept.every(({ damaged }) => damaged) ? undefined : 'not all of it is damaged'
    case 'rewritten': {
      // Documented: with what can't be read at the log's end another history may begin, for who knows what was there.
      const within = log.past.filter(({ offset }) => offset >= from && offset <= to)
      const isUnread = within.every(({ damaged, gone }) => damaged || gone === 'retention')
      if (log.first > to || (within.length > 0 && isUnread)) return undefined
      // Where retention or damage took what lay between, a later history may have begun there for all that a gateway has seen.
      const unseen =
        log.first > from || log.past.some(({ offset, damaged }) => damaged && offset <= to && offset >= to - 1)
      return truth.wasRewritten(partition, unseen ? Number.POSITIVE_INFINITY : to)
        ? undefined
        : 'the log was not rewritten there'
    }
    case 'recreated':
      return truth.broker.incarnations.length > 1 ? undefined : 'it was never created again'
    case 'repartitioned':
      // Told of each empty partition that a token of its stream does not name.
      return from === truth.broker.firstOffset || truth.wasRepartitioned() ? undefined : 'the partitions never changed'
    case 'unnamed':
    case 'budget':
      return undefined
    default: {
      if (!certain || n === undefined) return 'what a policy drops is counted, and certain'
      // A record that was in the wrong place for some may or may not be part of it.
      const sure = kept.filter((record) => !truth.strayed(record))
      if (isCounted && !isRewritten && subjects.length === 1 && (n < sure.length || n > theirs.length))
        return `it counts ${n}, of ${sure.length}`
      // What it was about may have been rewritten since.
      // Told to several, it is about the events of those who have the policy.
      return isRewritten || subjects.length > 1 ? undefined : dropFault(truth, reason, sure)
    }
  }
}

function dropFault(truth: Truth, reason: GapReason, dropped: readonly LogRecord[]): string | undefined {
  for (const record of dropped) {
    const { subject, collapseKey, ttlMs } = record.event!
    if (reason === 'ttl') {
      if (ttlMs === 0) return `${shown(record)} has no time to live`
      continue
    }
    if (reason === 'collapsed' && collapseKey === '') return `${shown(record)} has no collapse key`
    const log = truth.broker.incarnations[record.incarnation]!.logs[record.partition]!
    const isReplaced = log.past.some(({ offset, event }) => {
      if (offset <= record.offset || event?.subject !== subject) return false
      return reason === 'latest' || event.collapseKey === collapseKey
    })
    if (!isReplaced) return `nothing took the place of ${shown(record)}`
  }
  return undefined
}
