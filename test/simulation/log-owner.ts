import type { SimBroker } from './broker.ts'
import type { LogRecord, NewRecord, PartitionLog } from './partition-log.ts'
import type { Truth } from './truth.ts'
import type { Verdict } from './verdict.ts'
import type { VirtualTime } from './virtual-time.ts'

/** Writes and administers the log for publishers and operators. */
export interface LogOwner {
  /** Appends a record. undefined = the outcome is not known yet. */
  append(partition: number, record: NewRecord): LogRecord | undefined
  retain(log: PartitionLog, first: number): void
  /** Adds one partition. */
  grow(): void
  /** Deletes the stream and creates it again after `afterMs`. */
  recreate(partitions: number, afterMs: number): void
  /** Creates the stream if it is missing, however long that takes. */
  restore(): void
}

/** The owner for a broker separate from all gateways. Carries out requests at once. */
export class DirectOwner implements LogOwner {
  readonly #time: VirtualTime
  readonly #broker: SimBroker
  readonly #truth: Truth
  readonly #verdict: Verdict

  constructor(time: VirtualTime, broker: SimBroker, truth: Truth, verdict: Verdict) {
    this.#time = time
    this.#broker = broker
    this.#truth = truth
    this.#verdict = verdict
  }

  append(partition: number, record: NewRecord): LogRecord | undefined {
    const written = this.#broker.log(partition).append(record, this.#time.nowMs)
    this.#truth.add(written)
    return written
  }

  retain(log: PartitionLog, first: number): void {
    log.retain(first, this.#time.nowMs)
  }

  grow(): void {
    this.#broker.grow()
  }

  recreate(partitions: number, afterMs: number): void {
    this.#verdict.note(() => `${this.#broker.name} is deleted`)
    this.#broker.delete()
    this.#time.add(this.#broker.process, afterMs, () => {
      if (!this.#broker.missing) return
      this.#verdict.note(() => `${this.#broker.name} is created again, with ${partitions} partitions`)
      this.#broker.create(partitions)
    })
  }

  restore(): void {
    if (this.#broker.missing) this.#broker.create(this.#broker.partitions)
  }
}
