/** Numbers of one subject's events, [from, to), that a client did not receive. */
interface Hole {
  readonly subject: number
  readonly from: number
  readonly to: number
}

/** Most holes that are stored. Events of further holes are only counted. */
const maxHoles = 10_000

/**
 * The published events: their number by subject, and the events whose outcome the publisher does
 * not know.
 */
export interface Published {
  readonly counts: Uint32Array
  /** Pairs of subject and number. The broker may or may not have these events. */
  readonly unknown: readonly (readonly [subject: number, number: number])[]
}

/** A client's state for one subject, whose events are numbered from 0 without holes. */
export interface Standing {
  readonly subjectIndex: number
  next: number
  toldGap: boolean
}

/**
 * Counts promises that clients saw broken: each event of their subject arrives once and in order,
 * or a gap covers it.
 */
export class Account {
  /** Events that arrived again, or after a later one. */
  repeated = 0
  /** Missing events that a gap frame covered. */
  told = 0
  readonly #holes: Hole[] = []
  /** Events in holes beyond those stored. */
  #uncounted = 0

  event(client: Standing, number: number): void {
    if (number < client.next) {
      this.repeated++
      return
    }
    if (number > client.next) this.#passed(client, number)
    client.toldGap = false
    client.next = number + 1
  }

  /**
   * Returns the events that have not reached the clients and that no gap covered (`late`), and
   * those that can no longer arrive (`lost`).
   */
  lacking(clients: Iterable<Standing>, { counts, unknown }: Published): { late: number; lost: number; told: number } {
    const doubtful = new Set(unknown.map(([subject, number]) => keyOf(subject, number)))
    const certain = (subject: number, from: number, to: number): number => {
      let count = to - from
      if (doubtful.size > 0) for (let n = from; n < to; n++) if (doubtful.has(keyOf(subject, n))) count--
      return count
    }
    let late = 0
    let told = this.told
    for (const { subjectIndex, next, toldGap } of clients) {
      const left = certain(subjectIndex, next, Math.max(next, counts[subjectIndex] ?? 0))
      if (toldGap) told += left
      else late += left
    }
    const lost = this.#holes.reduce((sum, { subject, from, to }) => sum + certain(subject, from, to), this.#uncounted)
    return { late, lost, told }
  }

  #passed({ subjectIndex, next, toldGap }: Standing, number: number): void {
    if (toldGap) this.told += number - next
    else if (this.#holes.length < maxHoles) this.#holes.push({ subject: subjectIndex, from: next, to: number })
    else this.#uncounted += number - next
  }
}

const keyOf = (subject: number, number: number): number => subject * 2 ** 27 + number
