import type { Batch, StoredBounds } from '../../../src/source/embedded/batch.ts'
import { blockHeaderBytes, readHeader } from '../../../src/source/embedded/block.ts'
import type { EmbeddedOptions } from '../../../src/source/embedded/options.ts'
import { StoredRecord } from '../../../src/source/embedded/record.ts'
import type { Ack, StreamInfo } from '../../../src/source/source.ts'
import { streamName } from '../broker.ts'
import type { LogRecord, NewRecord, PartitionLog } from '../partition-log.ts'
import type { ClusterSurroundings } from '../simulated-source.ts'
import type { Process } from '../virtual-time.ts'
import { blocksOf, boundsOf, type Image, streamOf } from './image.ts'

/** One record on its way into the log. */
export interface Submission {
  readonly stream: StreamInfo
  readonly partition: number
  readonly record: NewRecord
  /** What its process's wall clock said, Unix ms. */
  readonly timeMs: number
  readonly by: Process
  stored: LogRecord | undefined
  answer: 'stored' | 'refused' | undefined
}

/** A block as it was written, whatever became of its bytes. */
interface WrittenBlock {
  readonly base: number
  readonly end: number
  readonly bytes: number
  readonly lastMs: number
  isDamaged: boolean
}

/** What is durable is the truth: it is read from committed batches, and held against what was published and what retention may drop. */
export class DurableLog {
  readonly #surroundings: ClusterSurroundings
  readonly #options: EmbeddedOptions
  /** In the order in which the adapter was given them. */
  #submitted: Submission[] = []
  #id: number
  readonly #blocks = new Map<PartitionLog, WrittenBlock[]>()
  /** Below what somebody asked to have dropped. */
  readonly #asked = new Map<PartitionLog, number>()
  /** Bytes of damaged blocks that were dropped: what was missing of them counts until a partition is empty. */
  readonly #ghosts = new Map<PartitionLog, number>()
  readonly #view = new StoredRecord()

  constructor(surroundings: ClusterSurroundings, options: EmbeddedOptions, id: number) {
    this.#surroundings = surroundings
    this.#options = options
    this.#id = id
  }

  // Who publishes

  submit(submission: Submission): void {
    this.#submitted.push(submission)
  }

