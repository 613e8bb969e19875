import type { PartitionFeed } from '../fanout/partition-feed.ts'
import type { StreamFeed } from '../fanout/stream-feed.ts'
import type { PartitionFigures, StreamFigures } from '../telemetry/instruments.ts'

/** State of a stream, for operators. */
export interface StreamStatus extends StreamFigures {
  readonly name: string
  readonly topic: string
  /** Reason why it is not up; empty when it is. */
  readonly detail: string
  /** undefined until the broker has reported it. */
  readonly incarnation: string | undefined
}

export function streamStatus(feed: StreamFeed, nowMs: number): StreamStatus {
  const { name, topic, detail } = feed
  const { state, partitions } = streamFigures(feed, nowMs)
  return { name, topic, state, detail, incarnation: feed.info?.incarnation, partitions }
}

export function streamFigures(feed: StreamFeed, nowMs: number): StreamFigures {
  const partitions = feed.partitions.map((each) => partitionFigures(each, nowMs))
  return { state: feed.condition, partitions }
}

function partitionFigures(feed: PartitionFeed, nowMs: number): PartitionFigures {
  const { partition, first, brokerHead, window, hub } = feed
  return {
    partition,
    first,
    head: Math.max(brokerHead, window.head),
    read: window.head,
    unreadAgeMs: feed.unreadAgeMs(nowMs),
    blocked: feed.blocked?.offsets ?? 0,
    blockedAgeMs: feed.blocked === undefined ? 0 : Math.max(0, nowMs - feed.blocked.sinceMs),
    windowTail: window.tail,
    tiers: {
      payload: { records: window.size, bytes: window.usedBytes, ageMs: ageMs(window.oldestMs, nowMs) },
      index: { records: window.indexed, bytes: window.indexBytes, ageMs: ageMs(window.indexOldestMs, nowMs) },
    },
    subscriptions: hub.size,
  }
}

const ageMs = (timeMs: number | undefined, nowMs: number) =>
  timeMs === undefined ? undefined : Math.max(0, nowMs - timeMs)
