import type { Lost } from '../../src/log/losses.ts'
import { isPattern } from '../../src/subject/subject.ts'
import type { Gap, GapReason } from '../../src/wire/frames.ts'
import { hashOf, isSamePartition, type Position } from '../../src/wire/token.ts'
import type { Incarnation } from './broker.ts'
import { isUnreadable, type LogRecord, type PartitionLog } from './partition-log.ts'
import { shown } from './shown.ts'
import type { Truth } from './truth.ts'
import type { GatewayKnowledge } from './witness.ts'

/** One subscription's request to its gateway. */
export interface Asked {
  readonly subject: string
  readonly isLatest: boolean
  readonly last: number | undefined
  /** Positions in the request's tokens. */
  readonly presented: readonly Position[]
  readonly atMs: number
  /** The gateway's heads at the request, by `placeOf`; undefined = not recorded. */
  readonly heads: ReadonlyMap<string, number> | undefined
  /** Epochs of the histories that the gateway held there; -1 = unknown. */
  readonly epochs: ReadonlyMap<string, number> | undefined
  /** Ranges there that retention removed before the gateway read them. */
  readonly lost?: ReadonlyMap<string, readonly Lost[]> | undefined
}

/** A received gap. */
export interface ToldTo {
  readonly gap: Gap
  /** Incarnation of its `after`. */
  readonly incarnation: Incarnation
  /** The requests that the gap answers: all of them, or, with `isOfOne`, one of them. */
  readonly asked: readonly Asked[]
  readonly isOfOne: boolean
  readonly gateway: GatewayKnowledge | undefined
  readonly nowMs: number
}

/** Input of a judge. */
interface Case extends ToldTo {
  readonly truth: Truth
  readonly log: PartitionLog
  readonly from: number
  /** End of the range; Infinity = unknown. */
  readonly to: number
  /** Records in the range that the requesting subscriptions match and could receive. */
  readonly theirs: readonly LogRecord[]
  /** Those of `theirs` that are still in the log. */
  readonly kept: readonly LogRecord[]
  readonly isRewritten: boolean
}

type Judge = (told: Case) => string | undefined

/** Returns why a gap is false; undefined = it is true. */
export function gapFault(truth: Truth, told: ToldTo): string | undefined {
  const { gap, incarnation, asked, nowMs } = told
  const { partition, from, to = Number.POSITIVE_INFINITY } = gap
  const log = incarnation.logs[partition]
  if (log === undefined) return 'there is no such partition'
  const theirs = log.past.filter((record) => {
    const { offset, hidden, seenMs } = record
    if (offset < from || offset > to || hidden || seenMs > nowMs) return false
    return asked.some(({ subject }) => truth.wants(subject, record))
  })
  const kept = theirs.filter(({ gone }) => gone === undefined)
  const isRewritten = log.rewrites.some((rewrite) => rewrite.from <= to)
  const whole = { ...told, truth, log, from, to, theirs, kept, isRewritten }
  return shapeFault(whole) ?? judges[gap.reason](whole)
}

/** Reasons of gaps with a known end in the current log. */
const bounded: ReadonlySet<GapReason> = new Set([
  'retention',
  'corrupt',
  'budget',
  'unnamed',
  'ttl',
  'latest',
  'collapsed',
])
const counted: ReadonlySet<GapReason> = new Set(['ttl', 'latest', 'collapsed'])

const passesOn: ReadonlySet<GapReason> = new Set([...counted, 'budget'])

