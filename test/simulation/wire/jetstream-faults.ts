import type { Random } from '../../../src/base/random.ts'
import type { PartitionLog } from '../partition-log.ts'

/** The bounds of a log as a server reports them. */
export interface LogState {
  readonly first: number
  readonly end: number
  readonly messages: number
}

export const stateOf = ({ first, end, entries }: PartitionLog): LogState => ({ first, end, messages: entries.length })

/** Requests during which retention may run, after the answer was determined. */
export type Step = 'info' | 'get' | 'create' | 'next'

/** Refusals: transient ones, and one that the adapter treats as permanent. */
export const refusals = [
  { code: 503, err_code: 10008, description: 'JetStream system temporarily unavailable' },
  { code: 503, err_code: 10023, description: 'insufficient resources' },
  { code: 400, err_code: 10026, description: 'maximum consumers limit reached' },
  { code: 500, err_code: 10012, description: 'consumer creation failed' },
] as const

/** Statuses with which a pull request ends early. */
const earlyStatuses = ['409 Leadership Change', '409 Consumer Deleted', '408 Request Timeout', '503'] as const

/** Faults that wait for a matching request. Each occurs once. */
export class ArmedFaults {
  readonly random: Random
  readonly retention = new Map<Step, number>()
  readonly stale = new Map<PartitionLog, LogState>()
  early: { most: number; status: string }[] = []
  refusing = 0
  refusesAll: (typeof refusals)[number] | undefined
  losingAnswers = 0
  /** Number of the first messages of the next consumer to lose in transit. */
  losing = 0

  constructor(random: Random) {
    this.random = random
  }

  heal(): void {
    this.retention.clear()
    this.stale.clear()
    this.early = []
    this.refusing = 0
    this.losingAnswers = 0
    this.losing = 0
  }

  endEarly(times: number): void {
    for (let i = 0; i < times; i++) {
      const status = earlyStatuses[Math.floor(this.random.next() * earlyStatuses.length)]!
      this.early.push({ most: Math.floor(this.random.next() ** 2 * 4), status })
    }
  }

  /** Lets retention remove records after a request of this kind. */
  after(step: Step, log: PartitionLog, nowMs: number): void {
    const count = this.retention.get(step)
    if (count === undefined || log.first === log.head) return
    this.retention.delete(step)
    log.retain(log.first + count, nowMs)
  }

  /**
   * Returns the bounds of the log, possibly those of an outdated server, whose end differs from
   * the current one. A server with the same end has also removed the same records by age, since
   * each server applies retention itself.
   */
  state(log: PartitionLog): LogState {
    const now = stateOf(log)
    const stale = this.stale.get(log)
    if (stale === undefined || stale.end === now.end) return now
    this.stale.delete(log)
    return stale
  }

  refusal(): (typeof refusals)[number] | undefined {
    if (this.refusesAll !== undefined) return this.refusesAll
    if (this.refusing === 0) return undefined
    this.refusing--
    return refusals[Math.floor(this.random.next() * refusals.length)]
  }

  takeEarly(): { most: number; status: string } | undefined {
    return this.early.shift()
  }

  takeLosing(): number {
    const { losing } = this
    this.losing = 0
    return losing
  }

  losesAnswer(): boolean {
    if (this.losingAnswers === 0) return false
    this.losingAnswers--
    return true
  }
}
