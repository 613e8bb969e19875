import { forClient } from '../base/client-error.ts'
import type { LoopClock } from '../base/clock.ts'
import type { EndReason } from '../base/end-reasons.ts'
import { type CarillonError, errors } from '../base/errors.ts'
import { LimitReached } from '../base/limits.ts'
import type { OutgoingRecord } from '../fanout/outgoing-record.ts'
import type { Grant } from '../identity/grant.ts'
import type { StoredEntry } from '../log/entry.ts'
import { logFault, logWithheld } from '../telemetry/client-faults.ts'
import type { LimitedLogger } from '../telemetry/logger.ts'
import { BadFrame } from '../wire/bad-frame.ts'
import type { ClientFrame, ServerFrame, SubscribeOptions } from '../wire/frames.ts'
import { encodeSaid, partitionCount } from '../wire/partition-counts.ts'
import { isSameLog } from '../wire/token.ts'
import { Account, sizes, type Totals } from './account.ts'
import { FrameWriter } from './frame-writer.ts'
import type { ScanBudget } from './matcher.ts'
import { type Outlet, type Session, type TokenForm, type WriteOutcome, writeOutcome } from './outlet.ts'
import type { PendingGap } from './pending-gap.ts'
import type { Pump, Runnable } from './pump.ts'
import type { ReadBack } from './read-back.ts'
import type { Reader, ReaderOwner } from './reader.ts'
import { Subscriptions, type SubscriptionsContext, type SubscriptionsOwner } from './subscriptions.ts'
import { Tracks } from './tracks.ts'

/** The context that all sessions of a gateway share. */
export interface SessionContext extends SubscriptionsContext {
  readonly clock: LoopClock
  readonly readBack: ReadBack
  readonly pump: Pump
  readonly totals: Totals
  readonly ahead: { watch(reader: Reader): void }
  readonly logger: LimitedLogger
  readonly onEnded: (session: ClientSession, reason: EndReason) => void
}

/** The client of a session. */
interface Client {
  readonly id: number
  readonly outlet: Outlet
  readonly grant: Grant
}

/** Whether the gap also announces the partition count. */
const saysCount = ({ reason }: PendingGap): boolean => reason === 'repartitioned' || reason === 'recreated'

/**
 * One client's conversation, over any transport: its subscriptions, as readers at positions. Only
 * control frames are queued for it. A full socket moves its readers from live to behind; a
 * drained socket lets them read on.
 */
export class ClientSession implements Session, ReaderOwner, SubscriptionsOwner, Runnable {
  readonly id: number
  readonly outlet: Outlet
  readonly grant: Grant
  readonly account: Account
  queued = false
  #readBackLeft: number
  readonly #context: SessionContext
  readonly #subscriptions: Subscriptions
  readonly #tracks: Tracks
  readonly #writer: FrameWriter
  #errorsInRow = 0
  /** Total of refused frames with a permanent error (`retry` is `no`). */
  #mistakes = 0
  #ended = false
  /** Whether it is counted as behind: the socket is full, or a reader is catching up. */
  #behind = false
  /** SSE and poll: whether the session has reported, once, that all readers are live. */
  #saidLive = false

  constructor({ id, outlet, grant }: Client, context: SessionContext) {
    this.id = id
    this.outlet = outlet
    this.grant = grant
    this.#context = context
    this.account = new Account(context.totals)
    this.account.charge(sizes.session)
    this.#readBackLeft = context.readBack.maxBytesPerSession
    this.#tracks = new Tracks(this, outlet.transport === 'websocket' ? 'head' : 'asked')
    this.#subscriptions = new Subscriptions(this, context, this.#tracks)
    this.#writer = new FrameWriter(this, context)
  }

  get ended(): boolean {
    return this.#ended
  }

  get nowMs(): number {
    return this.#context.clock.nowUs() / 1000
  }

  get subscribed(): boolean {
    return this.#subscriptions.begun
  }

  get writable(): boolean {
    return !this.#writer.full && !this.#ended
  }

  // Session: what the transport calls

