import type { Connection, Handlers } from '../../src/client/connection.ts'
import { ReceivedEvent } from '../../src/client/received.ts'
import { makeEvent } from '../../src/wire/frames.ts'
import { Overheard } from '../simulation/overheard.ts'
import { type Failure, Verdict } from '../simulation/verdict.ts'
import { Witness } from '../simulation/witness.ts'
import type { LogTruth } from './log-truth.ts'
import type { Profile } from './profiles.ts'
import type { Starts } from './site.ts'
import type { Handed, Line, ToldWish } from './story-file.ts'

/** What one client lived through, in figures. */
export interface Lived {
  readonly failure: Failure | undefined
  readonly trace: readonly string[]
  readonly handed: number
  /** Longest time from an event's publishing to its handler, ms, of the events published since each of the times. */
  readonly waitsMs: Float64Array
  /** Gaps by reason, likewise. */
  readonly gaps: readonly Map<string, number>[]
}

/** What a replay needs beside a story. */
export interface Circumstances {
  readonly log: LogTruth
  readonly starts: Starts
  /** When the run, and then each fault, began, Unix ms, ascending. */
  readonly timesMs: readonly number[]
}

interface Replayed {
  readonly overheard: Overheard
  readonly handlers: Handlers
  readonly connection: Connection
}

const deaf: Handlers = { frame() {}, position() {}, closed() {} }
const still: Connection = { subscribe() {}, unsubscribe() {}, close() {} }

/** Tells one client's story to the witnesses that judge simulated clients. */
export class Replay {
  readonly #profile: Profile
  readonly #circumstances: Circumstances
  readonly #verdict: Verdict
  readonly #witnesses: readonly Witness[]
  readonly #connections = new Map<number, Replayed>()
  readonly #waitsMs: Float64Array
  readonly #gaps: Map<string, number>[]
  #handed = 0
  #nowMs = 0

  constructor(profile: Profile, circumstances: Circumstances, tracing: boolean) {
    const { timesMs, log } = circumstances
    this.#profile = profile
    this.#circumstances = circumstances
    this.#verdict = new Verdict(
      () => this.#nowMs - timesMs[0]!,
      () => {},
      { trace: tracing },
    )
    const name = `client ${profile.number} (${profile.ways.join(', ')})`
    this.#witnesses = profile.subjects.map((subject) => {
      return new Witness(name, { subject }, log.truth, { verdict: this.#verdict, nowMs: () => this.#nowMs })
    })
    this.#waitsMs = new Float64Array(timesMs.length)
    this.#gaps = timesMs.map(() => new Map())
  }

  run(lines: Iterable<string>): Lived {
    for (const line of lines) {
      this.#take(JSON.parse(line) as Line)
      if (this.#verdict.failure !== undefined) break
    }
    if (this.#verdict.failure === undefined) {
      for (const witness of this.#witnesses) {
        const missing = witness.missing()
        if (missing !== undefined) this.#verdict.broken('missing', missing)
      }
    }
    const { failure, trace = [] } = this.#verdict
    return { failure, trace, handed: this.#handed, waitsMs: this.#waitsMs, gaps: this.#gaps }
  }

  #take(line: Line): void {
    this.#nowMs = line[1]
    switch (line[2]) {
      case 'open':
        this.#open(line[3], line[4], line[5])
        break
      case 'subscribe':
        this.#connections.get(line[3])?.connection.subscribe?.(this.#wish(line[4]))
        break
      case 'unsubscribe':
        this.#connections.get(line[3])?.connection.unsubscribe?.(line[4])
        break
      case 'delivery': {
        const [, , , connection, partition, offset, after, digest, refs] = line
        const event = this.#event(partition, offset, digest)
        const frame = { kind: 'delivery', after, partition, offset, event, refs } as const
        this.#connections.get(connection)?.handlers.frame(frame)
        break
      }
      case 'frame':
        this.#connections.get(line[3])?.handlers.frame(line[4])
        break
      case 'position':
        this.#connections.get(line[3])?.handlers.position(line[4])
        break
      case 'event': {
        const [, , ...handed] = line
        this.#given(handed)
        break
      }
      case 'gap': {
        const [, , , subscription, gap, token] = line
        this.#verdict.note(() => `handed ${JSON.stringify(gap)}`)
        this.#witnesses[subscription]!.gap(gap)
        this.#witnesses[subscription]!.stands(token || undefined)
        const counts = this.#gaps[this.#since(this.#nowMs)]!
        counts.set(gap.reason, (counts.get(gap.reason) ?? 0) + 1)
        break
      }
      case 'stood':
        this.#witnesses[line[3]]!.stands(line[4] || undefined)
        break
      case 'ended':
        this.#witnesses[line[3]]!.broken('fault', `ended: ${line[4]}`)
    }
  }

  #open(told: number, gateway: number, wishes: readonly ToldWish[]): void {
    const separate = told >= 0
    const number = separate ? told : -1 - told
    const { log, starts } = this.#circumstances
    this.#verdict.note(() => `connection ${number} to gateway ${gateway} with ${JSON.stringify(wishes)}`)
    const overheard = new Overheard(separate, log.truth, this.#verdict, () => this.#nowMs)
    const witnessOf = (subject: string) => this.#witnesses[this.#profile.subjects.indexOf(subject)]!
    const connection = overheard.connection(still, witnessOf)
    this.#connections.set(number, { overheard, handlers: overheard.handlers(deaf), connection })
    for (const wish of wishes) overheard.asks(this.#wish(wish), this.#witnesses[wish[1]]!, wishes.length === 1)
    const startedMs = starts[gateway]!.findLast((atMs) => atMs <= this.#nowMs) ?? 0
    // Nobody noted how far it had read, so nothing is excused by that; nor where it began, so all that lies below may have been unknown to it.
    const reading = { sinceMs: startedMs, from: Number.POSITIVE_INFINITY }
    overheard.reached({ reading: () => reading, head: () => Number.POSITIVE_INFINITY })
  }

  #given([, subscription, partition, offset, after, digest, token]: Handed): void {
    const event = this.#event(partition, offset, digest)
    this.#verdict.note(() => `handed ${event.subject} "${event.id}" @${partition}/${offset}`)
    const witness = this.#witnesses[subscription]!
    witness.event(new ReceivedEvent({ kind: 'delivery', event, partition, offset, after }))
    witness.stands(token || undefined)
    this.#handed++
    const publishedMs = event.publishedAtUs / 1000
    const since = this.#since(publishedMs)
    this.#waitsMs[since] = Math.max(this.#waitsMs[since]!, this.#nowMs - publishedMs)
  }

  #wish([ref, subscription, after]: ToldWish) {
    return { ref, subject: this.#profile.subjects[subscription]!, after }
  }

  /** What the log never had is an event like no other. */
  #event(partition: number, offset: number, digest: number) {
    const { log } = this.#circumstances
    return log.event(partition, offset, digest) ?? makeEvent({ subject: 'unknown', id: `digest ${digest}` })
  }

  #since(atMs: number): number {
    return Math.max(
      0,
      this.#circumstances.timesMs.findLastIndex((each) => each <= atMs),
    )
  }
}