/** Checks the documented shape of a reason's gaps. */
function shapeFault({ truth, asked, gap, incarnation, log, from, to, isRewritten }: Case): string | undefined {
  const { stream, reason, certain, n, after, partition } = gap
  if (hashOf(stream) !== incarnation.nameHash) return `its stream is ${stream}`
  if (from < truth.broker.firstOffset) return 'it begins before the first offset that a log has'
  if (to < from) return 'it ends before it begins'
  if (certain !== counted.has(reason)) return certain ? 'nothing makes it certain' : 'what a policy drops is certain'
  if ((n !== undefined) !== counted.has(reason)) return `it counts ${n}`
  const isOpen = reason === 'recreated' || reason === 'repartitioned'
  if ((gap.to === undefined) !== isOpen)
    return isOpen ? 'nobody knows how far it goes' : 'it does not say how far it goes'
  const next = truth.positionIn(after, partition)?.offset
  if (next === undefined) return 'it does not say where it goes on'
  if (!bounded.has(reason)) return undefined
  // After events that a policy dropped, the reader has passed records of other subjects; `last`
  // continues at the oldest event found. For several `last` requests together, the search reaches
  // different depths: the gap is that of the shallowest.
  const isOfLast = reason === 'budget' && asked.length > 1 && asked.some(({ last }) => last !== undefined)
  if ((next <= to && !isOfLast) || (next > to + 1 && !passesOn.has(reason))) return `it goes on at ${next}`
  // A rewritten range belongs to the earlier log.
  return to < log.head || isRewritten ? undefined : `it names what is not written yet: the head is ${log.head}`
}

const judges: Readonly<Record<GapReason, Judge>> = {
  unspecified: () => 'it has no reason',
  compacted: () => 'nothing is compacted here',
  retention: retentionFault,
  corrupt: ({ isRewritten, log, from, to }) => {
    const within = log.past.filter(({ offset }) => offset >= from && offset <= to)
    const isDamaged = within.some(isUnreadable) || (within.length === 0 && isBesideDamage(log, from, to))
    const whole = within.find((record) => !isUnreadable(record) && record.gone === undefined)
    if (isRewritten || (isDamaged && whole === undefined)) return undefined
    return whole === undefined ? 'nothing was damaged there' : `${shown(whole)} is not damaged`
  },
  rewritten: rewrittenFault,
  recreated: recreatedFault,
  repartitioned: repartitionedFault,
  unnamed: unnamedFault,
  budget: budgetFault,
  ttl: droppedFault,
  latest: droppedFault,
  collapsed: droppedFault,
  unsupported: () => 'all is in a form that is read',
}

/**
 * Documented: a damaged batch of unknown length counts up to the next batch, and offsets without
 * records may be in between. A batch that a broker refuses to read has no known start either.
 */
function isBesideDamage({ past }: PartitionLog, from: number, to: number): boolean {
  const there = past.filter(({ gone }) => gone !== 'rewritten').sort((a, b) => a.offset - b.offset)
  const beside = [there.findLast(({ offset }) => offset < from), there.find(({ offset }) => offset > to)]
  return beside.some((record) => record !== undefined && isUnreadable(record))
}

function retentionFault({ kept, log, to }: Case): string | undefined {
  if (kept.length > 0) return `${shown(kept[0]!)} is still there`
  return log.first > to ? undefined : `the log begins at ${log.first}`
}

function rewrittenFault({ truth, log, from, to, gap }: Case): string | undefined {
  // Documented: another history may begin with unreadable records at the log's end, because
  // nobody knows their content.
  const within = log.past.filter(({ offset }) => offset >= from && offset <= to)
  const isUnread = within.every((record) => isUnreadable(record) || record.gone === 'retention')
  if (log.first > to || (within.length > 0 && isUnread)) return undefined
  // The same for records that used to be readable: a gateway that started later has seen nothing
  // from the next position on.
  const next = truth.positionIn(gap.after, gap.partition)?.offset ?? to + 1
  const isSpoiled = (record: LogRecord) => record.offset < next || isUnreadable(record) || record.gone === 'retention'
  if (next <= to && within.some(({ spoiledMs }) => spoiledMs < Number.POSITIVE_INFINITY) && within.every(isSpoiled))
    return undefined
  // Where retention or damage removed the records in between, a later history may have begun
  // there as far as a gateway can see.
  const unseen =
    log.first > from ||
    log.past.some((record) => isUnreadable(record) && record.offset <= to && record.offset >= to - 1)
  return truth.wasRewritten(gap.partition, unseen ? Number.POSITIVE_INFINITY : to)
    ? undefined
    : 'the log was not rewritten there'
}

/**
 * Checks `recreated`: a token or the gateway was in another log. A gateway that learns of the new
 * log later leads back.
 */
