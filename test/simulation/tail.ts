import type { Random } from '../../src/base/random.ts'
import type { SourceRecord } from '../../src/log/record.ts'
import { expectAbsent } from '../../src/source/partitions.ts'
import type { StreamInfo, Tail, TailSink } from '../../src/source/source.ts'
import { type Incarnation, infoOf, type SimBroker } from './broker.ts'
import { boundsOf, type LogRecord, type PartitionLog, visible } from './partition-log.ts'
import type { Process } from './virtual-time.ts'

/** Dependencies of a tail on its source. */
export interface TailHost {
  readonly broker: SimBroker
  readonly process: Process
  readonly random: Random
  /** true = the broker is unreachable. */
  readonly away: boolean
  /** Most records in one response. */
  readonly batch: number
  /** Returns the latency of one direction, ms. */
  latency(): number
  incarnation(stream: StreamInfo): Incarnation | undefined
  /** Returns a record for a sink. Reuses the same object and memory. */
  show(entry: LogRecord): SourceRecord
  /** Overwrites the shown record. */
  forget(): void
}

interface Cursor {
  readonly partition: number
  next: number
  /** Number of the log's rewrites that this reader has reported. */
  known: number
  /** Whether the reader has read up to `next`. Before that, a lower end proves nothing. */
  reached: boolean
  told: string
}

/** The broker's response to one fetch, with the state at that time. */
type Answer =
  | {
      readonly kind: 'records'
      readonly entries: LogRecord[]
      readonly next: number
      readonly first: number
      readonly head: number
    }
  | { readonly kind: 'below'; readonly first: number }
  | { readonly kind: 'diverged'; readonly agreed: number; readonly known: number }
  | { readonly kind: 'failed' }

/** Delay before a failed fetch is retried, and before the gateway learns of it, ms. */
const retryMs = 150
/** Longest time until a tail learns of another incarnation or more partitions, ms. */
const metadataMs = 2500

export interface TailStart {
  readonly info: StreamInfo
  /** Start offset by partition; undefined = not read. */
  readonly from: readonly (number | undefined)[]
}

/**
 * A tail like Kafka's: one fetch in flight for each partition, which waits at the head for new
 * records.
 */
export class SimTail implements Tail {
  readonly #source: TailHost
  readonly #sink: TailSink
  readonly #onClosed: () => void
  readonly #cursors = new Map<number, Cursor>()
  #info: StreamInfo
  #state = ''
  #closed = false

  constructor(source: TailHost, { info, from }: TailStart, sink: TailSink, onClosed: () => void) {
    this.#source = source
    this.#sink = sink
    this.#info = info
    this.#onClosed = onClosed
    from.forEach((offset, partition) => {
      if (offset !== undefined) this.add(partition, offset)
    })
    source.broker.watchers.add(this)
    source.broker.learned()
    this.metadataChanged()
  }

  get partitions(): number {
    return this.#info.partitions
  }

  get incarnation(): string {
    return this.#info.incarnation
  }

