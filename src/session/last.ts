import { CarillonError } from '../base/errors.ts'
import type { PartitionFeed } from '../fanout/partition-feed.ts'
import { type Loaded, loaded } from '../log/entry.ts'
import type { Window } from '../log/window.ts'
import { isSubject } from '../subject/bytes.ts'
import { matches } from '../subject/subject.ts'
import type { Only, Start } from './start.ts'
import type { Subscription } from './subscription.ts'

/** Entries of the index that are looked at for one subscription, and events that it may bring along. */
const maxLooked = 65_536
const maxEvents = 10_000

const scratch: Loaded = loaded()

/** In each partition for those who `read` it, see `lastStart`. Throws where the client gave positions as well. */
export function lastStarts(
  feeds: readonly PartitionFeed[],
  read: (feed: PartitionFeed) => readonly Subscription[],
  n: number,
  after: readonly string[],
): Start[] {
  if (after.length > 0) {
    throw new CarillonError('bad_request', 'expected after or last, got both: a position says where to start already')
  }
  return feeds.map((feed) => lastStart(feed, read(feed), n))
}

/**
 * Where to start for the last `n` events of each subject, as far back as the index reaches for a subject and the payloads
 * for a pattern. Where older events may be wanted as well, a gap says so: the log is not searched for them.
 */
function lastStart(feed: PartitionFeed, subscriptions: readonly Subscription[], n: number): Start {
  const { window } = feed
  const offsets = new Set<number>()
  // They share one gap: it reaches as far as was not looked for the one whose search ended first.
  let searched = feed.first
  for (const subscription of subscriptions) {
    const down = subscription.pattern
      ? patternLast(window, subscription, n, offsets)
      : exactLast(window, subscription, n, offsets)
    if (down !== undefined) searched = Math.max(searched, down)
  }
  const offset = offsets.size === 0 ? window.head : Math.min(...offsets)
  const only: Only = { until: window.head, offsets }
  if (searched === feed.first) return { feed, offset, gaps: [], only }
  const gap = { from: feed.first, to: searched - 1, reason: 'budget', certain: false, before: undefined } as const
  return { feed, offset, gaps: [gap], only }
}

/** Returns undefined when all are found, else down to which offset it was looked. */
function exactLast(window: Window, subscription: Subscription, n: number, offsets: Set<number>): number | undefined {
  let found = 0
  let at = window.newest(subscription.hash)
  for (let looked = 0; at >= 0 && looked < maxLooked; looked++) {
    if (offsets.size >= maxEvents) return window.offsetOf(at) + 1
    // Without its payload an entry is known by its hash alone; its reader compares the subject.
    if (at < window.tailOrdinal || isOf(window, at, subscription)) {
      offsets.add(window.offsetOf(at))
      if (++found === n) return undefined
    }
    at = window.previous(at)
  }
  return at < 0 ? window.indexTail : window.offsetOf(at) + 1
}

function patternLast(window: Window, subscription: Subscription, n: number, offsets: Set<number>): number {
  const found = new Map<string, number>()
  const least = Math.max(window.tailOrdinal, window.headOrdinal - maxLooked)
  for (let ordinal = window.headOrdinal - 1; ordinal >= least; ordinal--) {
    if (offsets.size >= maxEvents) return window.offsetOf(ordinal) + 1
    window.load(ordinal, scratch)
    const subject = scratch.buffer.toString('utf8', scratch.subjectStart, scratch.subjectEnd)
    if (!matches(subscription.subject, subject)) continue
    const count = (found.get(subject) ?? 0) + 1
    if (count > n) continue
    found.set(subject, count)
    offsets.add(scratch.offset)
  }
  return least === window.tailOrdinal ? window.tail : window.offsetOf(least)
}

function isOf(window: Window, ordinal: number, { bytes }: Subscription): boolean {
  window.load(ordinal, scratch)
  return isSubject(bytes, scratch.buffer, scratch.subjectStart, scratch.subjectEnd)
}
