import type { Clock } from '../base/clock.ts'
import { LiveRecord } from '../fanout/live-record.ts'
import type { PartitionFeed } from '../fanout/partition-feed.ts'
import type { Loaded } from '../log/entry.ts'
import type { GatewayInstruments } from '../telemetry/instruments.ts'
import type { StreamTraces } from '../telemetry/stream-traces.ts'
import { maySample } from '../telemetry/trace-context.ts'
import { encodeControl } from '../wire/control.ts'
import type { ServerFrame } from '../wire/frames.ts'
import { encodeToken, growthPosition } from '../wire/token.ts'
import type { OwedGap } from './gap.ts'
import type { SessionLimits } from './options.ts'
import { type Outlet, type WriteOutcome, writeOutcome } from './outlet.ts'

type WaitingLimits = Pick<SessionLimits, 'maxWaitingFrames' | 'maxWaitingBytes'>

/** Catch-up deliveries are encoded from here: one object for all sessions, valid during one write. */
const missed = new LiveRecord()

/**
 * Frames of one session onto its outlet, counted. Control frames that a full socket can't take are queued, the only thing
 * that is queued for one client, and go out before anything else; records and gaps are not: their readers come back to them.
 */
export class FrameWriter {
  readonly #session: number
  readonly #outlet: Outlet
  readonly #instruments: GatewayInstruments
  readonly #clock: Clock
  readonly #limits: WaitingLimits
  readonly #onFull: () => void
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #full = false

  /** `onFull` is called within a write that filled the socket, or that it refused. `session` names the session in traces. */
  constructor(
    session: number,
    outlet: Outlet,
    instruments: GatewayInstruments,
    clock: Clock,
    limits: WaitingLimits,
    onFull: () => void,
  ) {
    this.#session = session
    this.#outlet = outlet
    this.#instruments = instruments
    this.#clock = clock
    this.#limits = limits
    this.#onFull = onFull
  }

  /** Nothing may be written until `drained`. */
  get full(): boolean {
    return this.#full
  }

  /** The socket takes bytes again. True when all control frames that waited are out and it still does. */
  drained(): boolean {
    this.#full = false
    for (let frame = this.#waiting.shift(); frame !== undefined; frame = this.#waiting.shift()) {
      const outcome = this.#write(frame, false)
      if (outcome === writeOutcome.refused) this.#waiting.unshift(frame)
      else this.#waitingBytes -= frame.length
      if (outcome !== writeOutcome.sent) return false
    }
    return true
  }

  /** False when too many wait already: the frame is lost, and the session must end. */
  control(frame: ServerFrame): boolean {
    const bytes = encodeControl(this.#outlet.encoding, frame)
    if (!this.#full && this.#write(bytes, false) !== writeOutcome.refused) return true
    const { maxWaitingFrames, maxWaitingBytes } = this.#limits
    if (this.#waiting.length >= maxWaitingFrames) return false
    if (this.#waitingBytes + bytes.length > maxWaitingBytes) return false
    this.#waiting.push(bytes)
    this.#waitingBytes += bytes.length
    return true
  }

  live(feed: PartitionFeed, record: LiveRecord): WriteOutcome {
    const outcome = this.#write(record.frame(this.#outlet.encoding), true)
    if (outcome === writeOutcome.refused) return outcome
    const { instruments } = feed
    instruments.deliveries++
    const nowUs = this.#clock.nowUs()
    instruments.publishToWritten.record(nowUs - record.publishedAtUs)
    instruments.readToWritten.record(nowUs - record.readAtUs)
    if (record.trace !== undefined) record.trace.wrote(nowUs, this.#session, this.#outlet.transport)
    return outcome
  }

  missed(feed: PartitionFeed, record: Loaded, refs: readonly number[] | undefined): WriteOutcome {
    missed.describeMissed(feed, record, refs)
    const outcome = this.#write(missed.frame(this.#outlet.encoding), true)
    if (outcome === writeOutcome.refused) return outcome
    const { instruments } = feed
    instruments.deliveries++
    instruments.catchUpDeliveries++
    const nowUs = this.#clock.nowUs()
    instruments.catchUpPublishToWritten.record(nowUs - missed.publishedAtUs)
    const { buffer, traceStart, traceEnd } = record
    if (instruments.traces !== undefined && traceStart >= 0 && maySample(buffer, traceStart, traceEnd)) {
      this.#traceMissed(instruments.traces, record, nowUs)
    }
    return outcome
  }

  /** `next` is where its reader goes on, `count` how many partitions its client knows of then. */
  gap(
    feed: PartitionFeed,
    gap: OwedGap,
    next: number,
    refs: readonly number[] | undefined,
    count: number | undefined,
  ): WriteOutcome {
    const { stream, partition } = feed
    const { from, to, n, reason, certain } = gap
    const frame = {
      kind: 'gap',
      refs,
      stream,
      partition,
      from,
      to,
      n,
      reason,
      certain,
      after:
        count === undefined ? feed.tokenAt(next) : encodeToken([feed.positionAt(next), growthPosition(feed, count)]),
    } as const
    const outcome = this.#write(encodeControl(this.#outlet.encoding, frame), false)
    if (outcome !== writeOutcome.refused && reason !== 'unspecified') feed.instruments.gaps[reason]++
    return outcome
  }

  #traceMissed(traces: StreamTraces, record: Loaded, nowUs: number): void {
    const { buffer, traceStart: start, traceEnd: end, timeMs } = record
    const receiver = { session: this.#session, transport: this.#outlet.transport }
    traces.missed(missed, { buffer, start, end, timeMs }, nowUs, receiver)
  }

  #write(bytes: Uint8Array, delivery: boolean): WriteOutcome {
    const outcome = this.#outlet.write(bytes, delivery)
    if (outcome !== writeOutcome.refused) {
      this.#instruments.framesOut++
      this.#instruments.bytesOut += bytes.length
    }
    if (outcome !== writeOutcome.sent && !this.#full) {
      this.#full = true
      this.#instruments.fullWrites++
      this.#onFull()
    }
    return outcome
  }
}