function recreatedFault({ truth, incarnation, asked }: Case): string | undefined {
  const { index } = incarnation
  const isOther = (position: Position) => (truth.broker.byLog(position)?.index ?? index) !== index
  const isKnown = asked.some(({ presented, heads }) => {
    if (presented.some(isOther)) return true
    return heads === undefined || [...heads.keys()].every((place) => Number(place.split('/')[0]) < index)
  })
  return isKnown ? undefined : 'nobody was in another log'
}

/**
 * Checks `repartitioned`: a changed number of partitions moved the subjects into the partition,
 * or may have, where it is empty.
 */
function repartitionedFault({ truth, gap, from, asked, log, incarnation, nowMs }: Case): string | undefined {
  const { partition } = gap
  const before = truth.countsUntil(incarnation, nowMs)
  const isMoved = ({ subject }: Asked) =>
    truth.isSpread(subject)
      ? before.some((count) => count <= partition)
      : before.some((count) => !truth.isPlace(subject, count, partition)) &&
        truth.countsOf(incarnation).some((count) => truth.isPlace(subject, count, partition))
  if (asked.some(isMoved)) return undefined
  // Sent for each empty partition that a token of the stream does not name.
  if (from > truth.broker.firstOffset) return 'nothing came into that partition'
  const wasEmpty = asked.every(({ heads }) => (heads?.get(placeOfLog(log)) ?? from) <= from)
  if (!wasEmpty) return 'the partition was there, and not empty'
  return asked.some(({ presented }) => presented.some(({ nameHash }) => nameHash === incarnation.nameHash))
    ? undefined
    : 'no token was of that stream'
}

function unnamedFault({ asked, gap, from, incarnation, truth }: Case): string | undefined {
  if (from !== truth.broker.firstOffset) return 'what is not named begins with the log'
  for (const { presented } of asked) {
    if (presented.length === 0) return 'no token was given'
    const isNamed = { nameHash: incarnation.nameHash, partition: gap.partition }
    const named = presented.find((position) => isSamePartition(position, isNamed))
    if (named !== undefined) return `a token names ${gap.partition}@${named.offset}`
  }
  return undefined
}

function budgetFault(told: Case): string | undefined {
  const { gateway, asked, log, incarnation, to, isRewritten } = told
  if (gateway?.maxBytesPerSession === undefined || gateway.memory === undefined) return undefined
  const memory = gateway.memory(incarnation, log.partition)
  const isInMemory = memory !== undefined && !isRewritten && to >= memory.tail
  if ((gateway.maxBytesPerSession > 0 || isTooOld(told)) && !isInMemory) return undefined
  const faults = asked.map((each) => lastFault(told, each, memory?.tail, memory?.indexTail))
  return faults.includes(undefined) ? undefined : (faults[0] ?? 'it is for nobody')
}

/**
 * Documented: records older than a gateway's read-back limit, in the current log or in the log
 * before a rewrite that the gateway had not heard of when it was asked, and may not have heard of
 * since.
 */
function isTooOld({ gateway, asked, theirs, kept, log, to, nowMs }: Case): boolean {
  const { maxAgeMs = 0, clockMs } = gateway ?? {}
  const least = (clockMs?.().most ?? Number.POSITIVE_INFINITY) + 1 - maxAgeMs
  const areOld = (records: readonly LogRecord[]) => records.every(({ timeMs }) => timeMs < least)
  if (maxAgeMs === 0 || areOld(kept)) return maxAgeMs > 0
  return log.rewrites.some(({ epoch, from, atMs }) => {
    const mayBeUnheard = asked.some(({ epochs }) => (epochs?.get(placeOfLog(log)) ?? -1) < epoch)
    if (from > to || atMs < nowMs - unheardMs || !mayBeUnheard) return false
    return areOld(theirs.filter((record) => record.gone !== 'retention' && log.inLineage(record, epoch - 1)))
  })
}

/**
 * How long a gateway may keep records from before a rewrite, while its consumer is silent or its
 * broker unreachable, virtual ms.
 */
const unheardMs = 15_000

/**
 * Checks `last`: it searches a subject as far back as the index reaches, and a pattern as far as
 * the payloads reach, as documented.
 */
