import { brokerUses } from '../base/broker-uses.ts'
import { endReasons } from '../base/end-reasons.ts'
import { type ErrorCode, errors } from '../base/errors.ts'
import { gapReasons } from '../base/gap-reasons.ts'
import { Refusals } from '../base/limits.ts'
import { rejectReasons } from '../base/reject-reasons.ts'
import { Histogram } from './histogram.ts'
import type { StreamTraces } from './stream-traces.ts'

/**
 * What the gateway counts: plain numbers that the code bumps where things happen (`stream.deliveries++`) and that
 * `families.ts` names when somebody asks. Every label has a fixed set of values, so the number of series is bounded by the
 * streams and partitions of the configuration.
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

/** One stream. Latencies are µs, of every event or delivery; where two clocks disagree the histogram counts `negative`. */
export class StreamInstruments {
  readonly stream: string
  /** Records taken from the broker's live tail, rejected ones included, and the bytes of their values. */
  eventsIn = 0
  bytesIn = 0
  /** Records that can't be used, by reason. */
  readonly rejected = zeroes(rejectReasons)
  /** Events written to sockets, and those of them that were written while catching up. */
  deliveries = 0
  catchUpDeliveries = 0
  /** Gaps told to clients. */
  readonly gaps = zeroes(gapReasons)
  /** Chunks read back from the broker for readers that the window can't serve; those that failed; their records. */
  readBacks = 0
  readBacksFailed = 0
  readBackRecords = 0
  /** Bytes of their keys and values. */
  readBackBytes = 0
  /** Readers that wait for a chunk, now. */
  readBackWaiting = 0
  /** For how long reads that somebody waits for were held back by the limit of bytes a second, ms. */
  readBackThrottledMs = 0
  /** How often the broker went away. */
  outages = 0
  /** Publisher's clock → the broker's record time. Only as good as those clocks. */
  readonly publishToBroker = new Histogram()
  /** The broker's record time → read by this gateway. */
  readonly brokerToRead = new Histogram()
  /** Read by this gateway → written to the socket: every live delivery. */
  readonly readToWritten = new Histogram()
  /** Publisher's clock → written to the socket: every live delivery. */
  readonly publishToWritten = new Histogram()
  /** The same while catching up: how old what was missed had become. */
  readonly catchUpPublishToWritten = new Histogram()
  /** Where sampled events become spans; undefined = traces are off. */
  traces: StreamTraces | undefined
  /** What the stream is like now; asked at each scrape. Whoever reads the stream puts its answer here. */
  observe: () => StreamFigures = () => ({ state: 'starting', partitions: [] })

  constructor(stream: string) {
    this.stream = stream
  }
}

export interface StreamFigures {
  readonly state: (typeof streamStates)[number]
  readonly partitions: readonly PartitionFigures[]
}

/** What windows keep: the newest events, and an index that reaches further back. */
export const windowTiers = ['payload', 'index'] as const
export type WindowTier = (typeof windowTiers)[number]

/** One tier of one window. */
export interface TierFigures {
  readonly records: number
  readonly bytes: number
  /** Of the oldest record, going by its own time; undefined = there is none. */
  readonly ageMs: number | undefined
}

/** One tier of all windows: what they may hold, the slabs that they hold, and how often one was taken for another window. */
export interface PoolFigures {
  readonly limitBytes: number
  readonly heldBytes: number
  readonly taken: number
}

const noPool: PoolFigures = { limitBytes: 0, heldBytes: 0, taken: 0 }

export interface PartitionFigures {
  readonly partition: number
  /** The broker's bounds: first retained offset, next offset to be written. */
  readonly first: number
  readonly head: number
  /** The next offset that this gateway reads: `head - read` is its lag. */
  readonly read: number
  /** Age of the oldest record not read, ms; 0 = none. */
  readonly unreadAgeMs: number
  /** Offsets behind the head that an open transaction holds back, and for how long the head has stood there, ms; 0 = none. */
  readonly blocked: number
  readonly blockedAgeMs: number
  /** The oldest offset that the window has the payload of. */
  readonly windowTail: number
  readonly tiers: Readonly<Record<WindowTier, TierFigures>>
  /** Subscriptions of this gateway's sessions that read it. */
  readonly subscriptions: number
}

/** The sessions and doors of this gateway. */
export class GatewayInstruments {
  /** Now. */
  readonly sessions = zeroes(transports)
  subscriptions = 0
  /** Those of the subscriptions that are patterns; what all sessions are counted as, bytes. */
  patterns = 0
  sessionBytes = 0
  /** Connections of clients, of WebSockets and of all else; how many descriptors allow; 1 while more are taken. */
  connections = { websocket: 0, http: 0 }
  maxConnections = Number.POSITIVE_INFINITY
  accepting = 0
  /** Sessions whose socket is full or that are catching up, now. */
  behind = 0
  /** Since the start. */
  readonly opened = zeroes(transports)
  readonly ended = zeroes(endReasons)
  /** Requests that were answered by an error status. */
  readonly refused = zeroes(errorCodes)
  /** Error frames on connections that go on or end with it. */
  readonly errors = zeroes(errorCodes)
  readonly framesIn = zeroes(clientFrames)
  framesOut = 0
  bytesOut = 0
  /** Records that readers looked at, and gave, while they were catching up. */
  scanned = 0
  /** Writes that filled a socket: its session reads on when it drains. */
  fullWrites = 0
  /** Events written to the broker for clients of `/v1/publish`; requests that failed, by code. */
  published = 0
  readonly publishFailed = zeroes(errorCodes)
  /** Request → the broker's acknowledgement, µs. */
  readonly publishToAck = new Histogram()
  /** Pauses that brokers asked for because a quota was used up, ms. */
  readonly brokerPausedMs = zeroes(brokerUses)
  /** Who was refused by which limit. */
  readonly refusals = new Refusals()
  /** What became of spans; `over_budget` were not made. All 0 while traces are off. */
  readonly traceSpans = zeroes(spanOutcomes)
}

/** All that one gateway counts. */
export class Instruments {
  readonly gateway = new GatewayInstruments()
  readonly streams = new Map<string, StreamInstruments>()
  /** Looks at the pool of all windows, at each scrape. */
  observePool: () => Readonly<Record<WindowTier, PoolFigures>> = () => ({ payload: noPool, index: noPool })

  /** The instruments of a stream: made when first asked for, the same ever after. */
  stream(name: string): StreamInstruments {
    let stream = this.streams.get(name)
    if (stream === undefined) {
      stream = new StreamInstruments(name)
      this.streams.set(name, stream)
    }
    return stream
  }
}
