import type { SteadyEvent } from './steady-publisher.ts'
import type { SeenEvent, SeenGap } from './story.ts'

/** What one client was given of a flow, held against what was published. */
export interface Judgement {
  /** In the log, behind the client's start, and neither given nor inside a gap that was told. */
  readonly lost: SteadyEvent[]
  /** Given twice at the same place, beyond what an SSE token allows after a cut. */
  readonly repeated: SeenEvent[]
  /** Given behind a later event of the subject, with no gap that explains it. */
  readonly disordered: SeenEvent[]
  /** Given, and published by nobody. */
  readonly invented: SeenEvent[]
  readonly gaps: SeenGap[]
}

/** Whether an event is of a subject that moved, from the time while publisher and gateways disagree on its partition. */
export type Moved = (event: SteadyEvent) => boolean

export interface Story {
  /** A connection each. */
  readonly parts: readonly (readonly (SeenEvent | SeenGap)[])[]
  /** Its tokens may be older than what it was given. */
  readonly mayRepeat: boolean
}

/**
 * Holds what a client was told, connection by connection, against `events`, all that were published by their data, and
 * `written`, those in the log that it follows.
 */
export function judge(
  { parts, mayRepeat }: Story,
  events: ReadonlyMap<string, SteadyEvent>,
  written: readonly SteadyEvent[],
  moved: Moved,
): Judgement {
  const reading = new Reading(events)
  parts.forEach((told, i) => {
    reading.connected(mayRepeat && i > 0)
    for (const each of told) reading.take(each)
  })
  const repartitioned = reading.gaps.some(({ reason }) => reason === 'repartitioned')
  const lost = written.filter((event) => !reading.has(event) && !(repartitioned && moved(event)))
  const { repeated, disordered, invented, gaps } = reading
  return { lost, repeated, disordered, invented, gaps }
}

/** A stretch of one partition of one of the stream's logs, inclusive. */
interface Stretch {
  readonly log: number
  readonly from: number
  readonly to: number
}

/** Reads a client's story from its beginning. */
class Reading {
  readonly repeated: SeenEvent[] = []
  readonly disordered: SeenEvent[] = []
  readonly invented: SeenEvent[] = []
  readonly gaps: SeenGap[] = []
  readonly #events: ReadonlyMap<string, SteadyEvent>
  readonly #seen = new Set<string>()
  readonly #places = new Set<string>()
  /** By partition: what was told to be gone. */
  readonly #gone = new Map<number, Stretch[]>()
  /** By partition: how many logs were told to have ended. */
  readonly #logs = new Map<number, number>()
  /** By subject: the number of its last event. */
  readonly #last = new Map<string, number>()
  #mayRepeat = false

  constructor(events: ReadonlyMap<string, SteadyEvent>) {
    this.#events = events
  }

  /** An SSE token over several partitions is renewed once a second only: after a cut the newest events may come again. */
  connected(mayRepeat: boolean): void {
    this.#mayRepeat = mayRepeat
    if (mayRepeat) this.#last.clear()
  }

  take(each: SeenEvent | SeenGap): void {
    if ('subject' in each) this.#event(each)
    else this.#gap(each)
  }

  /** Given, or told to be gone. */
  has({ data, log, partition, offset }: SteadyEvent): boolean {
    if (this.#seen.has(data)) return true
    const gone = this.#gone.get(partition) ?? []
    return gone.some((stretch) => stretch.log === log && stretch.from <= offset && offset <= stretch.to)
  }

  #event(seen: SeenEvent): void {
    const event = this.#events.get(seen.data)
    if (event === undefined) {
      this.invented.push(seen)
      return
    }
    // The log that the client knows to read: a publisher may learn later that there is another one.
    const log = this.#logs.get(seen.partition) ?? 0
    const place = `${log}/${seen.partition}/${seen.offset}`
    if (this.#places.has(place) && !this.#mayRepeat) this.repeated.push(seen)
    this.#places.add(place)
    this.#seen.add(seen.data)
    const last = this.#last.get(seen.subject) ?? -1
    // Nobody took it while its stream was gone: tried again in the next one, it may be behind what was published after it.
    if (last >= event.number && event.log >= log) this.disordered.push(seen)
    this.#last.set(seen.subject, Math.max(last, event.number))
  }

  #gap(gap: SeenGap): void {
    const { partition, from, reason } = gap
    this.gaps.push(gap)
    const log = this.#logs.get(partition) ?? 0
    if (reason === 'recreated') this.#logs.set(partition, log + 1)
    // It says that subjects moved, not that a stretch is gone.
    if (reason === 'repartitioned') return
    const gone = this.#gone.get(partition) ?? []
    gone.push({ log, from, to: gap.to ?? Number.POSITIVE_INFINITY })
    this.#gone.set(partition, gone)
    if (reason !== 'rewritten') return
    for (const place of this.#places) {
      const [, at, offset] = place.split('/').map(Number)
      if (at === partition && offset! >= from) this.#places.delete(place)
    }
    this.#last.clear()
  }
}
