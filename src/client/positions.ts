import { matches } from '../subject/subject.ts'
import type { Delivery, Gap } from '../wire/frames.ts'
import { decodeToken, encodeToken, type Position, sameStreamName } from '../wire/token.ts'

interface Followed {
  readonly ref: number
  readonly subject: string
  /** Where it stands, by stream and partition: all of its events before that have been handed over. */
  readonly positions: Map<string, Position>
  /** Told by the gateway to be live: deliveries that name no ref are for it too. */
  live: boolean
  /** Where it stands in addition once it is live: the newest delivery that named no ref and matches it. */
  readonly pending: Map<string, Position>
}

/** Offsets that are remembered one by one while a subscription catches up; beyond that a reconnect may repeat events. */
const maxAhead = 65_536

const keyOf = ({ streamHash, partition }: Position) => `${streamHash}/${partition}`

/**
 * Where each of a client's subscriptions stands, and so what is new to it: after a reconnect the same record may come for
 * each subscription that it matches, or again behind an older token.
 */
export class Positions {
  readonly #followed: Followed[]
  /** SSE: the next new offset, by stream and partition. */
  readonly #next = new Map<string, number>()
  /** Offsets that were handed over while a matching subscription may still have been behind them. */
  readonly #ahead = new Map<string, Set<number>>()
  #aheadCount = 0

  constructor(subjects: readonly string[]) {
    this.#followed = subjects.map((subject, i) => {
      return { ref: i + 1, subject, positions: new Map(), live: false, pending: new Map() }
    })
  }

  /** A new connection: `live` where all subscriptions share one position (SSE, poll), else each becomes live by itself. */
  connecting(live: boolean): void {
    for (const followed of this.#followed) {
      followed.live = live
      followed.pending.clear()
    }
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
    if (followed !== undefined) set(followed, decodeToken(after))
  }

  /** All of what the subscription missed has been told. */
  live(ref: number): void {
    const followed = this.#followed[ref - 1]
    if (followed === undefined) return
    followed.live = true
    for (const position of followed.pending.values()) advance(followed, position)
    followed.pending.clear()
    if (!this.#followed.every(({ live }) => live)) return
    this.#ahead.clear()
    this.#aheadCount = 0
  }

  /** The gateway says where those that are live stand: what is quiet stays near the head. */
  renew(token: string): void {
    for (const position of decodeToken(token)) {
      const key = keyOf(position)
      for (const followed of this.#followed)
        if (followed.live && followed.positions.has(key)) advance(followed, position)
    }
  }

  /** SSE and poll: all subscriptions stand at one token. */
  together(token: string): void {
    const positions = decodeToken(token)
    for (const followed of this.#followed) set(followed, positions)
  }

  /** True when the delivery is new to the client; its position is taken over. */
  take(delivery: Delivery): boolean {
    const { stream, partition, offset, after, refs, event } = delivery
    if (stream !== undefined) {
      if (after !== '') this.together(after)
      return this.#takeUnnamed(`${stream}/${partition}`, offset)
    }
    const position = decodeToken(after)[0]!
    const key = keyOf(position)
    let known = this.#ahead.get(key)?.has(offset) === true
    for (const followed of this.#followed) {
      const matching = matches(followed.subject, event.subject)
      const own = followed.positions.get(key)
      if (matching && own !== undefined && own.offset > offset) known = true
      if (isNamed(followed, refs)) {
        // One reader serves all that are live: it has passed the others' events before this one as well.
        if (matching || own !== undefined) advance(followed, position)
      } else if (matching && !areNamed(refs)) this.#takeAhead(followed, key, position, offset)
    }
    return !known
  }

  /** SSE: the id names all partitions, and not each delivery's own position. */
  #takeUnnamed(key: string, offset: number): boolean {
    if (offset < (this.#next.get(key) ?? 0)) return false
    this.#next.set(key, offset + 1)
    return true
  }

  /** The subscription may still be behind in this partition, or not any more: that is told by partition to nobody. */
  #takeAhead(followed: Followed, key: string, position: Position, offset: number): void {
    followed.pending.set(key, position)
    if (this.#aheadCount >= maxAhead) return
    const offsets = this.#ahead.get(key) ?? new Set()
    this.#ahead.set(key, offsets.add(offset))
    this.#aheadCount++
  }

  /** What follows a gap is new, whatever its offset. */
  gap(gap: Gap): void {
    this.#next.delete(`${gap.stream}/${gap.partition}`)
    if (gap.after === '') return
    for (const position of decodeToken(gap.after)) {
      const key = keyOf(position)
      this.#aheadCount -= this.#ahead.get(key)?.size ?? 0
      this.#ahead.delete(key)
      for (const followed of this.#followed) {
        if (isNamed(followed, gap.refs)) {
          replace(followed, position)
          // It joins in another partition now, and is told to be live there as at the start.
          if (gap.reason === 'repartitioned' && areNamed(gap.refs)) followed.live = false
        } else if (!areNamed(gap.refs)) followed.pending.set(key, position)
        // A rewritten log is so for every subscription: what was read of its old end says nothing of the new one.
        if (gap.reason === 'rewritten' && (followed.positions.get(key)?.offset ?? -1) > position.offset) {
          set(followed, [position])
        }
      }
    }
  }
}

const areNamed = (refs: readonly number[] | undefined): refs is readonly number[] =>
  refs !== undefined && refs.length > 0

/** Whether a frame is about the subscription: named by its ref, or live where the frame names none. */
function isNamed({ ref, live }: Followed, refs: readonly number[] | undefined): boolean {
  return areNamed(refs) ? refs.includes(ref) : live
}

function set(followed: Followed, positions: readonly Position[]): void {
  for (const position of positions) followed.positions.set(keyOf(position), position)
}

/** Sets a position, and forgets those of the log's earlier incarnations. */
function replace({ positions }: Followed, position: Position): void {
  for (const [key, other] of positions) {
    if (other.partition !== position.partition) continue
    if (sameStreamName(other.streamHash, position.streamHash)) positions.delete(key)
  }
  positions.set(keyOf(position), position)
}

function advance({ positions }: Followed, position: Position): void {
  const key = keyOf(position)
  if ((positions.get(key)?.offset ?? -1) < position.offset) positions.set(key, position)
}
