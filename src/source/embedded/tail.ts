import type { LoopClock } from '../../base/clock.ts'
import type { SourceContext, StreamInfo, Tail, TailSink, TailState } from '../source.ts'
import type { BlockReader, BlockSink } from './reader.ts'
import type { PartitionLog, StreamLog } from './stream.ts'

/** What a tail takes from its source. */
export interface TailHost {
  readonly reader: BlockReader
  /** Where it runs. */
  readonly host: SourceContext & { readonly clock: LoopClock }
  /** Records that a turn may show; whole blocks, so a turn ends at most one block later. */
  readonly turnRecords: number
  /** The stream of this name as it is now. */
  find(stream: string): StreamLog | undefined
  closed(tail: EmbeddedTail): void
}

/**
 * Reads a stream on from its positions. It is woken after each commit and whenever the stream changed, and shows what is
 * durable in a turn of its own; tails share nothing but the store.
 */
export class EmbeddedTail implements Tail {
  readonly #host: TailHost
  readonly #sink: TailSink
  readonly stream: string
  #incarnation: string
  /** The next offset, a partition each. */
  #next: number[]
  /** Partitions whose bounds were not told yet. */
  #untold: Set<number>
  #state: TailState | undefined
  #scheduled = false
  #closed = false
  /** The partition that a turn starts with, so that a busy one does not starve the others. */
  #turn = 0
  #shown = 0
  readonly #blocks: BlockSink
  #partition = 0
  /** Where the read of a block begins, and the first offset that is known to be there. */
  #from = 0
  #first = 0

  constructor(host: TailHost, stream: StreamInfo, from: readonly number[], sink: TailSink) {
    this.#host = host
    this.#sink = sink
    this.stream = stream.name
    this.#incarnation = stream.incarnation
    this.#next = Array.from({ length: stream.partitions }, (_, partition) => from[partition] ?? 0)
    this.#untold = new Set(this.#next.keys())
    this.#blocks = {
      record: (record) => {
        this.#shown++
        sink.record(record)
        return !this.#closed
      },
      lost: (first, to) => this.#damaged(first, to),
      dropped: (first) => this.#dropped(first),
    }
    this.wake()
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
    if (log.info.incarnation !== this.#incarnation) this.#recreated(log.info)
    else if (log.info.partitions > this.#next.length) this.#grown(log.info)
    if (this.#closed) return
    this.#tell('up', '')
    const { partitions } = log
    this.#shown = 0
    for (let i = 0; i < partitions.length && !this.#closed; i++) {
      this.#read(partitions[(this.#turn + i) % partitions.length]!)
    }
    this.#turn = (this.#turn + 1) % partitions.length
    if (partitions.some((partition) => this.#next[partition.partition]! < partition.bounds.head)) this.wake()
  }

  #read(log: PartitionLog): void {
    const { partition } = log
    const { first, head } = log.bounds
    const start = this.#next[partition]!
    const hasWork = start < head && this.#shown < this.#host.turnRecords
    if (!hasWork && !this.#untold.delete(partition)) return
    this.#untold.delete(partition)
    this.#partition = partition
    this.#from = start
    this.#first = first
    if (start < first) this.#dropped(first)
    let next = Math.max(start, first)
    while (next < head && this.#shown < this.#host.turnRecords && !this.#closed) {
      this.#from = next
      next = this.#host.reader.read(log, next, head, this.#blocks)
    }
    this.#next[partition] = next
    if (!this.#closed) this.#sink.end(partition, next, { first: this.#first, head })
  }

  #dropped(first: number): void {
    this.#first = first
    this.#sink.lost(this.#partition, this.#from, first - 1, 'retention')
  }

  #damaged(from: number, to: number): void {
    const partition = this.#partition
    this.#host.host.log('error', 'the embedded log has a damaged block; its records are lost', {
      stream: this.stream,
      partition,
      from,
      to,
    })
    this.#sink.lost(partition, from, to, 'corrupt')
  }

  #recreated(info: StreamInfo): void {
    this.#incarnation = info.incarnation
    this.#next = new Array(info.partitions).fill(0)
    this.#untold = new Set(this.#next.keys())
    this.#turn = 0
    this.#sink.recreated(info)
  }

  #grown(info: StreamInfo): void {
    while (this.#next.length < info.partitions) this.#untold.add(this.#next.push(0) - 1)
    this.#sink.grown(info)
  }

  #tell(state: TailState, detail: string): void {
    if (this.#state === state) return
    this.#state = state
    this.#sink.state(state, detail)
  }
}
