import type { Random } from '../../../src/base/random.ts'
import type { PartitionLog } from '../partition-log.ts'

/** What the server says of a log, as of when it looked. */
export interface LogState {
  readonly first: number
  readonly end: number
  readonly messages: number
}

export const stateOf = ({ first, end, entries }: PartitionLog): LogState => ({ first, end, messages: entries.length })

/** Questions that retention may pass behind. */
export type Step = 'info' | 'get' | 'create' | 'next'

/** Refusals: those that pass, and one that the adapter takes for final. */
export const refusals = [
  { code: 503, err_code: 10008, description: 'JetStream system temporarily unavailable' },
  { code: 503, err_code: 10023, description: 'insufficient resources' },
  { code: 400, err_code: 10026, description: 'maximum consumers limit reached' },
  { code: 500, err_code: 10012, description: 'consumer creation failed' },
] as const

/** By which a pull request ends before it has everything. */
const earlyStatuses = ['409 Leadership Change', '409 Consumer Deleted', '408 Request Timeout', '503'] as const

/** Faults that wait for the question that they happen to; each happens once. */
export class ArmedFaults {
  readonly random: Random
  readonly retention = new Map<Step, number>()
  readonly stale = new Map<PartitionLog, LogState>()
  early: { most: number; status: string }[] = []
  refusing = 0
  refusesAll: (typeof refusals)[number] | undefined
  losingAnswers = 0
  /** First messages of the next consumer that get lost on their way. */
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

  /** Retention passes some records behind a question of this kind. */
  after(step: Step, log: PartitionLog, nowMs: number): void {
    const count = this.retention.get(step)
    if (count === undefined || log.first === log.head) return
    this.retention.delete(step)
    log.retain(log.first + count, nowMs)
  }

  /**
   * A server that is behind answers: of another end than the log has now. One that has the same records has lost the same of them to
   * their age, since each server looks for itself.
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
