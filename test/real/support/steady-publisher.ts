import { toCarillonError } from '../../../src/base/errors.ts'
import { RoutingTable } from '../../../src/routing/table.ts'
import type { Source, StreamInfo } from '../../../src/source/source.ts'
import { patienceMs } from '../../support/gateway-process.ts'
import { until } from '../../support/until.ts'
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
const tickMs = 10
/** How often a publisher looks for more partitions, ms; a Java producer does so every five minutes. */
const refreshMs = 500
/** Events without an answer, at most: beyond that the flow pauses. */
const maxWaiting = 10_000

/**
 * A publisher of its own, beside the gateways: the same number of events a second straight to the broker, each a call of
 * `Source.publish`, none ever repeated by it.
 */
export class SteadyPublisher {
  readonly events: SteadyEvent[] = []
  /** Codes and messages of rejections, and how often each came. */
  readonly problems = new Map<string, number>()
  /** When the last new partition count was adopted, monotonic ms; 0 = never. */
  grownAtMs = 0
  readonly #source: Source
  readonly #topic: string
  readonly #subjects: readonly string[]
  readonly #routing: RoutingTable
  readonly #incarnations: string[] = []
  #info: StreamInfo | undefined
  #waiting = 0
  #sent = 0
  #startedMs = 0
  #timer: NodeJS.Timeout | undefined
  #refresher: NodeJS.Timeout | undefined

  constructor(source: Source, topic: string, subjects: readonly string[]) {
    this.#source = source
    this.#topic = topic
    this.#subjects = subjects
    this.#routing = new RoutingTable([{ subjects: '>', stream: topic, by: { hash: 'java' } }])
  }

  /** The stream as the publisher sees it. */
  get info(): StreamInfo {
    return this.#info!
  }

  async start(): Promise<void> {
    await until(`${this.#topic} is there`, patienceMs, () => this.#refresh())
    this.#startedMs = performance.now()
    this.#timer = setInterval(() => this.#tick(), tickMs)
    this.#refresher = setInterval(() => void this.#refresh().catch(() => {}), refreshMs)
  }

  /** Ends the flow; resolves once the fate of each event is as known as it will be. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    clearInterval(this.#refresher)
    await until('every publish is settled', 2 * patienceMs, () => this.#waiting === 0)
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

  /** Where a subject's events are with so many partitions. */
  place(subject: string, partitions: number): number {
    return this.#routing.place(subject, () => partitions).partition!
  }

  #tick(): void {
    const due = Math.floor(((performance.now() - this.#startedMs) * steadyRate) / 1000)
    for (; this.#sent < due; this.#sent++) if (this.#waiting < maxWaiting) void this.#publish(this.#sent)
  }

  async #publish(index: number): Promise<void> {
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
      event.offset = (await this.#source.publish(info, [record]))[0]!.offset
      event.fate = 'acknowledged'
      event.acknowledgedAtMs = performance.now()
    } catch (error) {
      const { code, message } = toCarillonError(error)
      const problem = `${code}: ${message}`
      this.problems.set(problem, (this.problems.get(problem) ?? 0) + 1)
      event.fate = 'unknown'
      if (code === 'stream_missing') await this.#refresh().catch(() => {})
    } finally {
      this.#waiting--
    }
  }

  /** False while the stream is missing. */
  async #refresh(): Promise<boolean> {
    const info = await this.#source.describe(this.#topic)
    if (info === undefined || info.partitions === 0) return false
    if (!this.#incarnations.includes(info.incarnation)) this.#incarnations.push(info.incarnation)
    else if (this.#info?.incarnation !== info.incarnation) return true
    else if (info.partitions > this.#info.partitions) this.grownAtMs = performance.now()
    this.#info = info
    return true
  }
}
