import type { Wish } from '../../src/client/connection.ts'
import { isPattern } from '../../src/subject/subject.ts'
import type { Delivery, Gap, GapReason, ServerFrame } from '../../src/wire/frames.ts'
import { decodeToken, type Position } from '../../src/wire/token.ts'
import type { Incarnation } from './broker.ts'
import type { LogRecord, PartitionLog } from './partition-log.ts'
import type { Truth } from './truth.ts'
import type { PromiseName, Verdict } from './verdict.ts'

/** What one client was told that it will not be given. */
interface ToldGap {
  readonly incarnation: number
  /** Where the client stood before: another one where the log was created again. */
  readonly before: number | undefined
  readonly partition: number
  readonly from: number
  readonly to: number
  readonly reason: GapReason
  readonly refs: readonly number[]
  readonly atMs: number
}

/** One subject of the client, over all of its connections. */
interface Followed {
  readonly ref: number
  readonly subject: string
  /** Where it began, by incarnation and partition. */
  readonly starts: Map<string, number>
  startedMs: number
  /** The incarnation that it began with; -1 = it has not begun. */
  begun: number
  /** Told to be live on this connection. */
  live: boolean
  /** Offset of the last record that this connection gave it, by incarnation and partition. */
  readonly last: Map<string, number>
  /** Up to where it is known that all was given or told. */
  readonly verified: Map<string, number>
}

const placeOf = (incarnation: number, partition: number) => `${incarnation}/${partition}`

/** Gaps whose offsets are not given, and not given again under other circumstances. */
const final: ReadonlySet<GapReason> = new Set([
  'retention',
  'corrupt',
  'compacted',
  'budget',
  'unnamed',
  'ttl',
  'latest',
  'collapsed',
])

const policies: ReadonlySet<GapReason> = new Set(['ttl', 'latest', 'collapsed'])

/**
 * Stands beside one client, hears what its connections say and what its handlers are given, and holds both against the truth.
 */
export class Witness {
  readonly name: string
  readonly #truth: Truth
  readonly #verdict: Verdict
  readonly #nowMs: () => number
  readonly #together: boolean
  readonly #followed: Followed[]
  readonly #given = new Set<LogRecord>()
  readonly #gaps: ToldGap[] = []
  /** The last event handed over, by subject, incarnation and partition. */
  readonly #last = new Map<string, LogRecord>()
  /** Records that a token passed over that its gateway could not judge: it has seen no epochs of before its start. */
  readonly #unjudged: { readonly place: string; readonly from: number; readonly to: number; readonly epoch: number }[] =
    []
  #presented: readonly Position[] = []
  /** The incarnation that it has positions of, by partition. */
  readonly #stands = new Map<number, number>()
  #delivered = 0

