import { ByteRange } from '../base/byte-range.ts'
import { type StoredEntry, storedEntry } from '../log/entry.ts'
import type { Window } from '../log/window.ts'
import { envelopeView, scanEnvelope } from '../wire/envelope.ts'

/** Reason for which a reader that catches up leaves an event out. */
export type DropReason = 'ttl' | Displaced
/** A later event of the subject replaces it. */
type Displaced = 'latest' | 'collapsed'

/** Maximum entries of a subject to examine for a replacement: bounds the cost of one event. */
const maxSteps = 64

/** Scratch objects: calls are synchronous and do not nest. */
const envelope = envelopeView()
const later = envelopeView()
const other: StoredEntry = storedEntry()
const mine = new ByteRange()
const theirs = new ByteRange()

/** The reader that catches up; one object is reused. */
export interface CatchUp {
  /**
   * The partition's window, if the record was read back; undefined = the record is in that
   * window.
   */
  live: Window | undefined
  /** Whether the reader wants only the latest event of the subject. */
  latest: boolean
  nowMs: number
}

/**
 * Returns why a reader that catches up leaves out `record`, at `ordinal` of `stretch`; undefined
 * = it is delivered. An event is left out if its time to live is over. It is also left out if a
 * later event of its subject replaces it: one with the same collapse key or, for a reader that
 * wants the `latest` only, any. Only the next entries in memory are examined for a replacement.
 * The replacement is ahead, so the reader comes to it.
 */
export function dropReason(
  record: StoredEntry,
  stretch: Window,
  ordinal: number,
  who: CatchUp,
): DropReason | undefined {
  if (!scanEnvelope(record.buffer, record.eventStart, record.eventEnd, envelope)) return undefined
  if (envelope.ttlMs > 0 && record.timeMs + envelope.ttlMs <= who.nowMs) return 'ttl'
  const by = who.latest ? 'latest' : 'collapsed'
  if (by === 'collapsed' && envelope.collapseKeyLength === 0) return undefined
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

/** Examines the partition's own window, newest entries first, for a record that was read back. */
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
  const from = record.eventStart + envelope.collapseKeyAt
  const start = other.eventStart + later.collapseKeyAt
  mine.set(record.buffer, from, from + envelope.collapseKeyLength)
  return mine.equals(theirs.set(other.buffer, start, start + later.collapseKeyLength))
}
