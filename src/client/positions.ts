import { matches } from '../subject/subject.ts'
import type { Delivery, Gap } from '../wire/frames.ts'
import { decodeToken, encodeToken, type Position } from '../wire/token.ts'

interface Followed {
  readonly ref: number
  readonly subject: string
  /** By stream and partition. */
  readonly positions: Map<string, Position>
}

const keyOf = ({ streamHash, partition }: Position) => `${streamHash}/${partition}`

/**
 * Where each of a client's subscriptions stands, and so what is new to it: after a reconnect the same record may come for
 * each subscription that it matches, or again behind an older token.
 */
export class Positions {
  readonly #followed: Followed[]
  /** SSE: the next new offset, by stream and partition. */
  readonly #next = new Map<string, number>()

  constructor(subjects: readonly string[]) {
    this.#followed = subjects.map((subject, i) => ({ ref: i + 1, subject, positions: new Map() }))
  }

  /** `after` of a subscription; undefined while nothing is known. */
  after(ref: number): string | undefined {
    const positions = [...this.#followed[ref - 1]!.positions.values()]
    return positions.length === 0 ? undefined : encodeToken(positions)
  }

  /** One token for all subscriptions together: the lowest of each partition. */
  token(): string | undefined {
    const lowest = new Map<string, Position>()
    for (const { positions } of this.#followed) {
      for (const [key, position] of positions) {
        const other = lowest.get(key)
        if (other === undefined || position.offset < other.offset) lowest.set(key, position)
      }
    }
    return lowest.size === 0 ? undefined : encodeToken([...lowest.values()])
  }

  /** The gateway says where a subscription stands. */
  subscribed(ref: number, after: string): void {
    const followed = this.#followed[ref - 1]
    if (followed !== undefined) this.#set([followed], decodeToken(after))
  }

  /** SSE and poll: all subscriptions stand at one token. */
  together(token: string): void {
    this.#set(this.#followed, decodeToken(token))
  }

  /** True when the delivery is new to the client; its position is taken over. */
  take(delivery: Delivery): boolean {
    const { stream, partition, offset, after } = delivery
    if (stream !== undefined) return this.#takeUnnamed(`${stream}/${partition}`, offset)
    const position = decodeToken(after)[0]!
    const key = keyOf(position)
    const own = this.#concerned(delivery.refs).filter(({ subject }) => matches(subject, delivery.event.subject))
    const known = this.#followed.some((followed) => {
      const at = followed.positions.get(key)
      return at !== undefined && at.offset >= position.offset && matches(followed.subject, delivery.event.subject)
    })
    this.#set(
      own.filter(({ positions }) => (positions.get(key)?.offset ?? -1) < position.offset),
      [position],
    )
    return !known
  }

  /** SSE: the id names all partitions, and not each delivery's own position. */
  #takeUnnamed(key: string, offset: number): boolean {
    if (offset < (this.#next.get(key) ?? 0)) return false
    this.#next.set(key, offset + 1)
    return true
  }

  /** What follows a gap is new, whatever its offset. */
  gap(gap: Gap): void {
    this.#next.delete(`${gap.stream}/${gap.partition}`)
    if (gap.after === '') return
    const after = decodeToken(gap.after)
    for (const followed of this.#concerned(gap.refs)) {
      for (const position of after) {
        for (const [key, other] of followed.positions) {
          const replaced =
            other.partition === position.partition && other.streamHash >>> 24 === position.streamHash >>> 24
          if (replaced) followed.positions.delete(key)
        }
      }
      this.#set([followed], after)
    }
  }

  #concerned(refs: readonly number[] | undefined): Followed[] {
    return refs === undefined || refs.length === 0
      ? this.#followed
      : this.#followed.filter(({ ref }) => refs.includes(ref))
  }

  #set(followed: readonly Followed[], positions: readonly Position[]): void {
    for (const each of followed) for (const position of positions) each.positions.set(keyOf(position), position)
  }
}
