import { setTimeout as sleep } from 'node:timers/promises'
import type { Published } from './account.ts'
import { EventTemplate } from './event-template.ts'
import { Latencies, type LatencyCounts } from './latencies.ts'
import { type Outgoing, Refusal, type Way } from './outgoing.ts'
import { monotonicUs } from './payload.ts'
import { Schedule } from './schedule.ts'
import { publishedSubjects, type Spread } from './subjects.ts'

/** Events that are due within this time are published together. */
const tickMs = 2
/** The longest sleep, so that a change is noticed, ms. */
const maxSleepMs = 100
/** After a failure, ms. */
const retryMs = 200
/** A log that takes nothing for so long is a failed run, ms. */
const patienceMs = 20_000
/** Events of unknown fate that are remembered; more of them are a failed run. */
const maxUnknown = 200_000
const maxReasons = 5
/** Events a second of a schedule whose events are all due at its start. */
const atOnce = 1e9

export interface PublisherOptions {
  /** What stands before a subject's number. */
  readonly prefix: string
  readonly subjects: number
  readonly spread: Spread
  readonly seed: number
  readonly payloadBytes: number
}

export interface PublisherReport {
  readonly published: number
  /** How long after it was due an event was handed over, since the last report. */
  readonly late: LatencyCounts
  readonly failures: number
  readonly reasons: readonly string[]
  /** Why it has given up. */
  readonly failed: string | undefined
}

/** Publishes at a rate, an open loop: events carry the time when they were due, whenever they are sent. */
export class Publisher {
  readonly #way: Way
  readonly #template: EventTemplate
  readonly #nextSubject: () => number
  readonly #counts: Uint32Array
  readonly #unknown: [number, number][] = []
  readonly #late = new Latencies()
  readonly #reasons = new Set<string>()
  readonly #underWay = new Set<Promise<void>>()
  #schedule: Schedule | undefined
  #published = 0
  #failures = 0
  #lastSuccessMs = 0
  #pauseUntilMs = 0
  #failed: string | undefined
  #running: Promise<void> | undefined

  constructor(options: PublisherOptions, way: Way) {
    this.#way = way
    this.#template = new EventTemplate(options.prefix, options.payloadBytes)
    this.#nextSubject = publishedSubjects(options.spread, options.subjects, options.seed)
    this.#counts = new Uint32Array(options.subjects)
  }

  /** So many events a second from `startUs` on (monotonic), instead of what was before. */
  start({ rate, startUs }: { rate: number; startUs: number }): void {
    this.#schedule = new Schedule(rate, startUs)
    this.#lastSuccessMs = performance.now()
    this.#running ??= this.#run()
  }

