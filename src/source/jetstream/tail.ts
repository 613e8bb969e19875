import type { NatsConnection } from '@nats-io/transport-node'
import type { LoopClock } from '../../base/clock.ts'
import { expectAbsent } from '../partitions.ts'
import { backOffMs, Pause } from '../pause.ts'
import type { SourceContext, StreamInfo, Tail, TailSink } from '../source.ts'
import { TailHealth } from '../tail-health.ts'
import { JetStreamApi, type StreamFacts } from './api.ts'
import { describeFamily, setUpProblem } from './family.ts'
import { type Layout, layoutOf } from './layout.ts'
import { Link, type LinkContext, type LinkOwner } from './link.ts'
import type { NatsOptions } from './options.ts'
import { PartitionReader, type PartitionReaderOwner } from './partition-reader.ts'
import { deniedText } from './problems.ts'

/** Interval of the check of consumers, ms. */
const beatMs = 200
/** Missing heartbeats after which a consumer counts as gone. */
const silentBeats = 2.5
/**
 * Time without a change before a family counts as re-created or grown, ms: its streams are created
 * one by one.
 */
const settleMs = 200
/** Interval of requests for a missing stream, ms. */
const missingMs = 500
/** Interval of looks at quiet readers, ms, and how many readers each look covers. */
const quietLookMs = 1000
const quietLooks = 32
/** Pause before asking again after the server reported a shorter log than was read, ms. */
const confirmMs = 500

/**
 * Reads partitions of one family over a separate connection, with one reader for each partition
 * and a periodic look at the family.
 */
export class JetStreamTail implements Tail, LinkOwner, PartitionReaderOwner {
  readonly layout: Layout
  readonly api: JetStreamApi
  readonly options: NatsOptions
  readonly sink: TailSink
  closed = false
  #incarnation: string
  #partitions: number
  /** One for each partition that is read. */
  #readers: readonly PartitionReader[] = []
  readonly #clock: LoopClock
  readonly #context: SourceContext
  readonly #health: TailHealth
  /** When an idle reader opens again, monotonic ms; absent = opening or reading. */
  readonly #dueMs = new Map<PartitionReader, number>()
  /**
   * When a reader's consumer last broke, monotonic ms. The first replacement is immediate; another
   * soon after it is delayed.
   */
  readonly #brokenMs = new WeakMap<PartitionReader, number>()
  /** The latest problem of each reader that can't read. */
  readonly #problems = new Map<PartitionReader, string>()
  /** When a partition last became readable, monotonic ms. */
  #readMs = Number.NEGATIVE_INFINITY
  /** The reader of a backlog, and those waiting for their turn. */
  #inTurn: PartitionReader | undefined
  readonly #waiting = new Set<PartitionReader>()
  readonly #pause: Pause
  #ending = false
  #gone = false
  #lookedAt = 0
  /** Index of the reader at which the next look at quiet readers begins. */
  #quietFrom = 0
  /** Texts of refused publishes on this connection; some name one partition's stream. */
  readonly #denied = new Set<string>()
  /** Why the last look at the family failed; '' = it succeeded. */
  #lookProblem = ''
  #beatAtMs: number
  #cancelBeat: () => void
  #cancelQuiet: () => void
  readonly #watching: Promise<void>