function lastFault(
  { truth, log, to, isRewritten, nowMs }: Case,
  { subject, last, heads, lost }: Asked,
  tail = Number.POSITIVE_INFINITY,
  indexTail = Number.POSITIVE_INFINITY,
): string | undefined {
  if (last === undefined) return 'its gateway has no budget, and holds what is in memory'
  if (isRewritten) return undefined
  if (to >= (isPattern(subject) ? tail : indexTail))
    return `its gateway's memory reaches to ${tail}, its index to ${indexTail}`
  if (isPattern(subject)) return undefined
  const place = placeOfLog(log)
  const head = heads?.get(place) ?? 0
  const missed = lost?.get(place) ?? []
  const found = log.past.filter((record) => {
    const { offset, hidden, seenMs, gone, epoch } = record
    if (offset <= to || offset >= head || hidden || gone === 'rewritten' || seenMs > nowMs) return false
    if (isUnreadable(record) || truth.strayed(record)) return false
    if (gone === 'retention' && missed.some(({ from, to }) => offset >= from && offset <= to)) return false
    if (epoch > 0 && seenMs > nowMs - unheardMs) return false
    return truth.wants(subject, record)
  })
  return found.length < last ? undefined : `${found.length} of ${last} events were found`
}

/**
 * Checks gaps of policies. If the gap may be for one of several subscriptions, it must be true
 * for at least one.
 */
function droppedFault(told: Case): string | undefined {
  const { asked, isOfOne } = told
  if (!isOfOne) return dropFault(told, asked)
  const faults = asked.map((each) => dropFault(told, [each]))
  return faults.includes(undefined) ? undefined : faults[0]
}

function dropFault(
  { truth, gap, log, theirs, isRewritten, gateway, nowMs }: Case,
  asked: readonly Asked[],
): string | undefined {
  const { reason, n = 0 } = gap
  /** A request for the last events of each subject does not include earlier ones. */
  const isAskedFor = ({ offset, event }: LogRecord) =>
    asked.some(({ last = Number.POSITIVE_INFINITY }) => {
      const later = log.past.filter((other) => other.offset > offset && other.event?.subject === event?.subject)
      return later.length < last
    })
  if (reason === 'latest' && asked.some(({ isLatest }) => !isLatest)) return 'somebody wants all of them'
  // The records of the gap may have been rewritten since.
  if (isRewritten) return undefined
  const own = theirs.filter((record) => asked.some(({ subject }) => truth.wants(subject, record)))
  // A record in the wrong partition may or may not be part of the gap; a removed record may have
  // been removed before it.
  const sure = own.filter(
    (record) => record.gone === undefined && !isUnreadable(record) && !truth.strayed(record) && isAskedFor(record),
  )
  if (n < sure.length || n > own.length) return `it counts ${n}, of ${sure.length} to ${own.length}`
  const clockMs = gateway?.clockMs?.().most ?? Number.POSITIVE_INFINITY
  for (const record of sure) {
    const fault = reason === 'ttl' ? ttlFault(record, clockMs) : successorFault(truth, reason, record, nowMs)
    if (fault !== undefined) return fault
  }
  return undefined
}

function ttlFault(record: LogRecord, clockMs: number): string | undefined {
  const { ttlMs } = record.event!
  if (ttlMs === 0) return `${shown(record)} has no time to live`
  const leftMs = record.timeMs + ttlMs - clockMs
  return leftMs > 0 ? `${shown(record)} has ${leftMs.toFixed(0)} ms left` : undefined
}

function successorFault(truth: Truth, reason: GapReason, record: LogRecord, nowMs: number): string | undefined {
  const { subject, collapseKey } = record.event!
  if (reason === 'collapsed' && collapseKey === '') return `${shown(record)} has no collapse key`
  const log = truth.broker.incarnations[record.incarnation]!.logs[record.partition]!
  const isReplaced = log.past.some(({ offset, event, hidden, seenMs }) => {
    if (offset <= record.offset || event?.subject !== subject || hidden || seenMs > nowMs) return false
    return reason === 'latest' || event.collapseKey === collapseKey
  })
  return isReplaced ? undefined : `nothing took the place of ${shown(record)}`
}

const placeOfLog = ({ incarnation, partition }: PartitionLog): string => `${incarnation}/${partition}`
