/** Numbers of one subject's events, [from, to), that a client was not given. */
interface Hole {
  readonly subject: number
  readonly from: number
  readonly to: number
}

/** Holes that are remembered; what is beyond is counted alone. */
const maxHoles = 10_000

/** What was published: how many events of each subject, and those whose fate the publisher does not know. */
export interface Published {
  readonly counts: Uint32Array
  /** Pairs of subject and number. A broker may have these events or not. */
  readonly unknown: readonly (readonly [subject: number, number: number])[]
}

/** What a client must have: each subject's events are numbered from 0 without holes. */
export interface Standing {
  readonly subjectIndex: number
  next: number
  toldGap: boolean
}

/** Which of the promises clients saw broken: each event of their subject once and in order, or told. */
export class Account {
  /** Events that came again, or after a later one. */
  repeated = 0
  /** Events that were passed over behind a gap that was told. */
  told = 0
  readonly #holes: Hole[] = []
  /** Events in holes that are not remembered. */
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

  /** Events that have not come (yet) to the clients, and that no gap told of; `lost` are those that can't come any more. */
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
