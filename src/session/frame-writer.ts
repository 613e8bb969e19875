import type { Clock } from '../base/clock.ts'
import { LimitReached } from '../base/limits.ts'
import { OutgoingRecord } from '../fanout/outgoing-record.ts'
import type { PartitionFeed } from '../fanout/partition-feed.ts'
import type { StoredEntry } from '../log/entry.ts'
import type { GatewayInstruments } from '../telemetry/instruments.ts'
import type { StreamTraces } from '../telemetry/stream-traces.ts'
import { maySample } from '../telemetry/trace-context.ts'
import { encodeControl } from '../wire/control.ts'
import type { ServerFrame } from '../wire/frames.ts'
import { type Account, sizes } from './account.ts'
import type { SessionLimits } from './options.ts'
import { type FrameKind, type Outlet, type PositionSource, type WriteOutcome, writeOutcome } from './outlet.ts'
import type { PendingGap } from './pending-gap.ts'

/**
 * The session that frames are written for. It is the position source of frames that move no
 * reader.
 */
interface Client extends PositionSource {
  readonly account: Account
  /** Identifies the session in traces. */
  readonly id: number
  readonly outlet: Outlet
}

interface Context {
  readonly instruments: GatewayInstruments
  readonly clock: Clock
  readonly limits: Pick<SessionLimits, 'maxWaitingFrames'>
}

/** A reader, and the refs that it reads for. */
interface Source {
  readonly feed: PartitionFeed
  readonly refs: readonly number[] | undefined
  /** Generation of the last event delivered. */
  generation: number
}

/** Source of catch-up deliveries: one object for all sessions, valid during one write. */
const missed = new OutgoingRecord()

/**
 * Writes the frames of one session to its outlet, and counts them. Control frames that a full
 * socket refuses are queued, and go out before anything else: they are all that is queued for one
 * client. Records and gaps are not queued, because their readers come back to them.
 */
export class FrameWriter {
  readonly #client: Client
  readonly #context: Context
  #waiting: Uint8Array[] = []
  #full = false

  constructor(client: Client, context: Context) {
    this.#client = client
    this.#context = context
  }

  /** Whether the socket is full: no frame may be written until `drained`. */
  get full(): boolean {
    return this.#full
  }

  /**
   * Writes the queued control frames, as the socket accepts bytes again. True = all are out and
   * the socket is not full.
   */
  drained(): boolean {
    this.#full = false
    for (let frame = this.#waiting.shift(); frame !== undefined; frame = this.#waiting.shift()) {
      const outcome = this.#write(frame, 'control', this.#client)
      if (outcome === writeOutcome.refused) this.#waiting.unshift(frame)
      else this.#client.account.give(costOf(frame))
      if (outcome !== writeOutcome.sent) return false
    }
    return true
  }

  /**
   * Writes a control frame, or queues it. Returns the limit reached if the queue is full: the
   * frame is lost, and the session must end.
   */
  control(frame: ServerFrame): LimitReached | undefined {
    const { outlet, account } = this.#client
    const bytes = encodeControl(outlet.encoding, frame)
    if (!this.#full && this.#write(bytes, 'control', this.#client) !== writeOutcome.refused) return undefined
    if (this.#waiting.length >= this.#context.limits.maxWaitingFrames) {
      const problem =
        'too many answers are queued for this socket: the client sends requests faster than it reads answers'
      return new LimitReached('waitingFrames', 'overloaded', problem)
    }
    if (!account.tryTake(costOf(bytes))) return account.refusal(costOf(bytes))
    this.#waiting.push(bytes)
    return undefined
  }

  /** Delivers a record at the head. The live reader's position is already after the record. */
  live(source: Source, record: OutgoingRecord): WriteOutcome {
    const { outlet, id } = this.#client
    const outcome = this.#deliver(source, record, this.#client)
    if (outcome === writeOutcome.refused) return outcome
    const { instruments } = source.feed
    instruments.deliveries++
    const nowUs = this.#context.clock.nowUs()
    instruments.publishToWritten.record(nowUs - record.publishedAtUs)
    instruments.readToWritten.record(nowUs - record.readAtUs)
    if (record.trace !== undefined) record.trace.wrote(nowUs, id, outlet.transport)
    return outcome
  }

  missed(source: Source, record: StoredEntry, after: PositionSource): WriteOutcome {
    const { feed, refs } = source
    missed.describeMissed(feed, record, refs)
    const outcome = this.#deliver(source, missed, after)
    if (outcome === writeOutcome.refused) return outcome
    const { instruments } = feed
    instruments.deliveries++
    instruments.catchUpDeliveries++
    const nowUs = this.#context.clock.nowUs()
    instruments.catchUpPublishToWritten.record(nowUs - missed.publishedAtUs)
    const { buffer, traceStart, traceEnd } = record
    if (instruments.traces !== undefined && traceStart >= 0 && maySample(buffer, traceStart, traceEnd)) {
      this.#traceMissed(instruments.traces, record, nowUs)
    }
    return outcome
  }

  /**
   * Writes a gap. `token` is the position, stated in the gap itself, at which its reader
   * continues.
   */
  gap({ feed, refs }: Source, gap: PendingGap, token: string, after: PositionSource): WriteOutcome {
    const { stream, partition } = feed
    const { from, to, n, reason, certain } = gap
    const frame = {
      kind: 'gap',
      refs: gap.refs ?? refs,
      stream,
      partition,
      from,
      to,
      n,
      reason,
      certain,
      after: token,
    } as const
    const outcome = this.#write(encodeControl(this.#client.outlet.encoding, frame), 'control', after)
    if (outcome !== writeOutcome.refused && reason !== 'unspecified') feed.instruments.gaps[reason]++
    return outcome
  }

  #deliver(source: Source, record: OutgoingRecord, after: PositionSource): WriteOutcome {
    const { generation } = record
    const kind = source.feed.window.mayBegin(source.generation, generation) ? 'turn' : 'delivery'
    const outcome = this.#write(record.frame(this.#client.outlet.encoding), kind, after)
    if (outcome !== writeOutcome.refused) source.generation = generation
    return outcome
  }

  #traceMissed(traces: StreamTraces, record: StoredEntry, nowUs: number): void {
    const { buffer, traceStart: start, traceEnd: end, timeMs } = record
    const { id, outlet } = this.#client
    const receiver = { session: id, transport: outlet.transport }
    traces.missed(missed, { buffer, start, end, timeMs }, nowUs, receiver)
  }

  #write(bytes: Uint8Array, kind: FrameKind, after: PositionSource): WriteOutcome {
    const { instruments } = this.#context
    const outcome = this.#client.outlet.write(bytes, kind, after)
    if (outcome !== writeOutcome.refused) {
      instruments.framesOut++
      instruments.bytesOut += bytes.length
    }
    if (outcome !== writeOutcome.sent && !this.#full) {
      this.#full = true
      instruments.fullWrites++
    }
    return outcome
  }
}

/** Memory cost of a queued frame, bytes. */
const costOf = (frame: Uint8Array): number => sizes.frame + frame.length
