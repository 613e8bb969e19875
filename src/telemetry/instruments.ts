import { brokerUses } from '../base/broker-uses.ts'
import { endReasons } from '../base/end-reasons.ts'
import { type ErrorCode, errors } from '../base/errors.ts'
import { gapReasons } from '../base/gap-reasons.ts'
import { Refusals } from '../base/limits.ts'
import { rejectReasons } from '../base/reject-reasons.ts'
import { Histogram } from './histogram.ts'
import type { StreamTraces } from './stream-traces.ts'

/**
 * Counters of the gateway: plain numbers, incremented where things happen
 * (`stream.deliveries++`); `families.ts` names them for each scrape. Every label has a fixed set
 * of values, so the streams and partitions of the configuration bound the number of series.
 */

export const transports = ['websocket', 'sse', 'poll'] as const
export const errorCodes = Object.keys(errors) as ErrorCode[]
export const spanOutcomes = ['exported', 'failed', 'dropped', 'over_budget'] as const
export const clientFrames = ['subscribe', 'unsubscribe', 'ping'] as const
export const streamStates = ['starting', 'up', 'away', 'missing'] as const

type Counts<Keys extends readonly string[]> = Record<Keys[number], number>

function zeroes<Keys extends readonly string[]>(keys: Keys): Counts<Keys> {
  return Object.fromEntries(keys.map((key) => [key, 0])) as Counts<Keys>
}

/**
 * Instruments of one stream. Latencies are µs, of every event or delivery. The histogram's
 * `negative` counts clock differences.
 */
export class StreamInstruments {
  readonly stream: string
  /** Records read by the live tail, including rejected ones, and the bytes of their values. */
  eventsIn = 0
  bytesIn = 0
  /** Rejected records, by reason. */
  readonly rejected = zeroes(rejectReasons)
  /** Events written to sockets, and how many of them while catching up. */
  deliveries = 0
  catchUpDeliveries = 0
  /** Gaps sent to clients. */
  readonly gaps = zeroes(gapReasons)
  /**
   * Chunks read back from the broker for readers below the window, failed ones, and the records
   * read.
   */
  readBacks = 0
  readBacksFailed = 0
  readBackRecords = 0
  /** Bytes of their keys and values. */
  readBackBytes = 0
  /** Readers waiting for a chunk now. */
  readBackWaiting = 0
  /** Time for which the limit of bytes a second delayed reads with waiting readers, ms. */
  readBackThrottledMs = 0
  /** Number of broker outages. */
  outages = 0
  /** Publisher's clock → the broker's record time. Only as accurate as those clocks. */
  readonly publishToBroker = new Histogram()
  /** The broker's record time → read by this gateway. */
  readonly brokerToRead = new Histogram()
  /** Read by this gateway → written to the socket: every live delivery. */
  readonly readToWritten = new Histogram()
  /** Publisher's clock → written to the socket: every live delivery. */
  readonly publishToWritten = new Histogram()
  /** Publisher's clock → written to the socket, while catching up: the age of missed events. */
  readonly catchUpPublishToWritten = new Histogram()
  /** Makes spans of sampled events; undefined = traces are off. */
  traces: StreamTraces | undefined
  /** Returns the stream's current state, at each scrape. Set by the owner of the stream. */
  observe: () => StreamFigures = () => ({ state: 'starting', partitions: [] })

  constructor(stream: string) {
    this.stream = stream
  }
}

export interface StreamFigures {
  readonly state: (typeof streamStates)[number]
  readonly partitions: readonly PartitionFigures[]
}

/** Tiers of a window: the newest events, and an index that reaches further back. */
export const windowTiers = ['payload', 'index'] as const
export type WindowTier = (typeof windowTiers)[number]

/** One tier of one window. */
export interface TierFigures {
  readonly records: number
  readonly bytes: number
  /** Age of the oldest record, by record time; undefined = none. */
  readonly ageMs: number | undefined
}

/**
 * One tier of all windows: its limit, the slabs that windows hold, and how often a slab was taken
 * for another window.
 */
export interface PoolFigures {
  readonly limitBytes: number
  readonly heldBytes: number
  readonly taken: number
}

const noPool: PoolFigures = { limitBytes: 0, heldBytes: 0, taken: 0 }

export interface PartitionFigures {
  readonly partition: number
  /** The broker's bounds: first retained offset, and next offset to be written. */
  readonly first: number
  readonly head: number
  /** Next offset that this gateway will read; `head - read` is its lag. */
  readonly read: number
  /** Age of the oldest unread record, ms; 0 = none. */
  readonly unreadAgeMs: number
  /**
   * Offsets beyond the head that an open transaction holds back, and the time for which the head
   * has not moved, ms; 0 = none.
   */
  readonly blocked: number
  readonly blockedAgeMs: number
  /** Oldest offset with its payload in the window. */
  readonly windowTail: number
  readonly tiers: Readonly<Record<WindowTier, TierFigures>>
  /** Subscriptions of this gateway's sessions that read the partition. */
  readonly subscriptions: number
}

/** Instruments of this gateway's sessions and listeners. */
export class GatewayInstruments {
  /** Current number. */
  readonly sessions = zeroes(transports)
  subscriptions = 0
  /** Subscriptions that are patterns, and bytes accounted to all sessions. */
  patterns = 0
  sessionBytes = 0
  /**
   * Client connections, by WebSocket and other; the maximum by file descriptors; and 1 while new
   * ones are accepted.
   */
  connections = { websocket: 0, http: 0 }
  maxConnections = Number.POSITIVE_INFINITY
  accepting = 0
  /** Sessions with a full socket or catching up now. */
  behind = 0
  /** Totals since the start. */
  readonly opened = zeroes(transports)
  readonly ended = zeroes(endReasons)
  /** Requests answered with an error status. */
  readonly refused = zeroes(errorCodes)
  /** Error frames, on connections that stay open or end with the frame. */
  readonly errors = zeroes(errorCodes)
  readonly framesIn = zeroes(clientFrames)
  framesOut = 0
  bytesOut = 0
  /** Records that readers scanned while catching up, including those delivered. */
  scanned = 0
  /** Writes that filled a socket; its session continues to read when the socket drains. */
  fullWrites = 0
  /** Events written to the broker for clients of `/v1/publish`, and failed requests by code. */
  published = 0
  readonly publishFailed = zeroes(errorCodes)
  /** Publish request → the broker's acknowledgement, µs. */
  readonly publishToAck = new Histogram()
  /** Pauses requested by brokers because a quota was exceeded, ms. */
  readonly brokerPausedMs = zeroes(brokerUses)
  /** Counts refusals by limit. */
  readonly refusals = new Refusals()
  /** Outcomes of spans; those `over_budget` were not made. All 0 while traces are off. */
  readonly traceSpans = zeroes(spanOutcomes)
}

/** All instruments of a gateway. */
export class Instruments {
  readonly gateway = new GatewayInstruments()
  readonly streams = new Map<string, StreamInstruments>()
  /** Returns the current figures of the window pool, at each scrape. */
  observePool: () => Readonly<Record<WindowTier, PoolFigures>> = () => ({ payload: noPool, index: noPool })

  /** Returns the instruments of a stream. Creates them on first use. */
  stream(name: string): StreamInstruments {
    let stream = this.streams.get(name)
    if (stream === undefined) {
      stream = new StreamInstruments(name)
      this.streams.set(name, stream)
    }
    return stream
  }
}
