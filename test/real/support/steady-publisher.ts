import type { Source, StreamInfo } from '../../../src/source/source.ts'
import { Flow } from '../../support/flow.ts'
import { patienceMs } from '../../support/gateway-process.ts'
import { envelope } from './publish.ts'
import { longestSilence } from './silence.ts'

/** An event that was handed to the broker, and what is known of it. */
export interface SteadyEvent {
  readonly subject: string
  /** Unlike that of any other event: `SUBJECT NUMBER`. */
  readonly data: string
  /** Counts the subject's events from 0. */
  readonly number: number
  readonly partition: number
  /** Which of the stream's logs it was meant for: 0, and one more with each re-creation. */
  readonly log: number
  readonly atMs: number
  /** `acknowledged`: the broker has it. `unknown`: the call was rejected, so it may have it or not. */
  fate: 'waiting' | 'acknowledged' | 'unknown'
  offset: number
  /** When it was acknowledged, monotonic ms; 0 = it was not. */
  acknowledgedAtMs: number
}

/** Events a second, over all subjects in turn. */
export const steadyRate = 200

/** Each event is a call of `Source.publish`, none ever repeated by it. */
export class SteadyPublisher extends Flow {
  readonly events: SteadyEvent[] = []
  /** When the last new partition count was adopted, monotonic ms; 0 = never. */
  grownAtMs = 0
  readonly #subjects: readonly string[]
  readonly #incarnations: string[] = []
  #waiting = 0

  constructor(source: Source, topic: string, subjects: readonly string[]) {
    super({ source, topic, rate: steadyRate, patienceMs: 2 * patienceMs, maxWaiting: 10_000 })
    this.#subjects = subjects
  }

  /** The longest time between two acknowledgements of one subject, from `fromMs` to `toMs`. */
  longestSilenceMs(fromMs: number, toMs: number): number {
    const acknowledged = this.events.filter(({ fate }) => fate === 'acknowledged')
    const times = acknowledged.map(({ subject, acknowledgedAtMs }) => [subject, acknowledgedAtMs] as const)
    return longestSilence(
      times.sort((a, b) => a[1] - b[1]),
      fromMs,
      toMs,
    )
  }

  protected override get waiting(): number {
    return this.#waiting
  }

  protected override async publish(index: number): Promise<void> {
    const { info } = this
    const subject = this.#subjects[index % this.#subjects.length]!
    const number = Math.floor(index / this.#subjects.length)
    const partition = this.place(subject, info.partitions)
    const log = this.#incarnations.indexOf(info.incarnation)
    const data = `${subject} ${number}`
    const atMs = performance.now()
    const unsettled = { fate: 'waiting', offset: -1, acknowledgedAtMs: 0 } as const
    const event: SteadyEvent = { subject, data, number, partition, log, atMs, ...unsettled }
    this.events.push(event)
    this.#waiting++
    try {
      const record = { partition, key: Buffer.from(subject), value: envelope(subject, data) }
      event.offset = (await this.source.publish(info, [record]))[0]!.offset
      event.fate = 'acknowledged'
      event.acknowledgedAtMs = performance.now()
    } catch (error) {
      event.fate = 'unknown'
      if (this.rejected(error) === 'stream_missing') await this.refresh().catch(() => {})
    } finally {
      this.#waiting--
    }
  }

  protected override adopts(info: StreamInfo, before: StreamInfo | undefined): boolean {
    if (!this.#incarnations.includes(info.incarnation)) this.#incarnations.push(info.incarnation)
    // What a broker that lags says of a log that was replaced.
    else if (before?.incarnation !== info.incarnation) return false
    else if (info.partitions > before.partitions) this.grownAtMs = performance.now()
    return true
  }
}
