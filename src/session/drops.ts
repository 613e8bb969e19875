import { type Loaded, loaded } from '../log/entry.ts'
import type { Window } from '../log/window.ts'
import { envelopeView, scanEnvelope } from '../wire/envelope.ts'

/** Why a reader that catches up leaves an event out. */
export type DropReason = 'ttl' | 'latest' | 'collapsed'

/** Entries of a subject that are looked at for one that takes an event's place: what one event may cost. */
const maxSteps = 64

/** One question at a time, answered at once. */
const own = envelopeView()
const later = envelopeView()
const other: Loaded = loaded()

/**
 * Whether `record`, at `ordinal` of `stretch`, is still worth giving to who catches up: not when its time to live is over,
 * nor when a later event of its subject, among the next ones that are in memory, takes its place, by its collapse key or,
 * for who wants the `latest` only, anyhow. What takes its place lies behind it, so its reader comes to it.
 */
export function dropReason(
  record: Loaded,
  stretch: Window,
  ordinal: number,
  live: Window,
  latest: boolean,
  nowMs: number,
): DropReason | undefined {
  if (!scanEnvelope(record.buffer, record.eventStart, record.eventEnd, own)) return undefined
  if (own.ttlMs > 0 && record.timeMs + own.ttlMs <= nowMs) return 'ttl'
  if (!latest && own.collapseKeyLength === 0) return undefined
  if (hasSuccessor(record, stretch, ordinal, latest)) return latest ? 'latest' : 'collapsed'
  if (stretch === live) return undefined
  return hasSuccessorAtHead(record, live, latest) ? (latest ? 'latest' : 'collapsed') : undefined
}

function hasSuccessor(record: Loaded, window: Window, ordinal: number, latest: boolean): boolean {
  let at = window.following(ordinal)
  for (let steps = 0; at >= 0 && steps < maxSteps; steps++) {
    if (succeeds(record, window, at, latest)) return true
    at = window.following(at)
  }
  return false
}

/** For a record that was read back: the newest of its subject are in the partition's own window. */
function hasSuccessorAtHead(record: Loaded, window: Window, latest: boolean): boolean {
  let at = window.newest(record.hash)
  for (let steps = 0; at >= window.tailOrdinal && steps < maxSteps; steps++) {
    if (window.offsetOf(at) <= record.offset) return false
    if (succeeds(record, window, at, latest)) return true
    at = window.previous(at)
  }
  return false
}

function succeeds(record: Loaded, window: Window, ordinal: number, latest: boolean): boolean {
  window.load(ordinal, other)
  const { buffer, subjectStart, subjectEnd } = record
  if (!sameBytes(buffer, subjectStart, subjectEnd, other.buffer, other.subjectStart, other.subjectEnd)) return false
  if (latest) return true
  if (!scanEnvelope(other.buffer, other.eventStart, other.eventEnd, later)) return false
  const from = record.eventStart + own.collapseKeyAt
  const start = other.eventStart + later.collapseKeyAt
  return sameBytes(buffer, from, from + own.collapseKeyLength, other.buffer, start, start + later.collapseKeyLength)
}

function sameBytes(a: Buffer, aStart: number, aEnd: number, b: Buffer, bStart: number, bEnd: number): boolean {
  // An absent field has no bytes and any place, also one outside of the buffer.
  if (aEnd - aStart !== bEnd - bStart) return false
  return aStart === aEnd || a.compare(b, bStart, bEnd, aStart, aEnd) === 0
}