  /** So many events as fast as the log takes them, due when they are sent. Resolves when all are acknowledged; rejects where some are not. */
  async burst(count: number): Promise<void> {
    for (let left = count; left > 0; ) {
      while (this.#underWay.size >= this.#way.maxBatches) await Promise.race(this.#underWay)
      if (this.#failures > 0) break
      const some = Math.min(left, this.#way.maxEvents)
      this.#send(this.#batch(new Schedule(atOnce, monotonicUs()), some))
      left -= some
    }
    await Promise.all(this.#underWay)
    if (this.#failures > 0) throw new Error([...this.#reasons].join('; '))
  }

  /** Resolves when what was sent is acknowledged or has failed. */
  async stop(): Promise<Published> {
    this.#schedule = undefined
    await this.#running
    this.#running = undefined
    return { counts: this.#counts, unknown: this.#unknown }
  }

  report(): PublisherReport {
    const late = this.#late.toCounts()
    this.#late.clear()
    const { published, failures, reasons, failed } = {
      published: this.#published,
      failures: this.#failures,
      reasons: [...this.#reasons],
      failed: this.#failed,
    }
    return { published, late, failures, reasons, failed }
  }

  /** How many events a second can be made, and sent nowhere: a core's limit. */
  static calibrate(options: PublisherOptions, forMs: number): number {
    const nowhere: Way = {
      before: Buffer.alloc(0),
      maxBatches: 1,
      maxEvents: 1000,
      send: () => Promise.resolve(),
      close: () => Promise.resolve(),
    }
    const publisher = new Publisher(options, nowhere)
    const schedule = new Schedule(atOnce, monotonicUs())
    const startMs = performance.now()
    let made = 0
    for (; performance.now() - startMs < forMs; made += nowhere.maxEvents) publisher.#batch(schedule, nowhere.maxEvents)
    return (made * 1000) / (performance.now() - startMs)
  }

  async #run(): Promise<void> {
    while (this.#schedule !== undefined && this.#failed === undefined) {
      await this.#turn(this.#schedule)
    }
    await Promise.all(this.#underWay)
  }

  async #turn(schedule: Schedule): Promise<void> {
    const nowUs = monotonicUs()
    const due = schedule.due(nowUs)
    const pauseMs = this.#pauseUntilMs - performance.now()
    if (pauseMs > 0) await sleep(Math.min(pauseMs, maxSleepMs))
    else if (due === 0) await sleep(Math.min(maxSleepMs, Math.ceil((schedule.dueUs() - nowUs) / 1000)))
    else if (this.#underWay.size >= this.#way.maxBatches) await Promise.race(this.#underWay)
    else {
      this.#send(this.#batch(schedule, Math.min(due, this.#way.maxEvents)))
      // A loop that never sleeps would starve its own sockets.
      if (due <= this.#way.maxEvents) await sleep(tickMs)
      else await new Promise((resolve) => setImmediate(resolve))
    }
  }

  #batch(schedule: Schedule, count: number): Outgoing {
    const { before } = this.#way
    const stride = before.length + this.#template.bytes
    const bytes = Buffer.allocUnsafe(count * stride)
    const subjects = new Uint32Array(count)
    const numbers = new Uint32Array(count)
    const nowUs = monotonicUs()
    const event = { subject: 0, id: 0, number: 0, dueUs: 0, wallUs: 0 }
    for (let i = 0; i < count; i++) {
      event.subject = subjects[i] = this.#nextSubject()
      event.number = numbers[i] = this.#counts[event.subject]!++
      event.id = this.#published++
      event.dueUs = schedule.dueUs(i)
      event.wallUs = Math.round(event.dueUs + wallOffsetUs)
      this.#late.record(nowUs - event.dueUs)
      before.copy(bytes, i * stride)
      this.#template.write(bytes, i * stride + before.length, event)
    }
    schedule.take(count)
    return { count, bytes, stride, subjects, numbers }
  }

  #send(outgoing: Outgoing): void {
    const sending: Promise<void> = this.#way
      .send(outgoing)
      .then(
        () => {
          this.#lastSuccessMs = performance.now()
        },
        (error: Error) => this.#lost(outgoing, error),
      )
      .finally(() => this.#underWay.delete(sending))
    this.#underWay.add(sending)
  }

  /** Not sent again: the log may have some of them, and a second copy would be a repetition of our own making. */
  #lost({ subjects, numbers, count }: Outgoing, error: Error): void {
    this.#failures++
    if (this.#reasons.size < maxReasons) this.#reasons.add(error.message)
    for (let i = 0; i < count; i++) this.#unknown.push([subjects[i]!, numbers[i]!])
    const nowMs = performance.now()
    this.#pauseUntilMs = nowMs + retryMs
    const silent = nowMs - this.#lastSuccessMs > patienceMs
    if (error instanceof Refusal || silent || this.#unknown.length > maxUnknown) this.#failed ??= error.message
  }
}

/** From the monotonic to the wall clock, µs. */
const wallOffsetUs = performance.timeOrigin * 1000 + performance.now() * 1000 - monotonicUs()
