import { ByteRange } from '../base/byte-range.ts'
import { type StoredEntry, storedEntry } from '../log/entry.ts'
import type { Window } from '../log/window.ts'
import { envelopeView, scanEnvelope } from '../wire/envelope.ts'

/** Why a reader that catches up leaves an event out. */
export type DropReason = 'ttl' | Displaced
/** By a later event of its subject. */
type Displaced = 'latest' | 'collapsed'

/** Entries of a subject that are looked at for one that takes an event's place: what one event may cost. */
const maxSteps = 64

/** One question at a time, answered at once. */
const own = envelopeView()
const later = envelopeView()
const other: StoredEntry = storedEntry()
const mine = new ByteRange()
const theirs = new ByteRange()

/** Who catches up; one object is reused. */
export interface CatchUp {
  /** Of a record that was read back: the partition's own window. */
  live: Window | undefined
  /** Wants the latest event of the subject only. */
  latest: boolean
  nowMs: number
}

/**
 * Whether `record`, at `ordinal` of `stretch`, is still worth giving to who catches up: not when its time to live is over,
 * nor when a later event of its subject, among the next ones that are in memory, takes its place, by its collapse key or,
 * for who wants the `latest` only, anyhow. What takes its place lies behind it, so its reader comes to it.
 */
export function dropReason(
  record: StoredEntry,
  stretch: Window,
  ordinal: number,
  who: CatchUp,
): DropReason | undefined {
  if (!scanEnvelope(record.buffer, record.eventStart, record.eventEnd, own)) return undefined
  if (own.ttlMs > 0 && record.timeMs + own.ttlMs <= who.nowMs) return 'ttl'
  const by = who.latest ? 'latest' : 'collapsed'
  if (by === 'collapsed' && own.collapseKeyLength === 0) return undefined
  if (hasSuccessor(record, stretch, ordinal, by)) return by
  return who.live !== undefined && hasSuccessorAtHead(record, who.live, by) ? by : undefined
}

function hasSuccessor(record: StoredEntry, window: Window, ordinal: number, by: Displaced): boolean {
  let at = window.following(ordinal)
  for (let steps = 0; at >= 0 && steps < maxSteps; steps++) {
    if (succeeds(record, window, at, by)) return true
    at = window.following(at)
  }
  return false
}

/** For a record that was read back: the newest of its subject are in the partition's own window. */
function hasSuccessorAtHead(record: StoredEntry, window: Window, by: Displaced): boolean {
  let at = window.newest(record.hash)
  for (let steps = 0; at >= window.tailOrdinal && steps < maxSteps; steps++) {
    if (window.offsetOf(at) <= record.offset) return false
    if (succeeds(record, window, at, by)) return true
    at = window.previous(at)
  }
  return false
}

function succeeds(record: StoredEntry, window: Window, ordinal: number, by: Displaced): boolean {
  window.load(ordinal, other)
  mine.set(record.buffer, record.subjectStart, record.subjectEnd)
  theirs.set(other.buffer, other.subjectStart, other.subjectEnd)
  if (!mine.equals(theirs)) return false
  if (by === 'latest') return true
  if (!scanEnvelope(other.buffer, other.eventStart, other.eventEnd, later)) return false
  const from = record.eventStart + own.collapseKeyAt
  const start = other.eventStart + later.collapseKeyAt
  mine.set(record.buffer, from, from + own.collapseKeyLength)
  return mine.equals(theirs.set(other.buffer, start, start + later.collapseKeyLength))
}