  constructor(
    stream: StreamInfo,
    from: readonly (number | undefined)[],
    sink: TailSink,
    { options, context }: { options: NatsOptions; context: SourceContext & LinkContext },
  ) {
    const { clock } = context
    this.layout = layoutOf(options, stream.name)
    this.options = options
    this.sink = sink
    this.#incarnation = stream.incarnation
    this.#partitions = stream.partitions
    this.#context = context
    this.#clock = clock
    this.#pause = new Pause(clock)
    this.#health = new TailHealth(options.awayAfterMs, (state, detail) => {
      if (!this.closed) sink.state(state, detail)
    })
    this.api = new JetStreamApi(new Link(options, context, this), options, clock)
    from.forEach((offset, partition) => {
      if (offset !== undefined) this.#begin(partition, offset)
    })
    this.#beatAtMs = clock.monotonicMs()
    this.#cancelBeat = clock.after(beatMs, () => this.#beat())
    this.#cancelQuiet = clock.after(quietLookMs, () => void this.#lookAtQuiet())
    this.api.link.start()
    this.#watching = this.#watch()
  }

  add(partition: number, from?: number): void {
    if (this.closed) return
    this.#begin(partition, from)
    this.#openDue()
  }

  drop(partition: number): void {
    const reader = this.#readers.find((each) => each.partition === partition)
    if (reader === undefined) return
    this.#forget(reader)
    // When a missing family is found again, all current readers become expected.
    if (!this.#gone) this.#health.read(partition)
  }

  #begin(partition: number, from: number | undefined): void {
    const stream = { name: this.layout.name, partitions: this.#partitions }
    expectAbsent(stream, partition, (wanted) => this.#readers.some((reader) => reader.partition === wanted))
    const reader = new PartitionReader(this, partition, from)
    this.#readers = [...this.#readers, reader]
    this.#dueMs.set(reader, 0)
    this.#health.expect(partition, this.#clock.monotonicMs())
  }

  #forget(reader: PartitionReader): void {
    reader.drop()
    this.#problems.delete(reader)
    this.#readers = this.#readers.filter((each) => each !== reader)
    this.#waiting.delete(reader)
    this.endTurn(reader)
    this.#health.warn(`set-up of ${reader.partition}`, '')
  }

  async close(): Promise<void> {
    this.closed = true
    this.#cancelBeat()
    this.#cancelQuiet()
    for (const reader of this.#readers) reader.stop()
    this.#pause.wake()
    await this.api.link.close()
    await this.#watching
  }

  // LinkOwner

  up(_connection: NatsConnection): void {
    this.#forgetTurns()
    // Permissions may have changed.
    for (const text of this.#denied) this.#health.warn(text, '')
    this.#denied.clear()
    for (const reader of this.#readers) this.#dueMs.set(reader, 0)
    this.#openDue()
  }

  down(problem: string): void {
    const now = this.#clock.monotonicMs()
    for (const reader of this.#readers) {
      reader.stop()
      this.#dueMs.set(reader, 0)
      if (!this.#gone) this.#failed(reader, now, problem)
    }
  }

  /**
   * Reports refused requests, which their callers see too, and refused flow control, without which
   * a consumer stalls.
   */
  denied(subject: string): void {
    const text = deniedText(subject)
    if (this.#denied.has(text)) return
    this.#denied.add(text)
    this.#context.log('error', `reading stream ${this.layout.name}: ${text}`)
    this.#health.warn(text, text)
  }

  // PartitionReaderOwner

  awaits(reader: PartitionReader, why: string): void {
    if (reader.dropped) return
    if (why !== '') this.#problems.set(reader, `${this.layout.stream(reader.partition)}: ${why}`)
    if (!this.#gone) this.#health.expect(reader.partition, this.#clock.monotonicMs())
  }

  read(reader: PartitionReader): void {
    if (reader.dropped) return
    this.#readMs = this.#clock.monotonicMs()
    this.#problems.delete(reader)
    this.#health.read(reader.partition)
  }

  takeTurn(reader: PartitionReader): boolean {
    this.#inTurn ??= reader
    if (this.#inTurn === reader) return true
    this.#waiting.add(reader)
    return false
  }

  endTurn(reader: PartitionReader): void {
    if (this.#inTurn !== reader) return
    const [next] = this.#waiting
    this.#inTurn = next
    if (next === undefined) return
    this.#waiting.delete(next)
    this.#dueMs.set(next, 0)
    this.#clock.turn(() => this.#openDue())
  }

  shown(reader: PartitionReader): void {
    reader.unended = true
    if (this.#ending) return
    this.#ending = true
    this.#clock.turn(() => {
      this.#ending = false
      for (const each of this.#readers) if (each.unended) each.end()
    })
  }

  broken(reader: PartitionReader, why: string): void {
    reader.stop()
    this.endTurn(reader)
    if (why !== '') {
      this.#context.log('info', `reading ${this.layout.stream(reader.partition)} again: ${why}`)
      this.awaits(reader, why)
    }
    const now = this.#clock.monotonicMs()
    const again = now - (this.#brokenMs.get(reader) ?? Number.NEGATIVE_INFINITY) < this.options.maxRetryMs
    this.#brokenMs.set(reader, now)
    this.#dueMs.set(reader, again ? now + this.options.maxRetryMs : now)
    this.#clock.turn(() => this.#openDue())
  }

  lacking(reader: PartitionReader): void {
    this.endTurn(reader)
    this.#health.expect(reader.partition, this.#clock.monotonicMs())
    this.#health.missing(`the server has no stream ${this.layout.stream(reader.partition)}`)
    this.#dueMs.set(reader, this.#clock.monotonicMs() + missingMs)
    this.#pause.wake()
  }

  doubtful(reader: PartitionReader): void {
    this.endTurn(reader)
    this.awaits(reader, 'the server has fewer records than were read')
    this.#dueMs.set(reader, this.#clock.monotonicMs() + confirmMs)
  }

  async familyChanged(reader: PartitionReader): Promise<boolean> {
    const zero = await this.api.stream(this.layout.stream(0))
    const changed = zero?.created !== this.#incarnation
    if (!changed) return false
    this.endTurn(reader)
    this.#dueMs.set(reader, this.#clock.monotonicMs() + missingMs)
    this.#pause.wake()
    return true
  }

  #forgetTurns(): void {
    this.#inTurn = undefined
    this.#waiting.clear()
  }

  // Opening

  #openDue(): void {
    const { current } = this.api.link
    if (this.closed || this.#gone || current === undefined) return
    const now = this.#clock.monotonicMs()
    for (const [reader, dueMs] of this.#dueMs) if (dueMs <= now) void this.#open(reader, current)
  }

  async #open(reader: PartitionReader, connection: NatsConnection): Promise<void> {
    this.#dueMs.delete(reader)
    if (reader.dropped) return
    try {
      await reader.open(connection)
    } catch (error) {
      if (this.closed || reader.dropped) return
      // The end of a connection is reported separately, and the next one has opened all readers.
      if (this.api.link.current !== connection) return
      reader.stop()
      this.endTurn(reader)
      const { retryMs, maxRetryMs } = this.options
      const now = this.#clock.monotonicMs()
      this.#dueMs.set(reader, now + backOffMs(reader.failures++, retryMs, maxRetryMs))
      this.#failed(reader, now, (error as Error).message)
    }
  }

  #failed(reader: PartitionReader, nowMs: number, problem: string): void {
    if (reader.dropped) return
    this.#problems.set(reader, problem)
    this.#health.failed(reader.partition, nowMs, problem)
  }

  /** Reports readers that are late to become readable, with the reason if one is known. */
  #tellLate(nowMs: number): void {
    for (const reader of this.#readers) {
      if (this.#waiting.has(reader) || !this.#health.isLate(reader.partition, nowMs)) continue
      const stream = this.layout.stream(reader.partition)
      const known = this.api.trouble(stream) ?? (this.#lookProblem || this.#problems.get(reader))
      // If many readers start at once, each waits for those before it.
      if (known === undefined && nowMs - this.#readMs < this.options.awayAfterMs) continue
      this.#health.failed(reader.partition, nowMs, known ?? `${stream}: the server has not answered yet`)
    }
  }

  #beat(): void {
    if (this.closed) return
    const now = this.#clock.monotonicMs()
    // After a pause of this process, no heartbeat can have been received yet: silence counts from
    // now.
    const stalled = now - this.#beatAtMs > 2 * beatMs
    this.#beatAtMs = now
    const { current, problem } = this.api.link
    for (const reader of this.#readers) {
      const heard = reader.isHeard(now, stalled ? Number.POSITIVE_INFINITY : silentBeats * this.options.heartbeatMs)
      if (heard) continue
      this.broken(reader, 'its consumer is silent')
      if (current !== undefined) void this.api.link.suspect(current)
    }
    if (current === undefined && !this.#gone) {
      for (const reader of this.#readers) this.#failed(reader, now, problem)
    } else if (!this.#gone && !stalled) this.#tellLate(now)
    this.#openDue()
    this.#cancelBeat = this.#clock.after(beatMs, () => this.#beat())
  }

  // The family

  async #watch(): Promise<void> {
    while (!this.closed) {
      await this.#pause.sleep(this.#gone ? missingMs : this.options.refreshMs)
      if (this.closed) return
      try {
        await this.#look()
        this.#looked('')
      } catch (error) {
        // Either the server is away, which the readers report, or the streams are set up in an
        // unreadable way.
        this.#looked((error as Error).message)
      }
    }
  }

  #looked(problem: string): void {
    if (this.closed || problem === this.#lookProblem) return
    this.#lookProblem = problem
    this.#health.warn('look', problem)
    if (problem !== '') this.#context.log('warn', `looking at stream ${this.layout.name} failed: ${problem}`)
  }

  /**
   * Looks at quiet readers in turn: their streams may have no records, or their consumers deliver
   * nothing.
   */
  async #lookAtQuiet(): Promise<void> {
    const readers = this.api.link.current === undefined || this.#gone ? [] : this.#readers
    const quiet: PartitionReader[] = []
    let looked = 0
    for (; looked < readers.length && quiet.length < quietLooks; looked++) {
      const reader = readers[(this.#quietFrom + looked) % readers.length]!
      if (reader.isQuiet()) quiet.push(reader)
    }
    if (readers.length > 0) this.#quietFrom = (this.#quietFrom + looked) % readers.length
    // The look at the family reports why the server does not answer.
    await Promise.all(quiet.map((reader) => reader.lookWhileQuiet().catch(() => {})))
    if (!this.closed) this.#cancelQuiet = this.#clock.after(quietLookMs, () => void this.#lookAtQuiet())
  }

  async #look(): Promise<void> {
    if (this.api.link.current === undefined) return
    const zero = await this.api.stream(this.layout.stream(0))
    if (this.closed) return
    if (zero === undefined) return this.#vanished()
    if (zero.created !== this.#incarnation) return this.#recreated()
    if (this.#gone) this.#found()
    await this.#lookAtOne(zero)
    if (this.#partitions >= this.layout.maxPartitions) return
    const more = await this.api.stream(this.layout.stream(this.#partitions))
    if (more !== undefined && !this.closed) await this.#grown()
  }

  /** Looks at one partition after another, so that the bounds of idle partitions stay current. */
  async #lookAtOne(zero: StreamFacts): Promise<void> {
    if (this.#readers.length === 0) return
    this.#lookedAt = (this.#lookedAt + 1) % this.#readers.length
    const reader = this.#readers[this.#lookedAt]!
    const facts = reader.partition === 0 ? zero : await this.api.stream(this.layout.stream(reader.partition))
    if (facts === undefined || this.closed) return
    this.#health.warn(`set-up of ${reader.partition}`, setUpProblem(this.layout, reader.partition, facts))
    reader.learned(facts)
  }

  #vanished(): void {
    this.#gone = true
    this.#forgetTurns()
    for (const reader of this.#readers) {
      reader.stop()
      this.#dueMs.set(reader, 0)
    }
    this.#health.missing(`the server has no stream ${this.layout.stream(0)}`)
  }

  #found(): void {
    this.#gone = false
    this.#health.found(
      this.#readers.map(({ partition }) => partition),
      this.#clock.monotonicMs(),
    )
    this.#openDue()
  }

  /** Returns the family if two looks, `settleMs` apart, agree. */
  async #settled(): Promise<StreamInfo | undefined> {
    const before = await describeFamily(this.api, this.layout)
    await new Pause(this.#clock).sleep(settleMs)
    if (this.closed) return undefined
    const after = await describeFamily(this.api, this.layout)
    const same = before?.incarnation === after?.incarnation && before?.partitions === after?.partitions
    return same && !this.closed ? after : undefined
  }

  async #recreated(): Promise<void> {
    const info = await this.#settled()
    if (info === undefined || info.incarnation === this.#incarnation) return
    this.#incarnation = info.incarnation
    this.#partitions = info.partitions
    this.#forgetTurns()
    for (const reader of this.#readers) {
      if (reader.partition < info.partitions) reader.restart()
      else this.#forget(reader)
    }
    for (const reader of this.#readers) this.#dueMs.set(reader, 0)
    this.sink.recreated(info)
    if (!this.closed) this.#found()
  }

  async #grown(): Promise<void> {
    const info = await this.#settled()
    if (info === undefined || info.incarnation !== this.#incarnation || info.partitions <= this.#partitions) return
    this.#partitions = info.partitions
    this.sink.grown(info)
  }
}
