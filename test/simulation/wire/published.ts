import type { Ack, StreamInfo } from '../../../src/source/source.ts'
import type { LogRecord, NewRecord } from '../partition-log.ts'
import type { ClusterSurroundings } from '../simulated-source.ts'
import type { Process } from '../virtual-time.ts'

/** A place where a record was written, and the batch [base, end) that contains it. */
interface Place {
  readonly record: LogRecord
  readonly base: number
  readonly end: number
  /** The position in the order of all writes. */
  readonly n: number
}

/** One record that an adapter publishes. */
export interface Submission {
  /** The position in the order of publishing. */
  readonly n: number
  readonly stream: StreamInfo
  readonly partition: number
  readonly record: NewRecord
  readonly by: Process
  /** All writes of the record: one, unless a rewrite removed it. */
  readonly places: Place[]
  answer: 'stored' | 'refused' | undefined
}

/** Codes of refusals after which a record was never sent. */
const unsent: ReadonlySet<string> = new Set(['overloaded', 'bad_request'])

/**
 * Compares what adapters were asked to publish with what brokers received and with the outcomes
 * that the adapters reported.
 */
export class Published {
  readonly #surroundings: Pick<ClusterSurroundings, 'broker' | 'verdict'>
  readonly #ordersCalls: boolean
  readonly #submitted: Submission[] = []
  /** By value, which is unique to each event. */
  readonly #byValue = new Map<string, Submission>()
  #written = 0

  /** `ordersCalls`: later records follow earlier ones, even those of different calls. */
  constructor(surroundings: Pick<ClusterSurroundings, 'broker' | 'verdict'>, ordersCalls: boolean) {
    this.#surroundings = surroundings
    this.#ordersCalls = ordersCalls
  }

  submit(stream: StreamInfo, by: Process, all: readonly (readonly [number, NewRecord])[]): Submission[] {
    const first = this.#submitted.length
    const submissions = all.map(([partition, record], i): Submission => {
      return { n: first + i, stream, partition, record, by, places: [], answer: undefined }
    })
    for (const each of submissions) this.#byValue.set(keyOf(each.record.value!), each)
    this.#submitted.push(...submissions)
    return submissions
  }

  /** Returns the submission of a record that a broker received; undefined = none. */
  sent(partition: number, key: Buffer | null, value: Buffer | null): Submission | undefined {
    const found = value === null ? undefined : this.#byValue.get(keyOf(value))
    const isSame = found?.partition === partition && key !== null && found.record.key?.equals(key) === true
    if (!isSame) this.#broken(`sent a record for partition ${partition} that nobody published`)
    return isSame ? found : undefined
  }

  /** Notes that the broker wrote the batch [base, end) with this record. */
  written(submission: Submission, record: LogRecord, base: number, end: number): void {
    const at = `@${record.partition}/${record.offset}`
    const before = submission.places.at(-1)
    const isAgain = before?.record.incarnation === record.incarnation && !this.#isLost(before)
    if (isAgain) this.#broken(`wrote ${before.record.offset} again ${at}`)
    const ahead = before === undefined && this.#ordersCalls ? this.#ahead(submission) : undefined
    if (ahead !== undefined)
      this.#broken(`wrote "${submission.record.event?.id}" ${at} before "${ahead.record.event?.id}"`)
    submission.places.push({ record, base, end, n: ++this.#written })
  }

  acknowledged(submissions: readonly Submission[], acks: readonly Ack[]): void {
    /** By partition: the position of the last acknowledged record of the call. */
    const last = new Map<number, number>()
    for (const [i, submission] of submissions.entries()) {
      const { partition, offset } = acks[i]!
      submission.answer = 'stored'
      const place = submission.places.find(({ record }) => record.partition === partition && record.offset === offset)
      const what = `acknowledged "${submission.record.event?.id}" @${partition}/${offset}`
      if (place === undefined) this.#broken(`${what}, where it was never written`)
      else if (place.n < (last.get(partition) ?? 0))
        this.#broken(`${what}, which is before an earlier record of the call`)
      last.set(partition, place?.n ?? 0)
    }
  }

  refused(submissions: readonly Submission[], code: string): void {
    for (const submission of submissions) {
      submission.answer = 'refused'
      if (submission.places.length > 0 && unsent.has(code)) this.#broken(`refused as ${code} what it sent`)
    }
  }

  /** Describes a submission of a running process that was never answered. */
  unfinished(): string | undefined {
    const waiting = this.#submitted.find(({ by, answer }) => !by.dead && answer === undefined)
    return waiting && `"${waiting.record.event?.id}" for partition ${waiting.partition} was neither stored nor refused`
  }

  /**
   * Finds an earlier submission to the same adapter for the same partition that is still in
   * progress.
   */
  #ahead({ n, by, partition, stream }: Submission): Submission | undefined {
    // An outdated broker may report the stream that existed before. Adapters begin again each
    // time the stream changes.
    if (this.#surroundings.broker.incarnations.length > 1) return undefined
    return this.#submitted.slice(0, n).find((each) => {
      const isOpen = each.answer === undefined && each.places.length === 0
      const isBeside = each.by === by && each.partition === partition
      return isOpen && isBeside && each.stream.incarnation === stream.incarnation
    })
  }

  /**
   * Whether a rewrite removed the record, or cut through its batch, which removes the sequence
   * numbers. A real rewrite never cuts through a batch.
   */
  #isLost({ record: { gone, incarnation, partition, writtenMs }, base, end }: Place): boolean {
    if (gone === 'rewritten') return true
    const { rewrites } = this.#surroundings.broker.incarnations[incarnation]!.logs[partition]!
    return rewrites.some(({ from, atMs }) => atMs >= writtenMs && from > base && from < end)
  }

  #broken(what: string): void {
    this.#surroundings.verdict.broken('log', `the adapter ${what}`)
  }
}

const keyOf = (value: Uint8Array): string => Buffer.from(value).toString('latin1')
