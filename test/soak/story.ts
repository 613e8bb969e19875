/** What one follower was given, held against the numbers that each subject's events carry: 0, 1, 2, … */

/** Deliveries, by what they say. */
export interface Tally {
  events: number
  /** Given twice: a broken promise. */
  repeated: number
  /** Given behind a later offset of its partition: a broken promise. */
  disordered: number
  /** Passed over, or never given by the end, outside of any gap: a broken promise. */
  lost: number
  /** Given again after a cut, where the transport's token may be older than what was given: its clients drop these by offset. */
  again: number
  /** Gaps by reason, and events in them that have a count. */
  readonly gaps: Map<string, number>
}

export function tally(): Tally {
  return { events: 0, repeated: 0, disordered: 0, lost: 0, again: 0, gaps: new Map() }
}

interface Subject {
  /** The number that comes next; undefined: any may, as at a start in the midst or behind a gap. */
  next: number | undefined
  /** Numbers that were passed over: a publisher's batches may reach the broker in another order. */
  readonly missing: Set<number>
}

/** Numbers of a subject that are remembered as passed over: beyond that they are lost. */
const maxMissing = 1000

export class Story {
  readonly #tally: Tally
  readonly #subjects = new Map<number, Subject>()
  /** By partition, the last offset given. */
  readonly #offsets = new Map<number, number>()
  /** Told from each subject's first event on. */
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
    this.#number(this.#subject(subject), number)
  }

  /** What follows a gap is new, whatever its offset. */
  gap(partition: number, reason: string): void {
    this.#tally.gaps.set(reason, (this.#tally.gaps.get(reason) ?? 0) + 1)
    this.#offsets.delete(partition)
    this.#mayRepeatUpTo.delete(partition)
    for (const subject of this.#subjects.values()) subject.next = undefined
  }

  /** It stands behind all of a subject's `count` events, as far as it can be known. */
  has(subject: number, count: number): boolean {
    const { next, missing } = this.#subject(subject)
    return next === undefined || (next >= count && missing.size === 0)
  }

  /** Nothing more comes: what is missing of a subject's `count` events is lost. */
  end(subject: number, count: number): void {
    const { next, missing } = this.#subject(subject)
    this.#tally.lost += missing.size + Math.max(0, count - (next ?? count))
  }

  /** It ends in the midst: only what was passed over is known to be lost. */
  leave(): void {
    for (const { missing } of this.#subjects.values()) this.#tally.lost += missing.size
  }

  #subject(subject: number): Subject {
    const known = this.#subjects.get(subject)
    if (known !== undefined) return known
    const fresh = { next: this.#fromFirst ? 0 : undefined, missing: new Set<number>() }
    this.#subjects.set(subject, fresh)
    return fresh
  }

  #number(subject: Subject, number: number): void {
    const { next, missing } = subject
    if (next !== undefined && number < next) {
      if (!missing.delete(number)) this.#tally.repeated++
      return
    }
    for (let passed = next ?? number; passed < number; passed++) {
      if (missing.size < maxMissing) missing.add(passed)
      else this.#tally.lost++
    }
    subject.next = number + 1
  }
}
