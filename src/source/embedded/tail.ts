import type { LoopClock } from '../../base/clock.ts'
import { expectAbsent } from '../partitions.ts'
import type { SourceContext, StreamInfo, Tail, TailSink, TailState } from '../source.ts'
import { turnWeight } from '../turn-weight.ts'
import type { BlockReader, BlockSink } from './reader.ts'
import type { PartitionLog, StreamLog } from './stream.ts'

/** The part of its source that a tail uses. */
export interface TailOwner {
  readonly reader: BlockReader
  /** Its log and clock. */
  readonly host: SourceContext & { readonly clock: LoopClock }
  /** Records that a turn may show, by `turnWeight`; whole blocks, so a turn ends at most one block later. */
  readonly turnRecords: number
  /** Returns the stream of this name as it is now. */
  find(stream: string): StreamLog | undefined
  closed(tail: EmbeddedTail): void
}

/** A tail's position in one partition. */
interface Place {
  readonly partition: number
  next: number
  /** Whether its bounds have been reported. */
  reported: boolean
  dropped: boolean
}

const placeAt = (partition: number, next: number): Place => ({ partition, next, reported: false, dropped: false })

/** Initial value before anything was read. */
const absent: Place = { ...placeAt(-1, 0), dropped: true }

/**
 * Reads a stream from given positions. It is woken after each commit and whenever the stream
 * changes, and delivers durable records in a separate turn of the event loop. Tails share only
 * the store.
 */
export class EmbeddedTail implements Tail {
  readonly #host: TailOwner
  readonly #sink: TailSink
  readonly stream: string
  #info: StreamInfo
  /** Positions in the partitions that it reads. */
  #places: readonly Place[] = []
  #state: TailState | undefined
  #scheduled = false
  #closed = false
  /**
   * Index of the partition that a turn starts with, so that a busy one does not starve the
   * others.
   */
  #turn = 0
  #shown = 0
  readonly #blocks: BlockSink
  #place: Place = absent
  /** Start of the current block read, and the first offset known to be retained. */
  #from = 0
  #first = 0

  constructor(host: TailOwner, stream: StreamInfo, from: readonly (number | undefined)[], sink: TailSink) {
    this.#host = host
    this.#sink = sink
    this.stream = stream.name
    this.#info = stream
    from.forEach((offset, partition) => {
      if (offset !== undefined) this.add(partition, offset)
    })
    this.#blocks = {
      record: (record) => {
        this.#shown += turnWeight(record)
        sink.record(record)
        return !this.#isOver
      },
      lost: (first, to) => this.#damaged(first, to),
      dropped: (first) => this.#dropped(first),
    }
    this.wake()
  }

  add(partition: number, from = 0): void {
    if (this.#closed) return
    expectAbsent(this.#info, partition, (wanted) => this.#places.some((place) => place.partition === wanted))
    this.#places = [...this.#places, placeAt(partition, from)]
    this.wake()
  }

  drop(partition: number): void {
    this.#places = this.#places.filter((place) => {
      place.dropped ||= place.partition === partition
      return !place.dropped
    })
  }

  wake(): void {
    if (this.#scheduled || this.#closed) return
    this.#scheduled = true
    this.#host.host.clock.turn(() => {
      this.#scheduled = false
      if (!this.#closed) this.#run()
    })
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#host.closed(this)
  }

  #run(): void {
    const log = this.#host.find(this.stream)
    if (log === undefined) {
      this.#tell('missing', `there is no stream ${this.stream}`)
      return
    }
    if (log.info.incarnation !== this.#info.incarnation) this.#recreated(log.info)
    else if (log.info.partitions > this.#info.partitions) this.#grown(log.info)
    if (this.#closed) return
    this.#tell('up', '')
    const { partitions } = log
    const places = this.#places
    this.#shown = 0
    for (let i = 0; i < places.length; i++) {
      const place = places[(this.#turn + i) % places.length]!
      this.#read(place, partitions[place.partition]!)
    }
    this.#turn = (this.#turn + 1) % Math.max(1, places.length)
    if (this.#places.some(({ partition, next }) => next < partitions[partition]!.bounds.head)) this.wake()
  }

  #read(place: Place, log: PartitionLog): void {
    this.#place = place
    if (this.#isOver) return
    const { first, head } = log.bounds
    const { partition, next: start, reported } = place
    const hasWork = start < head && this.#shown < this.#host.turnRecords
    if (!hasWork && reported) return
    place.reported = true
    this.#from = start
    this.#first = first
    if (start < first) this.#dropped(first)
    let next = Math.max(start, first)
    while (next < head && this.#shown < this.#host.turnRecords && !this.#isOver) {
      this.#from = next
      next = this.#host.reader.read(log, next, head, this.#blocks)
    }
    place.next = next
    if (!this.#isOver) this.#sink.end(partition, next, { first: this.#first, head })
  }

  /**
   * Whether the partition being read must not be reported any more: the sink may have closed the
   * tail or dropped the partition.
   */
  get #isOver(): boolean {
    return this.#closed || this.#place.dropped
  }

  #dropped(first: number): void {
    this.#first = first
    this.#sink.lost(this.#place.partition, this.#from, first - 1, 'retention')
  }

  #damaged(from: number, to: number): void {
    const { partition } = this.#place
    this.#host.host.log('error', 'the embedded log has a damaged block; its records are lost', {
      stream: this.stream,
      partition,
      from,
      to,
    })
    this.#sink.lost(partition, from, to, 'corrupt')
  }

  #recreated(info: StreamInfo): void {
    this.#info = info
    const kept = this.#places.filter(({ partition }) => partition < info.partitions)
    this.#places = kept.map(({ partition }) => placeAt(partition, 0))
    this.#turn = 0
    this.#sink.recreated(info)
  }

  #grown(info: StreamInfo): void {
    this.#info = info
    this.#sink.grown(info)
  }

  #tell(state: TailState, detail: string): void {
    if (this.#state === state) return
    this.#state = state
    this.#sink.state(state, detail)
  }
}
