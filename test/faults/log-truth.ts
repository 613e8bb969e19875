import type { SourceRecord } from '../../src/log/record.ts'
import type { Source, StreamInfo } from '../../src/source/source.ts'
import { decodeEvent } from '../../src/wire/envelope.ts'
import type { Event } from '../../src/wire/frames.ts'
import { decodeToken, isSameLog, logOf } from '../../src/wire/token.ts'
import type { Growth, Incarnation } from '../simulation/broker.ts'
import { type LogRecord, PartitionLog } from '../simulation/partition-log.ts'
import { Truth } from '../simulation/truth.ts'
import { digestOf, type Line } from './story-file.ts'

const chunkBytes = 4 * 1024 * 1024

/** The log of a real broker, read to its end, as what its clients are held against. */
export class LogTruth {
  readonly truth: Truth
  records = 0
  /** What clients were given that is not in the log any more. */
  rewritten = 0
  readonly #incarnation: Incarnation
  readonly #byDigest = new Map<string, LogRecord>()
  /** By place and digest: given to somebody, and not in the log. */
  readonly #vanished = new Map<string, LogRecord>()

  private constructor(source: Source, info: StreamInfo, growths: Growth[]) {
    const logs = Array.from({ length: info.partitions }, (_, p) => new PartitionLog(0, p, source.firstOffset))
    const log = logOf(info.name, info.incarnation)
    const never = Number.POSITIVE_INFINITY
    this.#incarnation = { index: 0, stream: info.name, id: info.incarnation, ...log, logs, growths, deletedMs: never }
    this.truth = new Truth({
      incarnations: [this.#incarnation],
      current: this.#incarnation,
      generations: source.generations,
      // No rewrites are known of it that could be forgotten.
      forgetsRewrites: false,
      firstOffset: source.firstOffset,
      byLog: (asked) => (isSameLog(asked, log) ? this.#incarnation : undefined),
    })
  }

  static async read(source: Source, info: StreamInfo, growths: Growth[]): Promise<LogTruth> {
    const read = new LogTruth(source, info, growths)
    for (const log of read.#incarnation.logs) await read.#readLog(source, info, log)
    return read
  }

  /** The event that a client was given there; undefined where the log never had it. */
  event(partition: number, offset: number, digest: number): Event | undefined {
    const key = keyOf(partition, offset, digest)
    return (this.#byDigest.get(key) ?? this.#vanished.get(key))?.event
  }

  /** Looks for what was given and is not in the log: `published`, all events by their digest. */
  witness(line: Line, published: ReadonlyMap<number, Event>): void {
    if (line[2] !== 'delivery') return
    const [, atMs, , , partition, offset, after, digest] = line
    const key = keyOf(partition, offset, digest)
    if (this.#byDigest.has(key) || this.#vanished.has(key)) return
    const event = published.get(digest)
    if (event === undefined || after === '') return
    const position = decodeToken(after).find((each) => each.partition === partition)
    const record = recordOf(event, { partition, offset }, atMs, 0)
    this.#vanished.set(key, { ...record, timeMs: position?.generation ?? -1, gone: 'rewritten' })
  }

  /** Where logs came back shorter at these times, Unix ms: what vanished before was rewritten, the rest is of later epochs. */
  rewrite(atMs: readonly number[]): void {
    const vanished = [...this.#vanished.values()]
    this.rewritten = vanished.length
    for (const log of this.#incarnation.logs) {
      const here = vanished.filter(({ partition }) => partition === log.partition)
      if (here.length === 0) continue
      for (const [i, endMs] of atMs.entries()) {
        const lost = here.filter(({ writtenMs }) => writtenMs <= endMs && writtenMs > (atMs[i - 1] ?? 0))
        if (lost.length === 0) continue
        log.epoch++
        const offsets = lost.map(({ offset }) => offset)
        const from = Math.min(...offsets)
        log.rewrites.push({ epoch: log.epoch, from, head: Math.max(...offsets) + 1, atMs: endMs })
      }
      const all = [...log.past, ...here].map((record) => {
        return { ...record, epoch: log.rewrites.filter((rewrite) => rewrite.atMs < record.writtenMs).length }
      })
      log.past.splice(0, log.past.length, ...all.sort((a, b) => a.epoch - b.epoch || a.offset - b.offset))
    }
    for (const log of this.#incarnation.logs) for (const record of log.past) this.truth.add(record)
  }

  async #readLog(source: Source, info: StreamInfo, log: PartitionLog): Promise<void> {
    const { first, head } = await source.offsets(info, log.partition)
    log.first = first
    log.end = head
    const sink = {
      record: (record: SourceRecord) => {
        const { buffer, valueStart, valueEnd, partition, offset, timeMs, generation: epoch } = record
        const event = decodeEvent(Buffer.from(buffer.subarray(valueStart, valueEnd)))
        const generation = source.generations === 'ranges' ? epoch : 0
        const read = recordOf(event, { partition, offset }, timeMs, generation)
        log.past.push(read)
        log.epoch = Math.max(log.epoch, generation)
        this.#byDigest.set(keyOf(partition, offset, digestOf(event)), read)
        this.records++
      },
      lost: (from: number, to: number) => {
        throw new Error(`partition ${log.partition} is damaged from ${from} to ${to}`)
      },
    }
    for (let next = first; next < head; ) {
      const chunk = { partition: log.partition, from: next, to: head, maxBytes: chunkBytes }
      next = (await source.range(info, chunk, sink)).next
    }
  }
}

interface Place {
  readonly partition: number
  readonly offset: number
}

const keyOf = (partition: number, offset: number, digest: number) => `${partition}/${offset}/${digest}`

function recordOf(event: Event, { partition, offset }: Place, writtenMs: number, epoch: number): LogRecord {
  return {
    incarnation: 0,
    partition,
    offset,
    epoch,
    timeMs: writtenMs,
    key: null,
    value: null,
    event,
    damaged: false,
    transaction: undefined,
    hidden: false,
    writtenMs,
    seenMs: 0,
    spoiledMs: Number.POSITIVE_INFINITY,
    gone: undefined,
    goneMs: Number.POSITIVE_INFINITY,
  }
}
