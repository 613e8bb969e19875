import { defaultsOf, section, setting, type Values, whole } from '../base/setting.ts'
import { type ChunkOptions, noLimit } from '../fanout/options.ts'

export interface SessionLimits {
  /** Maximum subscriptions of a session. */
  readonly maxSubscriptions: number
  /** Maximum memory of one session, bytes; see account.ts. */
  readonly maxSessionBytes: number
  /** Maximum subscriptions, patterns among these, and memory (MiB) of all sessions together. */
  readonly maxTotalSubscriptions: number
  readonly maxTotalPatterns: number
  readonly maxTotalSessionMiB: number
  /** Maximum partitions that one SSE or poll session may span: its token names each. */
  readonly maxTokenPartitions: number
  /** Consecutive refused frames with a permanent error (`retry` is `no`) that end the session. */
  readonly maxErrors: number
  /** Total of such frames that ends the session. */
  readonly maxMistakes: number
  /** Control frames queued for a full socket that end the session. */
  readonly maxWaitingFrames: number
  /**
   * WebSocket: maximum positions that a session keeps from its tokens for partitions that its
   * subjects may move into later. A subscription that would exceed the limit keeps none: its
   * subject starts there as if the token did not name the partition, with a gap.
   */
  readonly maxCarried: number
  /**
   * Records examined in one slice of a session that is behind. At least two: one to find, and one
   * to deliver.
   */
  readonly scanPerSlice: number
}

/** Options of the configuration's `limits`. */
export const sessionSettings = {
  maxSubscriptions: setting(whole(1, 1_000_000), 1000, 'subscriptions of one session'),
  maxSessionBytes: setting(whole(4096, 2 ** 40), 1 << 20, 'memory of one session, as counted'),
  maxTotalSubscriptions: setting(whole(1, 100_000_000), 1_000_000, 'subscriptions of all sessions'),
  maxTotalPatterns: setting(whole(1, 100_000_000), 100_000, 'pattern subscriptions of all sessions'),
  maxTotalSessionMiB: setting(
    whole(1, 1 << 20),
    512,
    'memory of all sessions, as counted, MiB; 512 is enough for 100,000 sessions with one subject each',
  ),
}

export type ConfiguredSessionLimits = Values<typeof sessionSettings>

export const sessionLimits: SessionLimits = {
  ...defaultsOf(sessionSettings),
  maxTokenPartitions: 128,
  maxErrors: 32,
  maxMistakes: 1024,
  maxWaitingFrames: 4096,
  maxCarried: 3072,
  scanPerSlice: 128,
}

export interface ReadBackOptions extends ChunkOptions {
  /** Total bytes of log that one session may have read back; `noLimit` or absent = unlimited. */
  readonly maxBytesPerSession?: number
}

export const readBackSection = section('reading from the broker what has left the window', {
  chunkBytes: setting(whole(65_536, 64 << 20), 1 << 20, 'size of one read from the broker'),
  cacheMiB: setting(
    whole(1, 65_536),
    64,
    'memory for chunks that are read and kept for other readers, with their index, MiB; at least 2 are kept',
  ),
  concurrency: setting(whole(1, 256), 4, 'reads at the same time'),
  bytesPerSecond: setting(
    whole(noLimit, 2 ** 40),
    64 << 20,
    'bytes of keys and values read a second, for all clients; 0: no limit',
  ),
  maxAgeMs: setting(
    whole(noLimit, 2 ** 42),
    noLimit,
    'records that left memory and are older than this become a `gap budget`; 0: no limit',
  ),
  maxBytesPerSession: setting(
    whole(noLimit, 2 ** 46),
    noLimit,
    'bytes of log read back for one session; anything further back becomes a `gap budget`; 0: no limit',
  ),
})

export const readBackDefaults = readBackSection.default
