import { type Delivery, type Gap, subscribeOptions } from '../wire/frames.ts'
import { decodeToken } from '../wire/token.ts'
import type { Wish } from './connection.ts'
import type { Followed } from './followed.ts'
import type { Share } from './share.ts'

/** What becomes of those who were told something. */
export interface Outcomes {
  /** Its subscriber can't keep up. */
  full(followed: Followed): void
  /** It has to be asked for anew. */
  again(followed: Followed): void
}

/** Whom one connection serves, and which of them each of its frames is for. */
export class Served {
  /** Where all share one position: whom it was opened for; else each has its own. */
  readonly share: Share | undefined
  readonly #outcomes: Outcomes
  readonly #byRef = new Map<number, Followed>()
  #lastRef = 0

  constructor(share: Share | undefined, outcomes: Outcomes) {
    this.share = share
    this.#outcomes = outcomes
  }

  values(): Followed[] {
    return [...this.#byRef.values()]
  }

  /** Where every one that is live stands. */
  renewed(token: string): void {
    const positions = decodeToken(token)
    for (const followed of this.#byRef.values()) followed.renewed(positions)
  }

  of(ref: number): Followed | undefined {
    return this.#byRef.get(ref)
  }

  get separate(): boolean {
    return this.share === undefined
  }

  /** Where all share one position, they share what is asked for as well. */
  add(followed: Followed): Wish {
    followed.ref = ++this.#lastRef
    this.#byRef.set(followed.ref, followed)
    const wish = followed.wish(followed.ref)
    if (this.share === undefined) return wish
    const { after, last, policy } = this.share
    return { ref: wish.ref, subject: wish.subject, after, ...subscribeOptions(last, policy) }
  }

  delete(followed: Followed): void {
    this.#byRef.delete(followed.ref)
    followed.disconnected()
  }

  clear(): void {
    for (const followed of this.values()) this.delete(followed)
  }

  delivery(frame: Delivery): void {
    if (!this.separate) {
      this.#each(this.#byRef.values(), (followed) => followed.shared(frame))
      return
    }
    const refs = namedRefs(frame)
    if (frame.after === '') {
      // From another tab whose connection is a shared one: its positions come by themselves.
      this.#each(this.#named(refs), (followed) => followed.shared(frame))
      return
    }
    const position = decodeToken(frame.after)[0]!
    if (refs.length === 0) this.#each(this.#byRef.values(), (followed) => followed.common(frame, position))
    else this.#each(this.#named(refs), (followed) => followed.named(frame, position))
  }

  gap(frame: Gap): void {
    const refs = namedRefs(frame)
    if (!this.separate) this.#each(this.#byRef.values(), (followed) => followed.gapShared(frame))
    else if (refs.length === 0) this.#each(this.#byRef.values(), (followed) => followed.gapCommon(frame))
    else this.#each(this.#named(refs), (followed) => followed.gapNamed(frame))
  }

  /** 0 = all. */
  live(ref: number): void {
    for (const followed of ref === 0 ? this.values() : this.#named([ref])) {
      const became = followed.becameLive()
      if (became === 'full') this.#outcomes.full(followed)
      else if (became === 'again') this.#outcomes.again(followed)
    }
  }

  /** All stand there. True where one of them does in another history, or further on: see `Followed.together`. */
  position(token: string): boolean {
    const positions = decodeToken(token)
    let isTorn = false
    for (const followed of this.#byRef.values()) {
      isTorn = followed.together(positions, this.#byRef.size === 1) || isTorn
      if (followed.alone === 'wanted') followed.alone = 'well'
    }
    return isTorn
  }

  #named(refs: readonly number[]): Followed[] {
    return refs.map((ref) => this.#byRef.get(ref)).filter((each) => each !== undefined)
  }

  #each(whom: Iterable<Followed>, tell: (followed: Followed) => boolean): void {
    for (const followed of whom) if (!tell(followed)) this.#outcomes.full(followed)
  }
}

function namedRefs({ refs }: Delivery | Gap): readonly number[] {
  return refs ?? []
}
