import type { Ack, StreamInfo } from '../../../src/source/source.ts'
import type { LogRecord, NewRecord } from '../partition-log.ts'
import type { ClusterSurroundings } from '../simulated-source.ts'
import type { Process } from '../virtual-time.ts'

/** Where a record was written, and with which others in one batch. */
interface Place {
  readonly record: LogRecord
  readonly base: number
  readonly end: number
  /** Of all that was written, which it was. */
  readonly n: number
}

/** One record on its way through an adapter into the log. */
export interface Submission {
  /** Its place in the order in which adapters were given them. */
  readonly n: number
  readonly stream: StreamInfo
  readonly partition: number
  readonly record: NewRecord
  readonly by: Process
  /** Each time that it was written: once, unless a rewrite took it. */
  readonly places: Place[]
  answer: 'stored' | 'refused' | undefined
}

/** Refused with these, a record was never sent. */
const unsent: ReadonlySet<string> = new Set(['overloaded', 'bad_request'])

/** What adapters were given to publish, held against what brokers were sent and what the adapters say became of it. */
export class Published {
  readonly #surroundings: Pick<ClusterSurroundings, 'broker' | 'verdict'>
  readonly #ordersCalls: boolean
  readonly #submitted: Submission[] = []
  /** By value: no two events have the same. */
  readonly #byValue = new Map<string, Submission>()
  #written = 0

  /** `ordersCalls`: what is published later comes behind, also of different calls. */
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

  /** Whose bytes a broker was sent; undefined = nobody's. */
  sent(partition: number, key: Buffer | null, value: Buffer | null): Submission | undefined {
    const found = value === null ? undefined : this.#byValue.get(keyOf(value))
    const isSame = found?.partition === partition && key !== null && found.record.key?.equals(key) === true
    if (!isSame) this.#broken(`sent a record for partition ${partition} that nobody published`)
    return isSame ? found : undefined
  }

  /** The broker has written the batch [base, end), this record among others. */
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
    /** By partition, of the call's records so far. */
    const last = new Map<number, number>()
    for (const [i, submission] of submissions.entries()) {
      const { partition, offset } = acks[i]!
      submission.answer = 'stored'
      const place = submission.places.find(({ record }) => record.partition === partition && record.offset === offset)
      const what = `acknowledged "${submission.record.event?.id}" @${partition}/${offset}`
      if (place === undefined) this.#broken(`${what}, where it never was`)
      else if (place.n < (last.get(partition) ?? 0)) this.#broken(`${what}, where it is ahead of one before it`)
      last.set(partition, place?.n ?? 0)
    }
  }

  refused(submissions: readonly Submission[], code: string): void {
    for (const submission of submissions) {
      submission.answer = 'refused'
      if (submission.places.length > 0 && unsent.has(code)) this.#broken(`refused as ${code} what it sent`)
    }
  }

  /** What a process that is still there was given, and never answered. */
  unfinished(): string | undefined {
    const waiting = this.#submitted.find(({ by, answer }) => !by.dead && answer === undefined)
    return waiting && `"${waiting.record.event?.id}" for partition ${waiting.partition} was neither stored nor refused`
  }

  /** Given to the same adapter for the same partition before that one, and on its way still. */
  #ahead({ n, by, partition, stream }: Submission): Submission | undefined {
    // A broker that is behind may name the stream that was there before, and each time that it changes adapters begin anew.
    if (this.#surroundings.broker.incarnations.length > 1) return undefined
    return this.#submitted.slice(0, n).find((each) => {
      const isOpen = each.answer === undefined && each.places.length === 0
      const isBeside = each.by === by && each.partition === partition
      return isOpen && isBeside && each.stream.incarnation === stream.incarnation
    })
  }

  /** A rewrite took it, or cut through its batch, whose sequence numbers went with that: no real one does. */
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
