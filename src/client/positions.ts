import { fnv1a } from '../base/hash.ts'
import { isPattern, matches } from '../subject/subject.ts'
import type { Delivery, Event, Gap } from '../wire/frames.ts'
import { decodeToken, encodeToken, type Position, sameStreamName, streamHash } from '../wire/token.ts'

interface Followed {
  readonly ref: number
  readonly subject: string
  /** Where it stands, by stream and partition: all of its events before that have been handed over. */
  readonly positions: Map<string, Position>
  /** Told by the gateway to be live: deliveries that name no ref are for it too. */
  live: boolean
  /** Where it stands in addition once it is live: the newest delivery that named no ref and matches it. */
  readonly pending: Map<string, Position>
  /** What lies below its position and was not handed over through it: before its start, and inside gaps. */
  readonly passed: Map<string, Stretch[]>
}

/** Offsets, both inclusive. */
interface Stretch {
  readonly from: number
  readonly to: number
}

const encoder = new TextEncoder()

/** Events beyond the last id that are remembered; an id comes once a second. */
const maxRecent = 16_384
/** Offsets that are remembered one by one while a subscription catches up; beyond that a reconnect may repeat events. */
const maxAhead = 65_536

/** The key of the position that an SSE id has of this place: ids name each partition, deliveries don't name their log. */
function placeOf(stream: string, partition: number, id: string): string {
  const known = id === '' ? [] : decodeToken(id)
  const name = streamHash(stream, '')
  const position = known.find((each) => each.partition === partition && sameStreamName(each.streamHash, name))
  return position === undefined ? `${stream}/${partition}` : keyOf(position)
}

/** Tells events apart that a log had at the same offset, one after the other. */
function hashOf({ subject, id, publishedAtUs, data }: Event): number {
  const text = encoder.encode(`${subject} ${id} ${publishedAtUs}`)
  return fnv1a(data, 0, data.length, fnv1a(text, 0, text.length))
}

/** Stretches of one partition that a subscription remembers; beyond that the oldest are joined, which may repeat events. */
const maxPassed = 64

const keyOf = ({ streamHash, partition }: Position) => `${streamHash}/${partition}`

/**
 * Where each of a client's subscriptions stands, and so what is new to it: after a reconnect the same record may come for
 * each subscription that it matches, or again behind an older token.
 */
export class Positions {
  readonly #followed: Followed[]
  /** SSE: the next new offset, by log and partition. */
  readonly #next = new Map<string, number>()
  /** SSE: what was handed over beyond the last id: offsets, each with a hash of its event. */
  readonly #recent = new Map<string, Map<number, number>>()
  /** Handed over while a matching subscription may still have been behind it: offsets, each with its generation. */
  readonly #ahead = new Map<string, Map<number, number>>()
  #aheadCount = 0
  /** Left out as outdated while a matching subscription may still have been behind it: offsets, by log and partition. */
  readonly #outdated = new Map<string, Set<number>>()
  /** SSE and poll: positions of deliveries alone are none of the others'; only a token of all is one to go on from. */
  #lacksToken = false