  constructor(
    name: string,
    subjects: readonly string[],
    together: boolean,
    truth: Truth,
    verdict: Verdict,
    nowMs: () => number,
  ) {
    this.name = name
    this.#truth = truth
    this.#verdict = verdict
    this.#nowMs = nowMs
    this.#together = together
    this.#followed = subjects.map((subject, i) => ({
      ref: i + 1,
      subject,
      starts: new Map(),
      startedMs: Number.POSITIVE_INFINITY,
      begun: -1,
      live: false,
      last: new Map(),
      verified: new Map(),
    }))
  }

  /** Events handed over. */
  get delivered(): number {
    return this.#delivered
  }

  // What its connections say

  /** `initial` is what it was told to start from, which claims nothing. */
  connecting(wishes: readonly Wish[], initial: readonly string[]): void {
    const presented: Position[] = []
    this.#presented = presented
    for (const { ref, after } of wishes) {
      const followed = this.#followed[ref - 1]!
      followed.live = this.#together
      followed.last.clear()
      const isInitial = after === initial
      for (const position of after.filter((token) => token.length > 8).flatMap((token) => decodeToken(token))) {
        presented.push(position)
        const incarnation = this.#truth.broker.byHash(position.streamHash)
        if (incarnation !== undefined) this.#stands.set(position.partition, incarnation.index)
        if (!isInitial) this.#checkCovered(followed, position)
      }
    }
  }

  /** Its connection has reached a gateway that reads the log since then. */
  reached(gatewayStartedMs: number): void {
    for (const { streamHash, partition, offset, generation } of this.#presented) {
      const log = this.#truth.broker.byHash(streamHash)?.logs[partition]
      if (log === undefined) continue
      for (const { epoch, from, atMs } of log.rewrites) {
        if (from >= offset || epoch <= generation || (generation >= 0 && atMs > gatewayStartedMs)) continue
        this.#unjudged.push({ place: placeOf(log.incarnation, partition), from, to: offset, epoch })
      }
    }
  }

  frame(frame: ServerFrame): void {
    switch (frame.kind) {
      case 'subscribed': {
        const followed = this.#followed[frame.ref - 1]
        if (followed !== undefined) this.#started(followed, frame.after === '' ? [] : decodeToken(frame.after))
        break
      }
      case 'live':
        for (const followed of this.#followed) if (frame.ref === 0 || followed.ref === frame.ref) followed.live = true
        break
      case 'delivery':
        if (!this.#together) this.#checkDelivery(frame)
        break
      case 'gap':
        this.#checkGap(frame)
        break
      case 'pong':
        if (frame.after === '') break
        for (const position of decodeToken(frame.after)) {
          for (const followed of this.#followed) if (followed.live) this.#checkCovered(followed, position)
        }
    }
  }

  /** SSE and poll: a position of all subjects, behind what was told so far. */
  position(token: string): void {
    const positions = decodeToken(token)
    // What the next poll of the same connection presents.
    this.#presented = positions
    for (const followed of this.#followed) {
      for (const position of positions) if (followed.begun >= 0) this.#checkCovered(followed, position)
      this.#started(followed, positions)
    }
  }

  // What its handlers are given

  event(delivery: Delivery): void {
    this.#delivered++
    const record = this.#find(delivery)
    if (record === undefined) return
    const { subject } = delivery.event
    if (!this.#followed.some((followed) => this.#truth.wants(followed.subject, record))) {
      this.#broken('matching', `was handed ${subject}, which none of its subjects matches`)
    }
    const key = `${subject} ${placeOf(record.incarnation, record.partition)}`
    const last = this.#last.get(key)
    if (last !== undefined && record.offset <= last.offset && this.#isOwedInOrder(record, last)) {
      this.#broken('order', `was handed ${shown(record)} behind ${shown(last)}`)
    }
    if (last === undefined || record.offset > last.offset || last.gone === 'rewritten') this.#last.set(key, record)
    this.#given.add(record)
  }

  /** A delivery to somebody who is owed nothing: it must be true all the same. */
  glimpse(delivery: Delivery): void {
    const record = this.#find(delivery)
    if (record === undefined || this.#followed.some(({ subject }) => this.#truth.wants(subject, record))) return
    this.#broken('matching', `was given ${shown(record)}, which nobody asked for`)
  }

  gap({ after, partition, from, reason }: Gap): void {
    if (reason !== 'rewritten' && reason !== 'recreated') return
    const incarnation = this.#incarnation(after, partition)
    for (const [key, last] of this.#last) {
      const again = reason === 'recreated' || (last.incarnation === incarnation?.index && last.offset >= from)
      if (last.partition === partition && again) this.#last.delete(key)
    }
  }

  #isOwedInOrder(record: LogRecord, last: LogRecord): boolean {
    // Who goes on below the place of a rewrite is told of none.
    if (last.gone === 'rewritten' || record.gone === 'rewritten') return false
    // One subscription was told that it will not be given it, and another one gives it: in the order of its own.
    if (
      this.#followed.some(
        (followed) => this.#truth.wants(followed.subject, record) && this.#wasPassed(followed, record),
      )
    )
      return false
    return !this.#truth.tooEarly(record) && !this.#truth.misplaced(record)
  }

  #wasPassed({ ref, starts }: Followed, { incarnation, partition, offset }: LogRecord): boolean {
    if ((starts.get(placeOf(incarnation, partition)) ?? 0) > offset) return true
    return this.#gaps.some(
      (gap) =>
        gap.refs.includes(ref) &&
        gap.incarnation === incarnation &&
        gap.partition === partition &&
        gap.from <= offset &&
        gap.to >= offset &&
        !policies.has(gap.reason),
    )
  }

  // At the end

  /** A record that it should have been given or told of by now; undefined where there is none. */
  missing(): string | undefined {
    for (const followed of this.#followed) {
      if (followed.begun < 0) return `${this.name}: ${followed.subject} was never begun`
      for (const incarnation of this.#truth.broker.incarnations) {
        for (const log of incarnation.logs) {
          const record = this.#missingIn(followed, log, 0, log.head, Number.POSITIVE_INFINITY)
          if (record !== undefined)
            return `${this.name}: ${followed.subject} was neither given nor told of ${shown(record)}`
        }
      }
    }
    return undefined
  }

  #checkCovered(followed: Followed, position: Position): void {
    const incarnation = this.#truth.broker.byHash(position.streamHash)
    const log = incarnation?.logs[position.partition]
    if (log === undefined) return
    const place = placeOf(log.incarnation, log.partition)
    const verified = followed.verified.get(place) ?? 0
    const record = this.#missingIn(followed, log, verified, position.offset, position.generation)
    if (record === undefined) {
      followed.verified.set(place, Math.max(verified, position.offset))
      return
    }
    const { offset, generation } = position
    this.#broken(
      'covered',
      `${followed.subject} stands at ${place}@${offset} (${generation}), but lacks ${shown(record)}`,
    )
  }

  /** The first record of [from, to) that was neither given nor told of. */
  #missingIn(
    followed: Followed,
    log: PartitionLog,
    from: number,
    to: number,
    generation: number,
  ): LogRecord | undefined {
    const start = this.#startOf(followed, log)
    if (start === undefined) return undefined
    const least = Math.max(from, start)
    const nowMs = this.#nowMs()
    return log.past.find((record) => {
      const { offset, hidden, seenMs } = record
      if (offset < least || offset >= to || hidden || seenMs > nowMs || this.#given.has(record)) return false
      if (!(record.damaged ? this.#truth.reads(followed.subject, log) : this.#truth.wants(followed.subject, record)))
        return false
      return record.gone !== 'rewritten' && log.inLineage(record, generation) && !this.#isTold(followed, record)
    })
  }

  /** undefined where nothing is owed: the subscription began with a later incarnation. */
  #startOf(followed: Followed, log: PartitionLog): number | undefined {
    const start = followed.starts.get(placeOf(log.incarnation, log.partition))
    if (start !== undefined) return start
    return log.incarnation >= followed.begun ? 0 : undefined
  }

  #isTold(followed: Followed, record: LogRecord): boolean {
    const place = placeOf(record.incarnation, record.partition)
    const { offset } = record
    if (
      this.#unjudged.some(
        (each) => each.place === place && each.epoch <= record.epoch && each.from <= offset && each.to > offset,
      )
    )
      return true
    const displacedMs = this.#truth.displacedMs(record)
    // Documented: events of moved subjects that were written before stay in the old partitions, also for who begins later.
    if (
      displacedMs !== undefined &&
      (followed.startedMs >= displacedMs || this.#together || this.#truth.movedTwice(record))
    )
      return true
    if (this.#truth.tooEarly(record) || this.#truth.misplaced(record)) return true
    const { deletedMs } = this.#truth.broker.incarnations[record.incarnation]!
    return this.#gaps.some((gap) => {
      // What a policy leaves out is left out for everybody: told once to a client, it is told.
      if (!gap.refs.includes(followed.ref) && !policies.has(gap.reason)) return false
      if (gap.reason === 'recreated' && gap.incarnation > record.incarnation) {
        // Of a rewrite that came shortly before nobody may have heard.
        if (record.epoch > 0) return true
        return gap.partition !== record.partition || gap.from <= record.offset || gap.before !== record.incarnation
      }
      if (gap.incarnation === record.incarnation && gap.partition === record.partition) {
        // What was gone before it came is part of what it does not know of the new log.
        if (gap.reason === 'recreated' && record.gone === 'retention' && record.goneMs <= gap.atMs) return true
        if (gap.reason === 'repartitioned' && offset < gap.from) return true
        // Damage has no epoch: where a history begins with it, the agreement reaches past it.
        if (record.damaged && gap.reason === 'rewritten' && gap.atMs >= record.seenMs) return true
      }
      if (
        gap.reason === 'recreated' &&
        gap.incarnation === record.incarnation &&
        displacedMs !== undefined &&
        gap.atMs >= displacedMs
      )
        return true
      const moved = gap.reason === 'repartitioned' || gap.reason === 'unnamed'
      if (moved && gap.atMs >= deletedMs) return true
      if (moved && displacedMs !== undefined && gap.atMs >= displacedMs) return true
      if (gap.incarnation !== record.incarnation || gap.partition !== record.partition) return false
      if (gap.from > record.offset || gap.to < record.offset || gap.atMs < record.seenMs) return false
      return final.has(gap.reason)
    })
  }

  /** Only once: a partition that comes later is owed from its beginning, and what is passed over there has to be told. */
  #started(followed: Followed, positions: readonly Position[]): void {
    if (followed.begun >= 0) return
    followed.startedMs = this.#nowMs()
    for (const { streamHash, partition, offset } of positions) {
      const incarnation = this.#truth.broker.byHash(streamHash)
      if (incarnation === undefined) continue
      followed.begun = Math.max(followed.begun, incarnation.index)
      followed.starts.set(placeOf(incarnation.index, partition), offset)
    }
    if (followed.begun < 0) followed.begun = this.#truth.broker.current.index
  }

  // One frame

  #checkDelivery(delivery: Delivery): void {
    const { refs, after, partition, offset } = delivery
    const record = this.#find(delivery)
    if (record === undefined) return
    const [position] = decodeToken(after)
    if (position?.partition !== partition || position.offset !== offset + 1) {
      this.#broken('token of a delivery', `${shown(record)} came with the position ${JSON.stringify(position)}`)
    }
    const place = placeOf(record.incarnation, partition)
    for (const followed of this.#followed) {
      const named = refs?.includes(followed.ref) === true
      const wanted = this.#truth.wants(followed.subject, record)
      if (named && !wanted) this.#broken('matching', `${shown(record)} names ref ${followed.ref} (${followed.subject})`)
      // With other partitions a ref that was told to be live is not so in each of them.
      const unnamed = (refs === undefined || refs.length === 0) && followed.live && !this.#wasRepartitioned()
      if (!wanted || !(named || unnamed)) continue
      const last = followed.last.get(place) ?? -1
      if (offset <= last) this.#broken('once a ref', `ref ${followed.ref} got ${shown(record)} behind offset ${last}`)
      followed.last.set(place, offset)
    }
  }

  #checkGap(gap: Gap): void {
    const { refs, partition, from, to, reason, after } = gap
    const isNamed = refs !== undefined && refs.length > 0
    // A ref of several partitions is live in some before it is told that it is in all.
    const among = ({ live, subject }: Followed) => live || isPattern(subject)
    const named = isNamed ? refs : this.#followed.filter(among).map(({ ref }) => ref)
    const incarnation = this.#incarnation(after, partition)
    if (incarnation === undefined) return
    const { index } = incarnation
    const before = this.#stands.get(partition)
    this.#stands.set(partition, index)
    this.#gaps.push({
      incarnation: index,
      before,
      partition,
      from,
      to: to ?? Number.POSITIVE_INFINITY,
      reason,
      refs: named,
      atMs: this.#nowMs(),
    })
    if (isNamed && reason === 'repartitioned') {
      for (const followed of this.#followed) if (named.includes(followed.ref)) followed.live = false
    }
    if (reason === 'rewritten' || reason === 'recreated') {
      for (const followed of this.#followed.filter(({ ref }) => named.includes(ref))) this.#rewind(followed, gap, index)
    }
    const fault = this.#gapFault(gap, incarnation, named)
    if (fault !== undefined) this.#broken('true gap', `${reason} ${from} to ${to} of partition ${partition}: ${fault}`)
  }

  #rewind(followed: Followed, { reason, partition, from }: Gap, incarnation: number): void {
    for (const list of [followed.last, followed.verified]) {
      for (const [place, offset] of list) {
        if (reason === 'recreated') {
          if (place.endsWith(`/${partition}`)) list.delete(place)
        } else if (place === placeOf(incarnation, partition) && offset >= from) {
          list.set(place, list === followed.last ? from - 1 : from)
        }
      }
    }
  }

  /** Why the gap is not true; undefined where it is. */
  #gapFault(gap: Gap, incarnation: Incarnation, named: readonly number[]): string | undefined {
    const { partition, from, to = Number.POSITIVE_INFINITY, reason, certain, n } = gap
    const log = incarnation.logs[partition]
    if (log === undefined) return 'there is no such partition'
    if (to < from) return 'it ends before it begins'
    const wanted = this.#followed.filter(({ ref }) => named.includes(ref))
    const inside = log.past.filter(
      (record) => record.offset >= from && record.offset <= to && !record.hidden && record.seenMs <= this.#nowMs(),
    )
    const theirs = inside.filter((record) => wanted.some(({ subject }) => this.#truth.wants(subject, record)))
    // A record that was in the wrong place for some may or may not be part of it.
    const sure = theirs.filter((record) => record.gone === undefined && !this.#truth.strayed(record))
    const kept = theirs.filter((record) => record.gone === undefined)
    switch (reason) {
      case 'retention':
        return kept.length === 0 ? undefined : `${shown(kept[0]!)} is still there`
      case 'corrupt':
        return this.#wasRewritten(partition, to) || kept.every(({ damaged }) => damaged)
          ? undefined
          : 'not all of it is damaged'
      case 'rewritten':
        return this.#wasRewritten(partition, to) ? undefined : 'the log was not rewritten there'
      case 'recreated':
        return this.#truth.broker.incarnations.length > 1 ? undefined : 'it was never created again'
      case 'repartitioned':
        // Told of each empty partition that a token of its stream does not name.
        return from === 0 || this.#wasRepartitioned() ? undefined : 'the number of partitions never changed'
      case 'unnamed':
      case 'budget':
        return undefined
      default:
        if (!certain || n === undefined) return 'what a policy drops is counted, and certain'
        if (wanted.length === 1 && (n < sure.length || n > theirs.length))
          return `it counts ${n}, there are ${sure.length}`
        // What it was about may have been rewritten since.
        return this.#wasRewritten(partition, to) ? undefined : this.#dropFault(reason, sure)
    }
  }

  #dropFault(reason: GapReason, dropped: readonly LogRecord[]): string | undefined {
    for (const record of dropped) {
      const { subject, collapseKey, ttlMs } = record.event!
      if (reason === 'ttl') {
        if (ttlMs === 0) return `${shown(record)} has no time to live`
        continue
      }
      if (reason !== 'collapsed') return 'nobody asked for the latest only'
      const log = this.#truth.broker.incarnations[record.incarnation]!.logs[record.partition]!
      const taken = log.past.some(
        ({ offset, event }) =>
          offset > record.offset && event?.subject === subject && event.collapseKey === collapseKey,
      )
      if (collapseKey === '' || !taken) return `nothing took the place of ${shown(record)}`
    }
    return undefined
  }

  /** It may be told late, when the log is another one already. */
  #wasRewritten(partition: number, to: number): boolean {
    return this.#truth.broker.incarnations.some(({ logs }) => logs[partition]?.rewrites.some(({ from }) => from <= to))
  }

  #wasRepartitioned(): boolean {
    const { incarnations } = this.#truth.broker
    return incarnations.some(({ growths, logs }) => growths.length > 0 || logs.length !== incarnations[0]!.logs.length)
  }

  #find(delivery: Delivery): LogRecord | undefined {
    const { partition, offset, event, after } = delivery
    const record = this.#truth.find(delivery, this.#incarnation(after, partition))
    if (record === undefined) {
      this.#broken('content', `partition ${partition} never had ${JSON.stringify({ ...event, data: '' })} at ${offset}`)
    } else if (record.hidden || record.damaged || record.seenMs > this.#nowMs()) {
      this.#broken('content', `${shown(record)} was not to be seen`)
      return undefined
    }
    return record
  }

  /** That of the token's position in the partition. */
  #incarnation(token: string, partition: number): Incarnation | undefined {
    if (token === '') return undefined
    const position = decodeToken(token).find((each) => each.partition === partition)
    return position && this.#truth.broker.byHash(position.streamHash)
  }

  #broken(promise: PromiseName, message: string): void {
    this.#verdict.broken(promise, `${this.name}: ${message}`)
  }
}

export function shown({ incarnation, partition, offset, epoch, event, damaged }: LogRecord): string {
  const what = event === undefined ? (damaged ? 'damaged' : 'unusable') : `${event.subject} "${event.id}"`
  return `${what} at ${placeOf(incarnation, partition)}@${offset} (epoch ${epoch})`
}
