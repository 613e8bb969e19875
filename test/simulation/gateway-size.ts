import { bytesPerEntry } from '../../src/log/entry-arena.ts'
import type { Generations } from '../../src/log/record.ts'
import { slackBytes } from '../../src/log/window-pool.ts'
import type { ServingOptions } from '../../src/serving/options.ts'
import { sessionLimits } from '../../src/session/options.ts'

/** How large a gateway is; small ones are met at their limits. */
export interface GatewaySize {
  /** The budgets of its windows' pool. */
  readonly payloadBytes: number
  readonly entries: number
  readonly chunkBytes: number
  /** Budgets of read-back; 0 = none. */
  readonly bytesPerSecond: number
  readonly maxBytesPerSession: number
  /** Reads at once, each of another partition. */
  readonly concurrency: number
  /** 0 = whatever its age. */
  readonly maxAgeMs: number
  readonly fillAgeMs: number
  readonly maxSessions: number
  readonly maxWaitingFrames: number
  readonly scanPerSlice: number
  readonly maxPollFrames: number
  readonly maxBackpressureBytes: number
  readonly heartbeatMs: number
  /** Records in one answer of the broker. */
  readonly batch: number
}

export const maxEventBytes = 1024
/** A slab of the windows, which are small enough to take slabs from each other: one of the largest events fits. */
const largestPayload = maxEventBytes + slackBytes
/** Reads may ask for less than the largest event, which fits all the same, and for more than a chunk has room for: it is cut short. */
const floors = { chunkBytes: 0, entries: 32, payloadBytes: 4 * maxEventBytes, chunks: 4 }

/** What the size says about the parts between broker and transports. */
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