  receive(frame: ClientFrame): void {
    if (this.#ended) return
    const ref = frame.kind === 'ping' ? 0 : frame.ref
    this.#context.instruments.framesIn[frame.kind]++
    try {
      switch (frame.kind) {
        case 'subscribe':
          this.#subscriptions.add(frame)
          break
        case 'unsubscribe':
          this.#subscriptions.remove(frame.ref)
          break
        case 'ping':
          this.control({ kind: 'pong', t: frame.t, nowUs: this.#context.clock.nowUs(), after: this.token() })
          break
      }
      this.#errorsInRow = 0
    } catch (error) {
      this.#refuse(ref, this.#known(error))
    }
  }

  refuse(error: CarillonError): void {
    if (!this.#ended) this.#refuse(error instanceof BadFrame ? error.ref : 0, error)
  }

  start(subjects: readonly string[], after: readonly string[], options: SubscribeOptions = {}): void {
    this.#subscriptions.addAll(subjects, after, options)
  }

  drained(): void {
    if (this.#ended) return
    if (this.#writer.drained()) this.wake()
  }

  token(form?: TokenForm): string {
    return this.#tracks.token(form)
  }

  closed(reason: EndReason = 'lost'): void {
    this.#cleanUp(reason)
  }

  end(error: CarillonError | undefined): void {
    if (this.#ended) return
    if (error !== undefined) this.#note(error)
    this.#cleanUp(error?.code ?? 'answered')
    this.outlet.end(error)
  }

  /** Moves its subscriptions after a stream got more partitions, see `Subscriptions.replace`. */
  replace(): void {
    if (this.#ended) return
    try {
      this.#subscriptions.replace()
    } catch (error) {
      // An internal error ends this session only; the other sessions still move.
      this.end(this.#known(error))
    }
  }

  // ReaderOwner: what the readers call

  get readBack(): ReadBack {
    return this.#context.readBack
  }

  get readBackLeft(): number {
    return this.#readBackLeft
  }

  charge(bytes: number): void {
    this.#readBackLeft -= bytes
  }

  deliverLive(reader: Reader, record: OutgoingRecord): void {
    const outcome = this.#writer.live(reader, record)
    if (outcome === writeOutcome.sent) return
    if (outcome === writeOutcome.refused) reader.fallBehind(record.offset)
    this.#fallBehind()
  }

  deliverMissed(reader: Reader, record: StoredEntry, next: number): WriteOutcome {
    const outcome = this.#writer.missed(reader, record, this.#tracks.behind(reader, next, record.generation))
    if (outcome !== writeOutcome.sent) this.#fallBehind()
    return outcome
  }

  sendGap(reader: Reader, gap: PendingGap, next: number): boolean {
    const { feed } = reader
    const position = reader.positionAfter(next)
    // The client learns the partition count of the present log only with a position in that log.
    const isPresent = saysCount(gap) && isSameLog(position, feed)
    const counts = isPresent ? [partitionCount(feed, this.#context.feeds.countOf(feed))] : []
    const after = encodeSaid([position], counts)
    const outcome = this.#writer.gap(reader, gap, after, this.#tracks.behind(reader, next))
    if (outcome !== writeOutcome.sent) this.#fallBehind()
    return outcome !== writeOutcome.refused
  }

  gapsPending(): void {
    this.#tracks.owing = true
  }

  wake(): void {
    if (this.#ended) return
    this.#count('behind')
    this.#context.pump.add(this)
  }

  watchParked(reader: Reader): void {
    this.#context.ahead.watch(reader)
  }

  // SubscriptionsOwner: what the subscriptions call

  control(frame: ServerFrame): void {
    if (this.#ended) return
    const reached = this.#writer.control(frame)
    if (this.#writer.full) this.#fallBehind()
    if (reached !== undefined) this.end(reached)
  }

  forgot(): void {
    if (this.#behind) this.wake()
  }

  startFailed(ref: number, error: unknown): void {
    const known = this.#known(error)
    if (ref === 0) this.end(known)
    else this.#refuse(ref, known)
  }

  // Runnable: one slice of catching up or, once the session has ended, of leaving its hubs

  run(): boolean {
    const { scanPerSlice } = this.#context.limits
    if (this.#ended) return this.#depart()
    if (!this.writable) return false
    let more = false
    const budget = { left: scanPerSlice, stoppedAt: 0 }
    this.#subscriptions.enter(budget)
    if (this.#subscriptions.entering) return true
    this.outlet.batch(() => {
      more = this.#search(budget)
      if (this.#tracks.read(budget, this.#subscriptions)) more = true
    })
    this.#context.instruments.scanned += scanPerSlice - budget.left
    if (this.writable && this.#tracks.allLive && !this.#subscriptions.searching) this.#caughtUp()
    return more
  }

  /**
   * Searches for last events with half of the slice. The other half is for subscriptions that
   * have begun.
   */
  #search(budget: ScanBudget): boolean {
    if (!this.#subscriptions.searching) return false
    const kept = budget.left >> 1
    budget.left -= kept
    const more = this.#subscriptions.search(budget)
    budget.left += kept
    return more
  }

  #caughtUp(): void {
    this.#count('at the head')
    const { outlet } = this
    if (this.#saidLive || outlet.transport === 'websocket' || this.#tracks.size === 0) return
    this.#saidLive = true
    if (outlet.transport === 'sse') this.control({ kind: 'live', ref: 0 })
    outlet.caughtUp()
  }

  #count(where: 'behind' | 'at the head'): void {
    const behind = where === 'behind'
    if (behind === this.#behind) return
    this.#behind = behind
    this.#context.instruments.behind += behind ? 1 : -1
  }

  /** Moves every live reader to behind, at its head: the socket is full. */
  #fallBehind(): void {
    this.#count('behind')
    this.#tracks.fallBehind()
  }

  #refuse(ref: number, error: CarillonError): void {
    const { code, message, retryAfterMs } = error
    const { close, retry } = errors[code]
    this.#context.instruments.errors[code]++
    // `overloaded` for one ref refuses that subscription only: the others go on.
    const isOfOne = ref !== 0 && code === 'overloaded'
    if (close !== 0 && !isOfOne) {
      this.end(error)
      return
    }
    this.#note(error)
    this.control({ kind: 'error', ref, code, message, retry, retryAfterMs })
    // An error with `retry: later` is no mistake: a client may send any number of requests at
    // once that do not fit now.
    if (retry === 'later') return
    this.#errorsInRow++
    this.#mistakes++
    const { maxErrors, maxMistakes } = this.#context.limits
    if (this.#errorsInRow >= maxErrors) this.#endForErrors(`${this.#errorsInRow} frames in a row were refused`)
    else if (this.#mistakes >= maxMistakes) this.#endForErrors(`${this.#mistakes} frames of this session were refused`)
  }

  #endForErrors(reason: string): void {
    this.end(new LimitReached('refusedFrames', 'too_many_errors', reason))
  }

  #note(error: CarillonError): void {
    const { instruments, clock } = this.#context
    instruments.refusals.note(error, { who: this.outlet.peer, atUs: clock.nowUs() })
  }

  #known(error: unknown): CarillonError {
    const { logger } = this.#context
    const { error: known, withheld } = forClient(error)
    if (known.code === 'internal') {
      logFault(logger, 'a session failed on a request', { session: this.id, error })
    }
    if (withheld !== undefined) {
      logWithheld(logger, known.code, `session ${this.id} was refused: ${withheld}`)
    }
    return known
  }

  #cleanUp(reason: EndReason): void {
    if (this.#ended) return
    this.#ended = true
    this.#count('at the head')
    this.account.close()
    this.#subscriptions.close()
    this.#tracks.close()
    if (this.#depart()) this.#context.pump.add(this)
    this.#context.onEnded(this, reason)
  }

  /**
   * Leaves the hubs, one slice of memberships. True = there are more: the session keeps its
   * memory charged until all are left.
   */
  #depart(): boolean {
    const more = this.#tracks.depart(this.#context.limits.scanPerSlice)
    if (!more) this.account.giveBack()
    return more
  }
}