  constructor(subjects: readonly string[]) {
    this.#followed = subjects.map((subject, i) => {
      return { ref: i + 1, subject, positions: new Map(), live: false, pending: new Map(), passed: new Map() }
    })
  }

  /** A new connection: `live` where all subscriptions share one position (SSE, poll), else each becomes live by itself. */
  connecting(live: boolean): void {
    if (live && this.#followed.every(({ positions }) => positions.size === 0)) this.#lacksToken = true
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
    if (this.#lacksToken) return undefined
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
    if (followed === undefined) return
    const positions = decodeToken(after)
    for (const position of positions) {
      const key = keyOf(position)
      if (!followed.positions.has(key)) pass(followed, key, 0, position.offset - 1)
    }
    set(followed, positions)
  }

  /** All of what the subscription missed has been told. */
  live(ref: number): void {
    const followed = this.#followed[ref - 1]
    if (followed === undefined) return
    followed.live = true
    for (const position of followed.pending.values()) advance(followed, position)
    followed.pending.clear()
    if (!this.#followed.every(({ live }) => live)) return
    this.#outdated.clear()
    this.#ahead.clear()
    this.#aheadCount = 0
    for (const each of this.#followed) each.passed.clear()
  }

  /** The gateway says where those that are live stand: what is quiet stays near the head. */
  renew(token: string): void {
    for (const position of decodeToken(token)) {
      const key = keyOf(position)
      for (const followed of this.#followed)
        if (followed.live && followed.positions.has(key)) advance(followed, position)
    }
  }

  /** SSE and poll: all subscriptions stand at one token. What it does not name any more was left for good. */
  together(token: string): void {
    const positions = decodeToken(token)
    this.#lacksToken = false
    for (const position of positions) {
      this.#forgetRecent(position)
      // Tokens go back where the log was rewritten; the gap may be lost on its way, while an id before it was not.
      const before = this.#followed[0]?.positions.get(keyOf(position))?.offset ?? -1
      if (position.offset < before) this.#forgetFrom(keyOf(position), position.offset)
    }
    for (const followed of this.#followed) {
      followed.positions.clear()
      set(followed, positions)
    }
  }

  /** True when the delivery is new to the client; its position is taken over. */
  take(delivery: Delivery): boolean {
    const { stream, partition, offset, after, refs, event } = delivery
    if (stream !== undefined) {
      if (after !== '') this.together(after)
      return this.#takeUnnamed(placeOf(stream, partition, after), offset, event)
    }
    const position = decodeToken(after)[0]!
    const key = keyOf(position)
    let known =
      this.#ahead.get(key)?.get(offset) === position.generation || this.#outdated.get(key)?.has(offset) === true
    for (const followed of this.#followed) {
      const matching = matches(followed.subject, event.subject)
      const own = followed.positions.get(key)
      if (matching && own !== undefined && own.offset > offset && !hasPassed(followed, key, offset)) known = true
      if (isNamed(followed, refs)) {
        // One reader serves all that are live: it has passed the others' events before this one as well.
        if (matching || own !== undefined) advance(followed, position)
      } else if (matching && !areNamed(refs)) this.#takeAhead(followed, key, position, offset)
    }
    return !known
  }

  /**
   * SSE: the id names all partitions, and not each delivery's own position. What lies beyond the last id can come again, or
   * be another event: the log may have been rewritten there without a gap, since the id is from below.
   */
  #takeUnnamed(key: string, offset: number, event: Event): boolean {
    const recent = this.#recent.get(key) ?? new Map<number, number>()
    this.#recent.set(key, recent)
    const hash = hashOf(event)
    if (offset < (this.#next.get(key) ?? 0)) {
      const known = recent.get(offset)
      if (known === undefined || known === hash) return false
      for (const other of recent.keys()) if (other >= offset) recent.delete(other)
    }
    this.#next.set(key, offset + 1)
    if (recent.size < maxRecent) recent.set(offset, hash)
    return true
  }

  #forgetRecent(position: Position): void {
    const recent = this.#recent.get(keyOf(position))
    if (recent === undefined) return
    for (const offset of recent.keys()) if (offset < position.offset) recent.delete(offset)
  }

  /** The subscription may still be behind in this partition, or not any more: that is told by partition to nobody. */
  #takeAhead(followed: Followed, key: string, position: Position, offset: number): void {
    followed.pending.set(key, position)
    if (this.#aheadCount >= maxAhead) return
    const offsets = this.#ahead.get(key) ?? new Map()
    this.#ahead.set(key, offsets.set(offset, position.generation))
    this.#aheadCount++
  }

  /** Where the log is another one, what follows is new, whatever its offset; any other gap only moves on. */
  gap(gap: Gap): void {
    const { from, to, reason } = gap
    if (gap.after === '') return
    for (const position of decodeToken(gap.after)) {
      const key = keyOf(position)
      if (reason === 'rewritten') this.#forgetFrom(key, position.offset)
      if (isOutdated(reason) && !areNamed(gap.refs)) this.#leaveOut(key, from, to ?? from, gap.n ?? 0)
      for (const followed of this.#followed) {
        if (reason === 'rewritten') forgetPassed(followed, key, position.offset)
        else if (isNamed(followed, gap.refs) && !isOutdated(reason)) pass(followed, key, from, Math.min(to ?? Number.POSITIVE_INFINITY, position.offset - 1))
        if (areNamed(gap.refs) ? gap.refs.includes(followed.ref) : followed.live && reads(followed, position)) {
          replace(followed, position)
          if (reason === 'repartitioned' && !isPattern(followed.subject)) leaveOthers(followed, position)
          // It joins in another partition now, and is told to be live there as at the start.
          if (reason === 'repartitioned' && areNamed(gap.refs)) followed.live = false
        } else if (!areNamed(gap.refs) && reads(followed, position)) followed.pending.set(key, position)
        // A rewritten log is so for every subscription: what was read of its old end says nothing of the new one.
        if (reason === 'rewritten' && (followed.positions.get(key)?.offset ?? -1) > position.offset) {
          set(followed, [position])
        }
      }
    }
  }

  /** Between the first and the last there may be events of other subjects: those are not meant. */
  #leaveOut(key: string, from: number, to: number, count: number): void {
    const offsets = this.#outdated.get(key) ?? new Set()
    this.#outdated.set(key, offsets)
    if (offsets.size + count > maxRecent || this.#followed.every(({ live }) => live)) return
    const dense = to - from + 1 === count
    for (let offset = from; offset <= to; offset += dense ? 1 : Math.max(1, to - from)) offsets.add(offset)
  }

  #forgetFrom(key: string, from: number): void {
    const outdated = this.#outdated.get(key)
    for (const offset of outdated ?? []) if (offset >= from) outdated?.delete(offset)
    const next = this.#next.get(key)
    if (next !== undefined && next > from) this.#next.set(key, from)
    const offsets = this.#ahead.get(key)
    if (offsets === undefined) return
    for (const offset of offsets.keys()) {
      if (offset < from) continue
      offsets.delete(offset)
      this.#aheadCount--
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

/** Whether it stands in that partition, of this log or of one before it. */
function reads({ positions }: Followed, { streamHash, partition }: Position): boolean {
  for (const other of positions.values()) {
    if (other.partition === partition && sameStreamName(other.streamHash, streamHash)) return true
  }
  return false
}

/** Left out since it has lost its worth: nobody is to be given it later, through whichever subscription. */
const isOutdated = (reason: Gap['reason']) => reason === 'ttl' || reason === 'collapsed'

function pass({ passed }: Followed, key: string, from: number, to: number): void {
  if (to < from) return
  const stretches = passed.get(key) ?? []
  passed.set(key, stretches)
  stretches.push({ from, to })
  if (stretches.length > maxPassed) stretches.splice(0, 2, { from: stretches[0]!.from, to: stretches[1]!.to })
}

function hasPassed({ passed }: Followed, key: string, offset: number): boolean {
  return passed.get(key)?.some(({ from, to }) => from <= offset && offset <= to) === true
}

function forgetPassed({ passed }: Followed, key: string, from: number): void {
  const stretches = passed.get(key)
  if (stretches === undefined) return
  passed.set(
    key,
    stretches.filter((stretch) => stretch.from < from).map((stretch) => ({ ...stretch, to: Math.min(stretch.to, from - 1) })),
  )
}

/** A subject is in one partition of its stream. */
function leaveOthers({ positions }: Followed, { streamHash, partition }: Position): void {
  for (const [key, other] of positions) {
    if (other.partition !== partition && sameStreamName(other.streamHash, streamHash)) positions.delete(key)
  }
}

function advance({ positions }: Followed, position: Position): void {
  const key = keyOf(position)
  if ((positions.get(key)?.offset ?? -1) < position.offset) positions.set(key, position)
}