  acknowledged(submissions: readonly Submission[], acks: readonly Ack[]): void {
    for (const [i, submission] of submissions.entries()) {
      const { stored, partition, stream } = submission
      const ack = acks[i]
      submission.answer = 'stored'
      if (stored === undefined) this.#broken(`acknowledged @${ack?.partition}/${ack?.offset}, which is not durable`)
      else if (ack?.partition !== partition || ack.offset !== stored.offset)
        this.#broken(`acknowledged @${ack?.partition}/${ack?.offset}, but it is @${partition}/${stored.offset}`)
      else if (this.#surroundings.broker.incarnations[stored.incarnation]!.id !== stream.incarnation)
        this.#broken(`acknowledged @${ack.partition}/${ack.offset} of another stream`)
    }
  }

  refused(submissions: readonly Submission[], code: string): void {
    for (const submission of submissions) {
      const { stored } = submission
      submission.answer = 'refused'
      if (stored !== undefined)
        this.#broken(`refused @${stored.partition}/${stored.offset} (${code}), which is durable`)
    }
  }

  askedToDrop(log: PartitionLog, first: number): void {
    this.#asked.set(log, Math.max(first, this.#asked.get(log) ?? 0))
  }

  // What is committed

  committed(batch: Batch, by: Process): void {
    this.#streamFact(batch)
    for (const { id, partition, base, block } of batch.blocks) {
      if (block === null) continue
      if (id === this.#id && !this.#surroundings.broker.missing) this.#put(partition, base, block, by)
      else this.#broken(`wrote a block of stream ${id}, which is gone`)
    }
    for (const [key, value] of batch.facts) {
      const [, id, partition] = /^bounds\/(\d+)\/(\d+)$/.exec(key) ?? []
      if (Number(id) === this.#id && value !== undefined) this.#bound(Number(partition), value as StoredBounds, by)
    }
  }

  /** What lay there can't be read any more. */
  damaged(log: PartitionLog, base: number): void {
    const block = this.#blocks.get(log)?.find((each) => each.base === base)
    if (block === undefined) return
    block.isDamaged = true
    log.spoil(block.base, block.end, this.#surroundings.time.nowMs)
  }

  /** What should have been done once all is quiet, by a process that had time. */
  unfinished(image: Image, by: Process): string | undefined {
    const waiting = this.#submitted.find((each) => each.by === by && each.answer === undefined)
    if (waiting !== undefined) return `a record for partition ${waiting.partition} was neither stored nor refused`
    const stream = streamOf(image)
    if (stream === undefined) return 'there is no stream'
    const others = [...image.blocks.keys()].filter((key) => !key.startsWith(`${stream.id}/`))
    if (others.length > 0) return `blocks of deleted streams are left: ${others.join(', ')}`
    const facts = [...image.facts.keys()].filter((key) => {
      return key.startsWith('doomed/') || (key.startsWith('bounds/') && !key.startsWith(`bounds/${stream.id}/`))
    })
    if (facts.length > 0) return `facts of deleted streams are left: ${facts.join(', ')}`
    for (const log of this.#surroundings.broker.current.logs) {
      const left = this.#overdue(log, image, by)
      if (left !== undefined) return `partition ${log.partition}: ${left}`
    }
    return undefined
  }

  #streamFact({ facts }: Batch): void {
    const { broker, verdict } = this.#surroundings
    const key = `stream/${streamName}`
    if (!facts.has(key)) return
    const stored = facts.get(key) as { id: number; incarnation: string; partitions: number } | undefined
    if (stored === undefined) {
      verdict.note(() => 'the stream is deleted')
      broker.delete()
      return
    }
    if (broker.missing) {
      verdict.note(() => `the stream is created again, with ${stored.partitions} partitions`)
      broker.create(stored.partitions)
      if (stored.id <= this.#id) this.#broken(`stream ${stored.id} was there before`)
      this.#id = stored.id
    }
    if (stored.id !== this.#id || stored.incarnation !== broker.current.id) this.#broken('two streams have one name')
    while (broker.partitions < stored.partitions) broker.grow()
  }

  #put(partition: number, base: number, block: Buffer, by: Process): void {
    const { broker } = this.#surroundings
    const log = broker.current.logs[partition]
    const header = readHeader(block, base)
    if (log === undefined || header === undefined) {
      this.#broken(`wrote what is no block of ${partition}`)
      return
    }
    if (base !== log.end) {
      this.#broken(`wrote offset ${base} of partition ${partition} behind ${log.end - 1}`)
      return
    }
    let at = blockHeaderBytes
    for (let i = 0; i < header.count; i++) {
      at = this.#view.read(block, at, header.firstMs)
      this.#append(log, by)
    }
    if (at !== block.length) this.#broken(`block ${partition}@${base} is longer than its records`)
    const { lastMs } = header
    const blocks = this.#blocks.get(log) ?? []
    this.#blocks.set(log, blocks)
    blocks.push({ base, end: log.end, bytes: block.length, lastMs, isDamaged: false })
    if (lastMs !== log.past.at(-1)?.timeMs) this.#broken(`block ${partition}@${base} says ${lastMs} of its last record`)
  }

  #append(log: PartitionLog, by: Process): void {
    const { broker, time, truth, verdict } = this.#surroundings
    const { timeMs } = this.#view
    const next = this.#submitted.find((each) => {
      if (each.by !== by || each.stored !== undefined || each.answer !== undefined) return false
      return each.partition === log.partition && each.stream.incarnation === broker.current.id
    })
    if (next === undefined || !isSame(this.#view, next.record)) {
      this.#broken(`stored @${log.partition}/${log.end}, which is not what was published next`)
      return
    }
    const expectedMs = Math.max(next.timeMs, log.past.at(-1)?.timeMs ?? 0)
    if (timeMs !== expectedMs) this.#broken(`stored @${log.partition}/${log.end} of ${timeMs}, not of ${expectedMs}`)
    const stored = log.append({ ...next.record, timeMs }, time.nowMs)
    next.stored = stored
    truth.add(stored)
    verdict.note(() => `stored ${stored.event?.subject} "${stored.event?.id}" @${stored.partition}/${stored.offset}`)
  }

  #bound(partition: number, { first, head, base }: StoredBounds, by: Process): void {
    const { broker, time, verdict } = this.#surroundings
    const log = broker.current.logs[partition]
    if (log === undefined) {
      this.#broken(`has bounds of partition ${partition}`)
      return
    }
    if (head !== log.end) this.#broken(`partition ${partition} ends at ${log.end}, and is said to end at ${head}`)
    if (first < log.first || first > head || base > first) this.#broken(`partition ${partition} begins at ${first}`)
    if (base === head) this.#ghosts.delete(log)
    if (first === log.first) return
    const fault = this.#dropFault(log, first, by)
    if (fault !== undefined) this.#broken(`partition ${partition} begins at ${first}: ${fault}`)
    verdict.note(() => `partition ${partition} begins at ${first}`)
    log.retain(first, time.nowMs)
  }

  /** Why nothing justifies that the log begins there. */
  #dropFault(log: PartitionLog, first: number, { clockMs }: Process): string | undefined {
    const { retentionBytes, retentionMs } = this.#options
    const asked = this.#asked.get(log) ?? 0
    const blocks = this.#blocks.get(log) ?? []
    for (const [i, { base, end, bytes, lastMs, isDamaged }] of blocks.entries()) {
      if (isDamaged && end > log.first && end <= first) this.#ghosts.set(log, bytes + (this.#ghosts.get(log) ?? 0))
      if (end <= Math.max(log.first, asked) || base >= first || first <= asked) continue
      // Nobody knows how old what is damaged is: as new as the newest.
      const newestMs = isDamaged ? Math.min(lastMs, blocks.at(-1)!.lastMs) : lastMs
      if (newestMs < clockMs.most - retentionMs) continue
      const kept = blocks.slice(i).reduce((sum, { bytes }) => sum + bytes, this.#ghosts.get(log) ?? 0)
      if (kept <= retentionBytes) return `${base} is young, and ${kept} bytes of ${retentionBytes} are there from it on`
      if (end === log.end) return `${base} is the newest, and young`
    }
    return undefined
  }

  #overdue(log: PartitionLog, image: Image, by: Process): string | undefined {
    const { retentionBytes, retentionMs, sweepIntervalMs } = this.#options
    const blocks = blocksOf(image, this.#id, log.partition)
    const written = this.#blocks.get(log) ?? []
    const [oldest] = blocks
    if (oldest === undefined) return undefined
    const { end, lastMs, isDamaged } = written.find(({ base }) => base === oldest.base)!
    // One that is damaged does not say where it ends: it may reach up to the next that is there.
    const mayEnd = isDamaged ? (blocks[1]?.base ?? log.end) : end
    if (mayEnd <= log.first) return `block ${oldest.base} is left below ${log.first}`
    const bytes = blocks.reduce((sum, each) => sum + each.bytes.length, 0)
    if (bytes > retentionBytes && blocks.length > 1) return `${bytes} bytes are left of ${retentionBytes}`
    const bounds = boundsOf(image, this.#id, log.partition)
    const isWhole = !written.some((each) => each.isDamaged)
    if (isWhole && bounds?.bytes !== bytes) return `${bytes} bytes are there, and ${bounds?.bytes} are said to be`
    const dueMs = lastMs + retentionMs + 3 * sweepIntervalMs + 1000
    return !isDamaged && by.nowUs() / 1000 > dueMs ? `block ${oldest.base} is too old` : undefined
  }

  #broken(what: string): void {
    this.#surroundings.verdict.broken('log', `the embedded log ${what}`)
  }
}

function isSame(view: StoredRecord, { key, value }: NewRecord): boolean {
  return (
    isBytes(view.buffer, view.keyStart, view.keyEnd, key) && isBytes(view.buffer, view.valueStart, view.valueEnd, value)
  )
}

function isBytes(buffer: Buffer, start: number, end: number, expected: Buffer | null): boolean {
  return expected === null ? start < 0 : start >= 0 && expected.equals(buffer.subarray(start, end))
}
