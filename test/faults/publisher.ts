import { setTimeout as delay } from 'node:timers/promises'
import type { Source } from '../../src/source/source.ts'
import { encodeEvent } from '../../src/wire/envelope.ts'
import { type Event, makeEvent } from '../../src/wire/frames.ts'
import { Flow } from '../support/flow.ts'
import { stream, subjects } from './profiles.ts'
import { digestOf } from './story-file.ts'

const retryMs = 200
const patienceMs = 60_000

/** Each event is tried again, with the same bytes, until it was acknowledged. What was written twice that way is two records. */
export class Publisher extends Flow {
  /** By digest: everything that was ever handed to the brokers. */
  readonly events = new Map<number, Event>()
  acknowledged = 0
  /** By the event's number: since when. */
  readonly #waiting = new Map<number, number>()

  /** `rate`: events a second. */
  constructor(source: Source, rate: number) {
    super({ source, topic: stream, rate, patienceMs, maxWaiting: 5000 })
  }

  /** How long the oldest event has been waiting for its acknowledgement, ms. */
  get waitsMs(): number {
    const [oldest] = this.#waiting.values()
    return oldest === undefined ? 0 : performance.now() - oldest
  }

  /** Publishes a last event of each subject, and resolves when all are acknowledged. */
  async end(): Promise<void> {
    const sent = await this.stop()
    await Promise.all(subjects.map((subject, i) => this.#publish(sent + i, subject)))
  }

  protected override get waiting(): number {
    return this.#waiting.size
  }

  protected override publish(index: number): Promise<void> {
    return this.#publish(index, subjects[index % subjects.length]!)
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
    const { info } = this
    try {
      await this.source.publish(info, [{ partition: this.place(subject, info.partitions), key, value }])
      return true
    } catch (error) {
      this.rejected(error)
      return false
    }
  }
}
