import { Account, type Standing } from '../../src/bench/load/account.ts'

/** Totals of all followers. */
export interface Tally {
  events: number
  /** Events delivered after a later offset of their partition: a broken promise. */
  disordered: number
  /**
   * Events delivered again after a cut on a transport whose token may be older than the last
   * event. Clients drop these by offset.
   */
  again: number
  /** Gaps by reason. */
  readonly gaps: Map<string, number>
  /** Account of the numbers in each subject's events: 0, 1, 2, … */
  readonly account: Account
}

export const tally = (): Tally => ({ events: 0, disordered: 0, again: 0, gaps: new Map(), account: new Account() })

/** Checks one follower's events, across all its connections, against numbers and offsets. */
export class FollowerAccount {
  readonly #tally: Tally
  readonly #standings = new Map<number, Standing>()
  /** The last delivered offset by partition. */
  readonly #offsets = new Map<number, number>()
  /** true = the follower must receive each subject's first event. */
  readonly #fromFirst: boolean
  /** By partition, the highest offset that may arrive again since the last connect. */
  #mayRepeatUpTo = new Map<number, number>()

  constructor(all: Tally, fromFirst: boolean) {
    this.#tally = all
    this.#fromFirst = fromFirst
  }

  /** Records a connect. `mayRepeat` = the token may be older than the last event. */
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

  /** Records a gap. Events after it are new, whatever their offset. */
  gap(partition: number, reason: string): void {
    this.#tally.gaps.set(reason, (this.#tally.gaps.get(reason) ?? 0) + 1)
    this.#offsets.delete(partition)
    this.#mayRepeatUpTo.delete(partition)
    for (const standing of this.#standings.values()) standing.toldGap = true
  }

  /**
   * Returns whether the follower is past all of a subject's `count` events, as far as it is
   * known.
   */
  has(subject: number, count: number): boolean {
    const standing = this.#standings.get(subject)
    if (standing === undefined) return !this.#fromFirst || count === 0
    return standing.toldGap || standing.next >= count
  }

  /**
   * Returns the follower's state of each subject; `counts` are the numbers of published events.
   */
  standings(subjects: Iterable<number>, counts: Uint32Array): Standing[] {
    return Array.from(subjects, (subject) => this.#standing(subject, counts[subject]!))
  }

  /**
   * Returns the state of a subject. A follower that starts in the middle starts at the `first`
   * number that it receives.
   */
  #standing(subject: number, first: number): Standing {
    const known = this.#standings.get(subject)
    if (known !== undefined) return known
    const standing = { subjectIndex: subject, next: this.#fromFirst ? 0 : first, toldGap: false }
    this.#standings.set(subject, standing)
    return standing
  }
}
