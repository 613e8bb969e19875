import { Account, type Standing } from '../../src/bench/load/account.ts'

/** What followers were given, all together. */
export interface Tally {
  events: number
  /** Given behind a later offset of its partition: a broken promise. */
  disordered: number
  /** Given again after a cut, where the transport's token may be older than what was given: its clients drop these by offset. */
  again: number
  /** Gaps by reason. */
  readonly gaps: Map<string, number>
  /** Of the numbers that each subject's events carry: 0, 1, 2, … */
  readonly account: Account
}

export const tally = (): Tally => ({ events: 0, disordered: 0, again: 0, gaps: new Map(), account: new Account() })

/** What one follower was given over all of its connections, held against numbers and offsets. */
export class FollowerAccount {
  readonly #tally: Tally
  readonly #standings = new Map<number, Standing>()
  /** By partition, the last offset given. */
  readonly #offsets = new Map<number, number>()
  /** It is owed each subject's first event. */
  readonly #fromFirst: boolean
  /** Up to which offset of a partition events may come again since the last connect. */
  #mayRepeatUpTo = new Map<number, number>()

  constructor(all: Tally, fromFirst: boolean) {
    this.#tally = all
    this.#fromFirst = fromFirst
  }

  /** `mayRepeat`: its token may be older than what it was given. */
  connected(mayRepeat: boolean): void {
    this.#mayRepeatUpTo = mayRepeat ? new Map(this.#offsets) : new Map()
  }

  event(subject: number, number: number, partition: number, offset: number): void {
    if (offset <= (this.#mayRepeatUpTo.get(partition) ?? -1)) {
      this.#tally.again++
      return
    }
    this.#tally.events++
    if (offset <= (this.#offsets.get(partition) ?? -1)) this.#tally.disordered++
    this.#offsets.set(partition, offset)
    this.#tally.account.event(this.#standing(subject, number), number)
  }

  /** What follows a gap is new, whatever its offset. */
  gap(partition: number, reason: string): void {
    this.#tally.gaps.set(reason, (this.#tally.gaps.get(reason) ?? 0) + 1)
    this.#offsets.delete(partition)
    this.#mayRepeatUpTo.delete(partition)
    for (const standing of this.#standings.values()) standing.toldGap = true
  }

  /** It stands behind all of a subject's `count` events, as far as it can be known. */
  has(subject: number, count: number): boolean {
    const standing = this.#standings.get(subject)
    if (standing === undefined) return !this.#fromFirst || count === 0
    return standing.toldGap || standing.next >= count
  }

  /** Where it stands in these subjects, of which there are so many events. */
  standings(subjects: Iterable<number>, counts: Uint32Array): Standing[] {
    return Array.from(subjects, (subject) => this.#standing(subject, counts[subject]!))
  }

  /** One that begins in the midst stands before the `first` number that it hears of. */
  #standing(subject: number, first: number): Standing {
    const known = this.#standings.get(subject)
    if (known !== undefined) return known
    const standing = { subjectIndex: subject, next: this.#fromFirst ? 0 : first, toldGap: false }
    this.#standings.set(subject, standing)
    return standing
  }
}