  add(partition: number, from?: number): void {
    if (this.#closed) return
    expectAbsent(this.#info, partition, (wanted) => this.#cursors.has(wanted))
    const log = from === undefined ? undefined : this.#source.incarnation(this.#info)?.logs[partition]
    this.#read(partition, from ?? this.#source.broker.firstOffset, log)
  }

  drop(partition: number): void {
    this.#cursors.delete(partition)
  }

  close(): Promise<void> {
    this.#closed = true
    this.#source.broker.watchers.delete(this)
    this.#source.broker.learned()
    this.#onClosed()
    return Promise.resolve()
  }

  linkChanged(): void {
    if (!this.#source.away) this.metadataChanged()
  }

  /** Schedules the news of changed metadata. */
  metadataChanged(): void {
    const { process, random } = this.#source
    process.after(random.next() * metadataMs, () => this.#learn())
  }

  #read(partition: number, next: number, log: PartitionLog | undefined): void {
    const cursor = { partition, next, known: log?.rewrites.length ?? 0, reached: false, told: '' }
    this.#cursors.set(partition, cursor)
    this.#fetch(cursor)
  }

  #learn(): void {
    if (this.#closed || this.#source.away) return
    const { broker } = this.#source
    const { current } = broker
    if (broker.missing) {
      this.#tell('missing')
      return
    }
    if (current.id !== this.#info.incarnation) this.#recreated()
    else if (current.logs.length > this.partitions) this.#grown()
    broker.learned()
  }

  #recreated(): void {
    const { current } = this.#source.broker
    this.#info = infoOf(current)
    const partitions = [...this.#cursors.keys()]
    this.#cursors.clear()
    for (const partition of partitions) {
      const log = current.logs[partition]
      if (log !== undefined) this.#read(partition, this.#source.broker.firstOffset, log)
    }
    this.#sink.recreated(this.#info)
  }

  #grown(): void {
    const { current } = this.#source.broker
    this.#info = infoOf(current)
    this.#sink.grown(this.#info)
  }

  #fetch(cursor: Cursor): void {
    const { broker, process } = this.#source
    broker.process.after(this.#source.latency(), () => {
      if (process.dead || !this.#reads(cursor)) return
      const log = this.#log(cursor)
      const answer = log === undefined ? ({ kind: 'failed' } as const) : this.#look(log, cursor)
      if (answer === undefined) log!.wait(() => this.#fetch(cursor))
      else process.after(this.#source.latency(), () => this.#take(cursor, answer))
    })
  }

  #reads(cursor: Cursor): boolean {
    return !this.#closed && this.#cursors.get(cursor.partition) === cursor
  }

  #log(cursor: Cursor): PartitionLog | undefined {
    return this.#source.away ? undefined : this.#source.incarnation(this.#info)?.logs[cursor.partition]
  }

  /** Returns the response; undefined = nothing to return yet. */
  #look(log: PartitionLog, cursor: Cursor): Answer | undefined {
    const { next, known } = cursor
    const { first, head } = boundsOf(log)
    const agreed = log.agreed(known)
    if (agreed < next && cursor.reached) return { kind: 'diverged', agreed, known: log.rewrites.length }
    if (agreed < Number.POSITIVE_INFINITY) cursor.known = log.rewrites.length
    if (next < first) return { kind: 'below', first }
    const entries = visible(log, next, head).slice(0, this.#source.batch)
    const more = entries.length === this.#source.batch
    const behind = more ? entries.at(-1)!.offset + 1 : Math.max(next, head)
    if (behind === next && cursor.told === `${next} ${first} ${head}`) return undefined
    return { kind: 'records', entries, next: behind, first, head }
  }

  #take(cursor: Cursor, answer: Answer): void {
    if (!this.#reads(cursor)) return
    if (answer.kind === 'failed') {
      // Metadata reports a deleted topic.
      if (this.#source.away) this.#tell('away')
      this.#source.process.after(retryMs, () => this.#fetch(cursor))
      return
    }
    this.#tell('up')
    if (this.#reads(cursor)) this.#show(cursor, answer)
    if (this.#reads(cursor)) this.#fetch(cursor)
  }

  #show(cursor: Cursor, answer: Exclude<Answer, { kind: 'failed' }>): void {
    const { partition, next } = cursor
    switch (answer.kind) {
      case 'below':
        cursor.next = answer.first
        this.#sink.lost(partition, next, answer.first - 1, 'retention')
        break
      case 'diverged':
        cursor.next = answer.agreed
        cursor.known = answer.known
        this.#sink.lost(partition, answer.agreed, next - 1, 'rewritten')
        break
      case 'records':
        for (const entry of answer.entries) {
          if (!this.#reads(cursor)) break
          if (entry.damaged) this.#sink.lost(partition, entry.offset, entry.offset, 'corrupt')
          else this.#sink.record(this.#source.show(entry))
        }
        this.#source.forget()
        if (!this.#reads(cursor)) return
        cursor.next = answer.next
        if (answer.next <= answer.head) cursor.reached = true
        cursor.told = `${answer.next} ${answer.first} ${answer.head}`
        this.#sink.end(partition, answer.next, { first: answer.first, head: answer.head })
    }
  }

  #tell(state: 'up' | 'away' | 'missing'): void {
    if (state === this.#state) return
    this.#state = state
    this.#sink.state(state, state === 'up' ? '' : state)
  }
}
