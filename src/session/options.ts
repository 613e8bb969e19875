import { defaultsOf, section, setting, type Values, whole } from '../base/setting.ts'
import { type ChunkOptions, noLimit } from '../fanout/options.ts'

export interface SessionLimits {
  /** Subscriptions a session may have. */
  readonly maxSubscriptions: number
  /** Memory that one session may take, see account.ts. */
  readonly maxSessionBytes: number
  /** Subscriptions, patterns among them, and memory of all sessions together. */
  readonly maxTotalSubscriptions: number
  readonly maxTotalPatterns: number
  readonly maxTotalSessionMiB: number
  /** Partitions that one SSE or poll session may span: its token names each. */
  readonly maxTokenPartitions: number
  /** Refused frames that stay wrong however often they come, one after the other, until the session ends. */
  readonly maxErrors: number
  /** The same in all. */
  readonly maxMistakes: number
  /** Control frames that wait for a full socket, until the session ends. */
  readonly maxWaitingFrames: number
  /**
   * WebSocket: positions of its tokens in partitions that its subjects may come into later. Of a subscription that would have more of them
   * none are kept: its subject begins there as if its token did not name it, and it is told.
   */
  readonly maxCarried: number
  /** Records looked at in one slice of a session that is behind; at least two, one to be found and one to be given. */
  readonly scanPerSlice: number
}

/** What stands in the configuration's `limits`. */
export const sessionSettings = {
  maxSubscriptions: setting(whole(1, 1_000_000), 1000, 'subscriptions of one session'),
  maxSessionBytes: setting(whole(4096, 2 ** 40), 1 << 20, 'memory of one session'),
  maxTotalSubscriptions: setting(whole(1, 100_000_000), 1_000_000, 'subscriptions of all sessions'),
  maxTotalPatterns: setting(whole(1, 100_000_000), 100_000, 'subscriptions of all sessions that are patterns'),
  maxTotalSessionMiB: setting(whole(1, 1 << 20), 512, 'memory of all sessions, MiB: 100,000 with one subject each'),
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
  /** Bytes of log that one session may have read back in all; `noLimit` or absent = as many as there are. */
  readonly maxBytesPerSession?: number
}

export const readBackSection = section('how what left the window is read from the broker', {
  chunkBytes: setting(whole(65_536, 64 << 20), 1 << 20, 'one read of the broker'),
  cacheMiB: setting(
    whole(1, 65_536),
    64,
    'chunks that are read and kept for others who need them, with their index, MiB; 2 are kept at least',
  ),
  concurrency: setting(whole(1, 256), 4, 'reads at once'),
  bytesPerSecond: setting(
    whole(noLimit, 2 ** 40),
    64 << 20,
    'keys and values read in a second, for all clients; 0: no limit',
  ),
  maxAgeMs: setting(whole(noLimit, 2 ** 42), noLimit, 'older records that left memory are a `gap budget`; 0: no limit'),
  maxBytesPerSession: setting(
    whole(noLimit, 2 ** 46),
    noLimit,
    'log read back for one session; what lies further back is a `gap budget`; 0: no limit',
  ),
})

export const readBackDefaults = readBackSection.default
