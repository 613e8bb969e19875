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

/** The session whose frames they are, which stands where frames leave it that move nothing. */
interface Client extends PositionSource {
  readonly account: Account
  /** Names it in traces. */
  readonly id: number
  readonly outlet: Outlet
}

interface Context {
  readonly instruments: GatewayInstruments
  readonly clock: Clock
  readonly limits: Pick<SessionLimits, 'maxWaitingFrames'>
}

/** Who reads for whom. */
interface Source {
  readonly feed: PartitionFeed
  readonly refs: readonly number[] | undefined
  /** Of the event that its client was given last. */
  generation: number
}

/** Catch-up deliveries are encoded from here: one object for all sessions, valid during one write. */
const missed = new OutgoingRecord()

/**
 * Frames of one session onto its outlet, counted. Control frames that a full socket can't take are queued, the only thing
 * that is queued for one client, and go out before anything else; records and gaps are not: their readers come back to them.
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

  /** Nothing may be written until `drained`. */
  get full(): boolean {
    return this.#full
  }

  /** The socket takes bytes again. True when all control frames that waited are out and it still does. */
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

  /** Returns which limit is reached where too many wait already: the frame is lost, and the session must end. */
  control(frame: ServerFrame): LimitReached | undefined {
    const { outlet, account } = this.#client
    const bytes = encodeControl(outlet.encoding, frame)
    if (!this.#full && this.#write(bytes, 'control', this.#client) !== writeOutcome.refused) return undefined
    if (this.#waiting.length >= this.#context.limits.maxWaitingFrames) {
      const said = 'too many answers wait for this socket: the client asks for more than it reads'
      return new LimitReached('waitingFrames', 'overloaded', said)
    }
    if (!account.tryTake(costOf(bytes))) return account.refusal(costOf(bytes))
    this.#waiting.push(bytes)
    return undefined
  }

  /** At the head: a live reader stands behind the record already. */
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

  /** `token` is what the gap itself says of where its reader goes on. */
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

/** What a frame that waits takes. */
const costOf = (frame: Uint8Array): number => sizes.frame + frame.length
