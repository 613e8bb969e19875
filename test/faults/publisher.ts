import { setTimeout as delay } from 'node:timers/promises'
import { toCarillonError } from '../../src/base/errors.ts'
import { RoutingTable } from '../../src/routing/table.ts'
import type { Source, StreamInfo } from '../../src/source/source.ts'
import { encodeEvent } from '../../src/wire/envelope.ts'
import { type Event, makeEvent } from '../../src/wire/frames.ts'
import { until } from '../support/until.ts'
import { stream, subjects } from './profiles.ts'
import { digestOf } from './story-file.ts'

const tickMs = 10
/** How often it looks for more partitions, ms. */
const refreshMs = 500
const retryMs = 200
/** Events without an acknowledgement, at most: beyond that the flow pauses. */
const maxWaiting = 5000
const patienceMs = 60_000

/**
 * A publisher beside the gateways: a steady flow straight to the brokers, each event tried again, with the same bytes, until it was
 * acknowledged. What was written twice that way is two records.
 */
export class Publisher {
  /** By digest: everything that was ever handed to the brokers. */
  readonly events = new Map<number, Event>()
  acknowledged = 0
  /** Codes and messages of rejections, without numbers, and how often each came. */
  readonly problems = new Map<string, number>()
  info: StreamInfo | undefined
  readonly #source: Source
  readonly #rate: number
  readonly #routing = new RoutingTable([{ subjects: `${stream}.>`, stream, by: { hash: 'java' } }])
  readonly #waiting = new Map<number, number>()
  #sent = 0
  #startedMs = 0
  #timer: NodeJS.Timeout | undefined
  #refresher: NodeJS.Timeout | undefined

  /** `rate`: events a second. */
  constructor(source: Source, rate: number) {
    this.#source = source
    this.#rate = rate
  }

  /** How long the oldest event has been waiting for its acknowledgement, ms. */
  get waitsMs(): number {
    const [oldest] = this.#waiting.values()
    return oldest === undefined ? 0 : performance.now() - oldest
  }

  async start(): Promise<void> {
    await until(`${stream} is there`, patienceMs, () => this.#refresh())
    this.#startedMs = performance.now()
    this.#timer = setInterval(() => this.#tick(), tickMs)
    this.#refresher = setInterval(() => void this.#refresh().catch(() => {}), refreshMs)
  }

  /** Publishes a last event of each subject, and resolves when all are acknowledged. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    clearInterval(this.#refresher)
    await until('every event is acknowledged', patienceMs, () => this.#waiting.size === 0)
    await Promise.all(subjects.map((subject) => this.#publish(this.#sent++, subject)))
  }

  /** No more is published, whatever became of the rest. */
  abandon(): void {
    clearInterval(this.#timer)
    clearInterval(this.#refresher)
  }

  #tick(): void {
    const due = Math.floor(((performance.now() - this.#startedMs) * this.#rate) / 1000)
    for (; this.#sent < due; this.#sent++) {
      if (this.#waiting.size < maxWaiting) void this.#publish(this.#sent, subjects[this.#sent % subjects.length]!)
    }
  }

  async #publish(number: number, subject: string): Promise<void> {
    this.#waiting.set(number, performance.now())
    const publishedAtUs = Date.now() * 1000
    const event = makeEvent({
      subject,
      id: String(number),
      contentType: 'text/plain',
      data: Buffer.from(`event ${number} of ${subject}`),
      publishedAtUs,
    })
    this.events.set(digestOf(event), event)
    const key = Buffer.from(subject)
    const value = Buffer.from(encodeEvent(event))
    while (!(await this.#attempt(subject, key, value))) await delay(retryMs)
    this.#waiting.delete(number)
    this.acknowledged++
  }

  async #attempt(subject: string, key: Buffer, value: Buffer): Promise<boolean> {
    const info = this.info!
    const partition = this.#routing.place(subject, () => info.partitions).partition!
    try {
      await this.#source.publish(info, [{ partition, key, value }])
      return true
    } catch (error) {
      const { code, message } = toCarillonError(error)
      const problem = `${code}: ${message.replaceAll(/\d+/g, 'N')}`
      this.problems.set(problem, (this.problems.get(problem) ?? 0) + 1)
      return false
    }
  }

  async #refresh(): Promise<boolean> {
    const info = await this.#source.describe(stream)
    if (info === undefined || info.partitions === 0) return false
    this.info = info
    return true
  }
}
