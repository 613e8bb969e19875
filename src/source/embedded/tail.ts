import type { LoopClock } from '../../base/clock.ts'
import { expectAbsent } from '../partitions.ts'
import type { SourceContext, StreamInfo, Tail, TailSink, TailState } from '../source.ts'
import { turnWeight } from '../turn-weight.ts'
import type { BlockReader, BlockSink } from './reader.ts'
import type { PartitionLog, StreamLog } from './stream.ts'

/** What a tail takes from its source. */
export interface TailOwner {
  readonly reader: BlockReader
  /** Where it runs. */
  readonly host: SourceContext & { readonly clock: LoopClock }
  /** Records that a turn may show, by `turnWeight`; whole blocks, so a turn ends at most one block later. */
  readonly turnRecords: number
  /** The stream of this name as it is now. */
  find(stream: string): StreamLog | undefined
  closed(tail: EmbeddedTail): void
}

/** Where a tail stands in one partition. */
interface Place {
  readonly partition: number
  next: number
  /** Its bounds were told. */
  told: boolean
  dropped: boolean
}

const placeAt = (partition: number, next: number): Place => ({ partition, next, told: false, dropped: false })

/** Where nothing was read yet. */
const absent: Place = { ...placeAt(-1, 0), dropped: true }

/**
 * Reads a stream on from its positions. It is woken after each commit and whenever the stream changed, and shows what is
 * durable in a turn of its own; tails share nothing but the store.
 */
export class EmbeddedTail implements Tail {
  readonly #host: TailOwner
  readonly #sink: TailSink
  readonly stream: string
  #info: StreamInfo
  /** Of the partitions that are read. */
  #places: readonly Place[] = []
  #state: TailState | undefined
  #scheduled = false
  #closed = false
  /** The partition that a turn starts with, so that a busy one does not starve the others. */
  #turn = 0
  #shown = 0
  readonly #blocks: BlockSink
  #place: Place = absent
  /** Where the read of a block begins, and the first offset that is known to be there. */
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
    const { partition, next: start, told } = place
    const hasWork = start < head && this.#shown < this.#host.turnRecords
    if (!hasWork && told) return
    place.told = true
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

  /** Of the partition that is being read nothing more is to be told: the sink may have closed the tail or dropped it. */
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
