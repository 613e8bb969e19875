import { bytesPerEntry } from '../../src/log/entry-arena.ts'
import type { Generations } from '../../src/log/record.ts'
import { slackBytes } from '../../src/log/window-pool.ts'
import type { ServingOptions } from '../../src/serving/options.ts'
import { sessionLimits } from '../../src/session/options.ts'

/** Size of a gateway. Small ones reach their limits. */
export interface GatewaySize {
  /** Budgets of the windows' pool. */
  readonly payloadBytes: number
  readonly entries: number
  readonly chunkBytes: number
  /** Budgets of read-back; 0 = no read-back. */
  readonly bytesPerSecond: number
  readonly maxBytesPerSession: number
  /** Concurrent reads, each of a different partition. */
  readonly concurrency: number
  /** Age limit of read-back, ms; 0 = no limit. */
  readonly maxAgeMs: number
  readonly fillAgeMs: number
  readonly maxSessions: number
  readonly maxWaitingFrames: number
  readonly scanPerSlice: number
  readonly maxPollFrames: number
  readonly maxBackpressureBytes: number
  readonly heartbeatMs: number
  /** Records in one response of the broker. */
  readonly batch: number
}

export const maxEventBytes = 1024
/**
 * Size of a window slab. It holds one of the largest events; the windows are small enough to take
 * slabs from each other.
 */
const largestPayload = maxEventBytes + slackBytes
/**
 * Lower bounds. A read may request less than the largest event, which still fits, or more than a
 * chunk holds, which is cut short.
 */
const floors = { chunkBytes: 0, entries: 32, payloadBytes: 4 * maxEventBytes, chunks: 4 }

/** Returns the options of the parts between broker and transports. */
export function servingSize(size: GatewaySize, generations: Generations) {
  const { payloadBytes, entries, fillAgeMs, maxSessions, maxWaitingFrames, scanPerSlice } = size
  const { chunkBytes, concurrency, bytesPerSecond, maxBytesPerSession, maxAgeMs } = size
  return {
    limits: { ...sessionLimits, maxSessions, maxSubscriptions: 100, maxFrameBytes: 65_536, maxEventBytes },
    session: { maxWaitingFrames, scanPerSlice: scanPerSlice },
    window: {
      payloadBytes,
      indexBytes: entries * bytesPerEntry(generations),
      payloadSlabBytes: largestPayload,
      slabEntries: Math.ceil(entries / 8),
    },
    fill: { ageMs: fillAgeMs, budgetMs: 800 },
    readBack: { chunkBytes, concurrency, bytesPerSecond, maxBytesPerSession, maxAgeMs, cacheBytes: 0, floors },
  } satisfies Partial<ServingOptions>
}
