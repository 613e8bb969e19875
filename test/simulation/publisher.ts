import type { Random } from '../../src/base/random.ts'
import type { Event } from '../../src/wire/frames.ts'
import type { SimBroker } from './broker.ts'
import { contentIn, deletionIn, type Format } from './formats.ts'
import type { LogOwner } from './log-owner.ts'
import type { LogRecord, NewRecord } from './partition-log.ts'
import { partitionOf } from './truth.ts'
import type { VirtualTime } from './virtual-time.ts'

/** What is written to, and by whom. */
interface Written {
  readonly time: VirtualTime
  readonly broker: SimBroker
  readonly owner: LogOwner
}

/** How it is written. */
interface Writing {
  /** Share of the events that have a time to live. */
  readonly ttlShare: number
  readonly format: Format
  /** Where: see `StreamPlan`. */
  readonly by: 'any' | undefined
}

/** All who write to the log. */
export class Publishers {
  readonly #time: VirtualTime
  readonly #broker: SimBroker
  readonly #owner: LogOwner
  readonly #random: Random
  readonly #ttlShare: number
  readonly #format: Format
  readonly #by: 'any' | undefined
  /** Open transactions, oldest first. */
  readonly transactions: number[] = []
  #transaction = 0
  #count = 0

  constructor({ time, broker, owner }: Written, random: Random, { ttlShare, format, by }: Writing) {
    this.#time = time
    this.#broker = broker
    this.#owner = owner
    this.#random = random
    this.#ttlShare = ttlShare
    this.#format = format
    this.#by = by
  }

  /** Undefined while there is no stream to write to, or where the record is stored later. */
  publish(subject: string, transaction?: number): LogRecord | undefined {
    if (this.#broker.missing) return undefined
    return this.#append(this.#place(subject), { ...this.#event(subject), transaction })
  }

  begin(): number {
    this.transactions.push(++this.#transaction)
    return this.#transaction
  }

  /** Ends the oldest transaction in all partitions; false when none is open. */
  finish(committed: boolean): boolean {
    const transaction = this.transactions.shift()
    if (transaction === undefined) return false
    for (const log of this.#broker.current.logs) log.finish(transaction, committed, this.#time.nowMs)
    return true
  }

  /** A record that no gateway can use: no event, another partition than its subject's, a deletion of nothing. */
  unusable(subject: string, partition: number, choice: number): LogRecord | undefined {
    if (this.#broker.missing) return undefined
    const own = this.#place(subject)
    const wrong = this.#event(subject)
    if (choice < 0.3 && own !== partition) return this.#append(partition, wrong)
    if (choice < 0.6) return this.#append(partition, { ...wrong, key: null, value: null, event: undefined })
    // A raw value is an event whatever it is, but not without a key.
    const key = this.#format === 'raw' ? null : wrong.key
    return this.#append(partition, { ...wrong, key, value: Buffer.from('no envelope'), headers: [], event: undefined })
  }

  /** A record of another stream's subject, which no gateway can use here. */
  foreign(subject: string): LogRecord | undefined {
    if (this.#broker.missing) return undefined
    const partition = this.#place(subject)
    return this.#append(partition, { ...this.#event(subject), event: undefined })
  }

  /** A record whose bytes are damaged on disk. */
  damaged(subject: string): LogRecord | undefined {
    if (this.#broker.missing) return undefined
    return this.#append(this.#place(subject), {
      ...this.#event(subject),
      event: undefined,
      damaged: true,
    })
  }

  /** The partition of its hash, or any. */
  #place(subject: string): number {
    const { partitions } = this.#broker
    return this.#by === 'any' ? Math.floor(this.#random.next() * partitions) : partitionOf(subject, partitions)
  }

  #append(partition: number, record: NewRecord): LogRecord | undefined {
    return this.#owner.append(partition, record)
  }

  #event(subject: string): NewRecord {
    const random = this.#random
    const key = Buffer.from(subject)
    const nowUs = this.#broker.process.nowUs()
    const isDeletion = random.next() < 0.05
    const content = isDeletion
      ? deletionIn(this.#format, subject, nowUs)
      : contentIn(this.#format, this.#fields(subject, nowUs), nowUs)
    return { ...content, key, damaged: false, transaction: undefined }
  }

  #fields(subject: string, nowUs: number): Partial<Event> & { subject: string } {
    const random = this.#random
    const id = `e${++this.#count}`
    const size = random.next() < 0.1 ? 600 : 40
    const text = 'x'.repeat(Math.floor(random.next() * size))
    const fields = {
      subject,
      id,
      publishedAtUs: nowUs,
      ttlMs: random.next() < this.#ttlShare ? Math.ceil(random.next() * 4000) : 0,
      collapseKey: random.next() < 0.12 ? (random.next() < 0.5 ? 'k' : 'l') : '',
    }
    const form = random.next()
    if (form < 0.4) return { ...fields, contentType: 'text/plain', data: Buffer.from(`${id} ${text}`) }
    if (form < 0.7)
      return { ...fields, contentType: 'application/json', data: Buffer.from(JSON.stringify({ id, text })) }
    return { ...fields, type: 'binary', data: Buffer.from([0, 255, ...Buffer.from(text)]) }
  }
}
