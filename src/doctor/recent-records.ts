import { positionText } from '../base/position-text.ts'
import type { SourceRecord } from '../log/record.ts'
import type { Source, StreamInfo } from '../source/source.ts'

/**
 * Returns why a gateway cannot use a record; undefined = it can. `misplaced`: it is not where the
 * routes look for its subject. Records of one `kind` have one fault; the cause of the last one is
 * the most precise.
 */
export type RecordJudge = (
  record: SourceRecord,
  partitions: number,
) => { readonly misplaced: boolean; readonly kind: string; readonly cause: string } | undefined

/** Sample of the newest records of a stream. */
export interface RecentRecords {
  readonly looked: number
  /** Record time of the newest record, Unix ms. */
  readonly newestMs: number | undefined
  /** Faults of some of the records, the most frequent first. */
  readonly faults: readonly RecordFault[]
  /** Reason why they could not be read. */
  readonly problem?: string
}

export interface RecordFault {
  readonly misplaced: boolean
  readonly cause: string
  readonly count: number
  /** Position of the first of them: `3@1041`. */
  readonly example: string
}

/** Size of the sample: records of each partition, and number of partitions. */
const recordsEach = 200
const mostPartitions = 32
const chunkBytes = 1 << 20
/** Maximum kinds of faults that are distinguished. */
const mostFaults = 16

/** Reads the newest records of each partition. Rejects as Source does. */
export async function readRecent(source: Source, info: StreamInfo, judge: RecordJudge): Promise<RecentRecords> {
  const sample = new Sample(info.partitions, judge)
  const step = Math.ceil(info.partitions / mostPartitions)
  for (let partition = 0; partition < info.partitions; partition += step) {
    const { first, head } = await source.offsets(info, partition)
    let at = Math.max(first, head - recordsEach)
    while (at < head) {
      const { next } = await source.range(info, { partition, from: at, to: head, maxBytes: chunkBytes }, sample)
      if (next <= at) break
      at = next
    }
  }
  return sample.result()
}

class Sample {
  #looked = 0
  #newestMs: number | undefined
  readonly #faults = new Map<string, RecordFault>()
  readonly #partitions: number
  readonly #judge: RecordJudge

  constructor(partitions: number, judge: RecordJudge) {
    this.#partitions = partitions
    this.#judge = judge
  }

  record(record: SourceRecord): void {
    this.#looked++
    this.#newestMs = Math.max(this.#newestMs ?? 0, record.timeMs)
    const fault = this.#judge(record, this.#partitions)
    if (fault === undefined) return
    const { kind, misplaced, cause } = fault
    const known = this.#faults.get(kind)
    const example = positionText(record.partition, record.offset)
    if (known !== undefined) this.#faults.set(kind, { ...known, cause, count: known.count + 1 })
    else if (this.#faults.size < mostFaults) this.#faults.set(kind, { misplaced, cause, count: 1, example })
  }

  lost(): void {}

  result(): RecentRecords {
    const faults = [...this.#faults.values()].sort((a, b) => b.count - a.count)
    return { looked: this.#looked, newestMs: this.#newestMs, faults }
  }
}
