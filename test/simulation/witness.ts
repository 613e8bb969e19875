import type { ReceivedEvent, ReceivedGap } from '../../src/client/received.ts'
import type { Lost } from '../../src/log/losses.ts'
import type { Gap, GapReason } from '../../src/wire/frames.ts'
import { decodeToken, isGrowth, isSameLog, keyOf, type Log, type Position } from '../../src/wire/token.ts'
import { placeOf, Stood, type Subscriber, type ToldGap } from './excuses.ts'
import { Ledger } from './ledger.ts'
import { isUnreadable, type LogRecord, type PartitionLog } from './partition-log.ts'
import { isToken, shown, shownToken } from './shown.ts'
import type { Truth } from './truth.ts'
import type { PromiseName, Verdict } from './verdict.ts'

/** The part of a log in a gateway's memory: payloads from `tail`, index from `indexTail`. */
export interface Memory {
  readonly tail: number
  readonly indexTail: number
  /** Returns the generation of the history that it holds below `offset`; -1 = unknown. */
  generationAt(offset: number): number
  /** Returns the first lost range of that part that ends at `offset` or above. */
  nextLost(offset: number): Lost | undefined
}

/** Time and offset from which a gateway reads a log. It reads lower offsets only on request. */
export interface Reading {
  readonly sinceMs: number
  readonly from: number
}

/** A gateway's knowledge to verify a token, and its budgets. Absent = not recorded. */
export interface GatewayKnowledge {
  /** Returns its reading of the position's log; undefined = it does not read it. */
  reading(position: Position): Reading | undefined
  /** Returns its head in the position's log; Infinity = it does not read it. */
  head(position: Position): number
  /** Returns what it currently holds of the partition; undefined = it does not read it. */
  memory?(log: Log, partition: number): Memory | undefined
  /** Its `readBack.maxBytesPerSession`. */
  readonly maxBytesPerSession?: number
  /** Its `readBack.maxAgeMs`; 0 = no limit. */
  readonly maxAgeMs?: number
  /** Its wall clock, Unix ms: `most` = as if never set back, `least` = as if never set forward. */
  clockMs?(): { readonly most: number; readonly least: number }
}

/** A subscription's request. */
interface Wished {
  readonly subject: string
  readonly after?: readonly string[] | undefined
  readonly last?: number | undefined
}

/**
 * Watches one subscription across all its connections. Records the gateways' frames for it and
 * the items of its handlers, and checks both against the truth.
 */
export class Witness implements Subscriber {
  readonly name: string
  readonly subject: string
  together = false
  shared = false
  readonly beginning = { starts: new Map<string, number>(), ms: Number.POSITIVE_INFINITY, incarnation: -1 }
  readonly unjudged: Subscriber['unjudged'] = []
  readonly blind: Subscriber['blind'] = []
  /**
   * Positions that a gateway sent without a generation although it had read the record directly
   * below, by place and offset.
   */
  readonly #withheld = new Set<string>()
  stood = new Stood()
  /** Ledger of what the connections received. */
  readonly received: Ledger
  /** Ledger of what the handlers received. */
  readonly #handed: Ledger
  readonly #truth: Truth
  readonly #verdict: Verdict
  readonly #nowMs: () => number
  /** The last delivered event, by subject, incarnation and partition. */
  readonly #last = new Map<string, LogRecord>()
  /**
   * The incarnation that it has positions of, by partition, as its connections say and as its
   * handlers know.
   */
  readonly #stands = new Map<number, number>()
  readonly #handedStands = new Map<number, number>()
  /** The logs that its handlers know of: where it began, and what gaps led them to. */
  readonly #knownLogs = new Set<number>()
  /**
   * The last gap by which its connections brought it into another log: one may have been left at
   * it.
   */
  #lastMove: ToldGap | undefined
  /** It asked for the last events only of what was there. */
  readonly #lastOnly: number | undefined
  /**
   * It asked for what is as young as that, Unix ms; undefined where it did not ask for any time.
   */
  readonly #sinceMs: number | undefined
  /** When it was asked for last. */
  #askedMs = 0
  #presented: readonly Position[] = []
  /**
   * Incarnations that its request names together: several may know different ones, or one may
   * keep a position that the new log has no place for.
   */
  #mixed: ReadonlySet<number> = new Set()
  /** A gateway said where it stands. */
  #hasPosition = false
  #checkedToken = ''
  delivered = 0

  constructor(
    name: string,
    { subject, after = [], last }: Wished,
    truth: Truth,
    { verdict, nowMs }: { readonly verdict: Verdict; readonly nowMs: () => number },
  ) {
    this.name = name
    this.subject = subject
    this.#lastOnly = last
    this.#sinceMs = sinceMsOf(after)
    this.#truth = truth
    this.#verdict = verdict
    this.#nowMs = nowMs
    this.received = new Ledger(this, truth, nowMs, verdict.excuses)
    this.#handed = new Ledger(this, truth, nowMs, verdict.excuses)
  }

  // Frames of its connections

  /** `after` is what a gateway is asked for; a claim only once the subscription has begun. */
  asks(after: readonly string[], together: boolean, shared: boolean): void {
    this.#askedMs = this.#nowMs()
    this.together ||= together
    this.shared ||= shared
    const hadPosition = this.#hasPosition
    this.presents(after.filter(isToken).flatMap((token) => decodeToken(token)))
    if (hadPosition && this.#presented.length === 0) {
      this.broken('resumes', `had a position, and asks for ${after.join(' ') || 'latest'}`)
    }
    this.#staysBefore(this.#lastMove)
    const named = new Set(this.#presented.flatMap((position) => this.#truth.broker.byLog(position)?.index ?? []))
    this.#mixed = shared && named.size > 1 ? named : new Set()
    if (named.size === 1) this.#standsOnlyIn(named)
    for (const position of this.#mixed.size > 0 ? [] : this.#presented) {
      const incarnation = this.#standsAt(position)
      if (incarnation !== undefined && !this.#handedStands.has(position.partition))
        this.#handedStands.set(position.partition, incarnation)
    }
    this.claimed(this.#presented, 'presents')
  }

  /**
   * Its connection was left at that gap, before it took it: it asks from where it stood in the
   * partition, and names no place behind the gap.
   */
  #staysBefore(gap: ToldGap | undefined): void {
    const named = this.#presented.filter(({ partition }) => partition === gap?.partition)
    const isNamed = (incarnation: number) =>
      named.some((position) => this.#truth.broker.byLog(position)?.index === incarnation)
    if (gap?.before === undefined || this.#stands.get(gap.partition) !== gap.incarnation) return
    if (isNamed(gap.incarnation) || !isNamed(gap.before)) return
    this.#stands.set(gap.partition, gap.before)
  }

  /**
   * It asks from nowhere else: gaps that led elsewhere came on a connection that was left at
   * them, before it took any.
   */
  #standsOnlyIn(named: ReadonlySet<number>): void {
    for (const [partition, incarnation] of this.#stands) if (!named.has(incarnation)) this.#stands.delete(partition)
  }

  /** A position of its own: which incarnation it is in. */
  #standsAt(position: Position): number | undefined {
    const incarnation = this.#truth.broker.byLog(position)?.index
    if (incarnation !== undefined) this.#stands.set(position.partition, incarnation)
    return incarnation
  }

  presents(positions: readonly Position[]): void {
    this.#presented = positions
  }

  /** What was asked has reached a gateway that reads the log since then. */
  reached({ reading, head, memory }: GatewayKnowledge): void {
    for (const position of this.#presented) {
      const { partition, offset, generation } = position
      const log = this.#truth.broker.byLog(position)?.logs[partition]
      if (log === undefined) continue
      const place = placeOf(log.incarnation, partition)
      const known = this.#truth.epochOf(log, offset, generation)
      if (known < 0 && offset > head(position)) {
        this.blind.push({ place, to: offset, sinceMs: this.#nowMs() })
      }
      const isUnsaid = generation < 0 && !this.#withheld.has(withOffset(place, offset))
      const read = reading(position)
      // It is held against the log once its gateway reads that.
      if (read === undefined || (known < 0 && !isUnsaid)) continue
      // Times are compared with those of the records that are there and in its index; epochs are
      // remembered.
      const kept = Math.max(log.first, memory?.(position, partition)?.indexTail ?? 0)
      const isGone = this.#truth.broker.generations === 'times' && offset <= kept
      const to = isUnsaid || isGone ? offset : Math.min(offset, read.from)
      for (const { epoch, from, atMs } of log.rewrites) {
        if (from >= to || epoch <= known) continue
        const isKnown = isUnsaid ? this.stood.wasInBefore(place, { epoch, offset }) : atMs > read.sinceMs && !isGone
        if (!isKnown) this.unjudged.push({ place, from, to, epoch })
      }
    }
  }

  /**
   * A gateway says where it begins. Only once: a partition that comes later is owed from its
   * beginning.
   */
  begins(told: readonly Position[], isLive = false): void {
    const { beginning } = this
    const positions = told.filter((position) => !isGrowth(position))
    this.#hasPosition ||= positions.length > 0
    if (beginning.incarnation >= 0) return
    // With `last` it is asked for anew, and counts from there, until its events have come.
    if (this.#lastOnly !== undefined && positions.length === 0 && !isLive) return
    beginning.ms = this.#nowMs()
    for (const position of positions) {
      const { partition, offset } = position
      const incarnation = this.#truth.broker.byLog(position)
      if (incarnation === undefined) continue
      if (this.#mixed.size === 0) this.#standsAt(position)
      this.#knownLogs.add(incarnation.index)
      beginning.incarnation = Math.max(beginning.incarnation, incarnation.index)
      beginning.starts.set(
        placeOf(incarnation.index, partition),
        Math.min(offset, this.#dueIn(incarnation.logs[partition])),
      )
    }
    if (beginning.incarnation < 0) beginning.incarnation = this.#truth.broker.current.index
    if (this.#lastOnly === undefined) return
    // What was there is not owed.
    for (const { incarnation, partition, head } of this.#truth.broker.incarnations[beginning.incarnation]!.logs) {
      beginning.starts.set(placeOf(incarnation, partition), head)
    }
  }

  /**
   * It has its last events from a gateway that may lag behind the one which counted them: what
   * that has not read is owed like all that is new.
   */
  goesOn(heads: ReadonlyMap<string, number>, presented: readonly Position[]): void {
    const { starts } = this.beginning
    for (const [place, head] of heads) {
      const start = starts.get(place)
      const own = presented.find((position) => this.#placeAt(position) === place)
      if (start !== undefined && own !== undefined) starts.set(place, Math.min(start, Math.max(head, own.offset)))
    }
  }

  #placeAt(position: Position): string | undefined {
    const incarnation = this.#truth.broker.byLog(position)
    return incarnation && placeOf(incarnation.index, position.partition)
  }

  /** The first record that it asked for by its time, wherever its gateway begins. */
  #dueIn(log: PartitionLog | undefined): number {
    const sinceMs = this.#sinceMs
    if (log === undefined || sinceMs === undefined) return Number.POSITIVE_INFINITY
    const due = log.entries.find((record) => {
      const { hidden, seenMs, timeMs } = record
      return timeMs >= sinceMs && !hidden && seenMs <= this.#askedMs && this.#truth.wants(this.subject, record)
    })
    return due?.offset ?? Number.POSITIVE_INFINITY
  }

  /** It is asked for from its start, as if no gateway had said where that is. */
  beginsAgain(token: string | undefined): void {
    if (token !== undefined) this.broken('missing', `starts anew, though it stands at ${shownToken(token)}`)
    this.#forgetBeginning()
  }

  #forgetBeginning(): void {
    this.#hasPosition = false
    this.stood = new Stood()
    this.beginning.starts.clear()
    this.beginning.ms = Number.POSITIVE_INFINITY
    this.beginning.incarnation = -1
    this.#knownLogs.clear()
  }

  /** Somebody says that it stands there: a gateway, or its own client. */
  claimed(said: readonly Position[], who: string, gateway?: GatewayKnowledge): void {
    const positions = this.shared ? said.filter((position) => !this.#isAnothers(position, said)) : said
    const hasBegun = this.beginning.incarnation >= 0
    for (const position of hasBegun ? positions : []) this.#check(this.received, position, who)
    for (const position of said) {
      const { partition, offset, generation } = position
      const log = this.#truth.broker.byLog(position)?.logs[partition]
      if (log === undefined) continue
      const place = placeOf(log.incarnation, partition)
      // Where its subject has left a partition, its client carries its place on there with the
      // others' all the same.
      const isCarried = this.#stands.get(partition) === log.incarnation && this.stood.isIn(place)
      if (!isCarried && !positions.includes(position)) continue
      const step = { offset, epoch: this.#truth.epochOf(log, offset, generation), atMs: this.#nowMs() }
      this.stood.reached(place, step)
      if (gateway !== undefined && this.#isWithheld(position, log, gateway))
        this.#withheld.add(withOffset(place, offset))
    }
  }

  /**
   * Its gateway has read the record right below, and does not say of which history that is. Who
   * came without a generation goes on so.
   */
  #isWithheld(position: Position, log: PartitionLog, { reading, head, memory }: GatewayKnowledge): boolean {
    const { partition, offset, generation } = position
    const read = reading(position)
    if (read === undefined || generation >= 0 || offset <= read.from || offset > head(position)) return false
    if (this.#presented.some((each) => each.generation < 0 && keyOf(each) === keyOf(position))) return false
    const isForgotten =
      this.#truth.broker.generations === 'times' && offset <= (memory?.(position, partition)?.indexTail ?? 0)
    const isBelow = (record: LogRecord) => record.offset === offset - 1 && this.#isReadable(record)
    return !isForgotten && log.entries.some(isBelow) && !this.#isOfEmptyHistory(offset, log, read)
  }

  #isReadable(record: LogRecord): boolean {
    return !record.hidden && !isUnreadable(record) && record.seenMs <= this.#nowMs()
  }

  /**
   * When its gateway named the position, it may not have heard of a rewrite that it knows of now:
   * in the history before, it had read up to there, and no record by which it could say which
   * history that was.
   */
  #isOfEmptyHistory(offset: number, log: PartitionLog, { sinceMs, from }: Reading): boolean {
    const { generations } = this.#truth.broker
    let least = from
    for (const rewrite of log.rewrites) {
      if (rewrite.atMs <= sinceMs) continue
      const isOfIt = (record: LogRecord) =>
        record.gone !== 'retention' && this.#isReadable(record) && log.inLineage(record, rewrite.epoch - 1)
      // Of times only that of the record right below says something.
      const low = generations === 'times' ? offset - 1 : least
      if (rewrite.head >= offset && log.find(low, offset, isOfIt) === undefined) return true
      least = Math.min(least, rewrite.from)
    }
    return false
  }

  /**
   * Documented: of several subjects a position is of those who stand in its log, and were there
   * with as many partitions as the token says.
   */
  #isAnothers(position: Position, said: readonly Position[]): boolean {
    const { partition } = position
    const { index = -1 } = this.#truth.broker.byLog(position) ?? {}
    if (this.#mixed.has(index) && this.#stands.get(partition) !== index) return true
    const growth = said.find((each) => isGrowth(each) && isSameLog(each, position))
    if (growth === undefined) return false
    return (
      partition >= growth.offset ||
      (!this.#truth.isSpread(this.subject) && !this.#truth.isPlace(this.subject, growth.offset, partition))
    )
  }

  told(gap: Gap): ToldGap | undefined {
    if (this.#isInAnothersLog(gap)) return undefined
    const told = this.#told(gap, this.#stands)
    if (told !== undefined) this.received.gap(told)
    // One that comes twice, by two refs of the same subscription or with refs and without, moves
    // it only once.
    if (told?.before !== told?.incarnation) this.#lastMove = told
    return told
  }

  /**
   * Of several that stand in different logs of a partition, a gap inside of one is of those who
   * stand there: the others leave before it.
   */
  #isInAnothersLog({ after, partition, reason }: Gap): boolean {
    const { index = -1 } = this.#truth.incarnationOf(after, partition) ?? {}
    const own = this.#stands.get(partition)
    return this.#mixed.has(index) && own !== undefined && own !== index && !opens.has(reason)
  }

  // Items of its handlers

  event(event: ReceivedEvent): void {
    this.delivered++
    const record = this.#truth.find(event, event, this.#truth.incarnationOf(event.after, event.partition))
    if (record === undefined) return
    if (!this.#truth.wants(this.subject, record)) this.broken('matching', `was handed ${shown(record)}`)
    const key = `${event.subject} ${placeOf(record.incarnation, record.partition)}`
    const last = this.#last.get(key)
    if (last !== undefined && record.offset <= last.offset && this.#isOwedInOrder(record, last)) {
      this.broken('order', `was handed ${shown(record)} behind ${shown(last)}`)
    }
    if (last === undefined || record.offset > last.offset || last.gone === 'rewritten') this.#last.set(key, record)
    this.#handed.given.add(record)
    if (this.#knownLogs.size > 0 && !this.#knownLogs.has(record.incarnation)) {
      this.broken('told first', `was handed ${shown(record)}, and no gap that leads to that log`)
    }
    this.#knownLogs.add(record.incarnation)
  }

  gap(gap: ReceivedGap): void {
    if (gap.after === '') this.broken('true gap', `was handed a gap ${gap.reason} that does not say where it goes on`)
    const told = this.#told(gap, this.#handedStands)
    if (told === undefined) return
    this.#handed.gap(told)
    this.#knownLogs.add(told.incarnation)
    // Documented: where gateways disagree how many partitions a stream that was created again
    // has, one may give its partition once more.
    const mayBeAgain = told.reason === 'repartitioned' && this.#truth.broker.incarnations.length > 1
    if (told.reason !== 'rewritten' && told.reason !== 'recreated' && !mayBeAgain) return
    for (const [key, last] of this.#last) {
      const isAgain = last.incarnation === told.incarnation && last.offset >= told.from
      if (last.partition === told.partition && (told.reason === 'recreated' || isAgain)) this.#last.delete(key)
    }
  }

  /** Where its program says that it stands. */
  stands(token: string | undefined): void {
    if (token === undefined || token === this.#checkedToken || this.beginning.incarnation < 0) return
    this.#checkedToken = token
    for (const position of decodeToken(token)) this.#check(this.#handed, position, 'has handled')
  }

  /**
   * Records that the program ended without a shutdown, and resumes from this position or starts
   * again without one.
   */
  restarts(token: string | undefined): void {
    const positions = token === undefined ? [] : decodeToken(token)
    if (token === undefined) this.#forgetBeginning()
    else this.begins(positions)
    this.#handed.forgetBeyond(positions)
    this.#stands.clear()
    this.#handedStands.clear()
    this.#knownLogs.clear()
    for (const position of positions) {
      const incarnation = this.#standsAt(position)
      if (incarnation === undefined) continue
      this.#handedStands.set(position.partition, incarnation)
      this.#knownLogs.add(incarnation)
    }
    for (const [key, last] of this.#last) if (!this.#handed.given.has(last)) this.#last.delete(key)
  }

  // At the end

  /** A record that it should have been given or told of by now; undefined where there is none. */
  missing(): string | undefined {
    if (this.beginning.incarnation < 0) return `${this.name}: ${this.subject} was never begun`
    const record = this.#handed.missing()
    return record && `${this.name}: ${this.subject} was neither given nor told of ${shown(record)}`
  }

  /**
   * Where it should stand further on, nobody having published for a while; undefined where there
   * is no such place.
   */
  stale(token: string | undefined): string | undefined {
    const positions = token === undefined ? [] : decodeToken(token)
    const { current } = this.#truth.broker
    for (const { partition, head, rewrites } of this.#truth.headsFor(this.subject)) {
      const own = positions.find((position) => isSameLog(position, current) && position.partition === partition)
      // Documented: of one position for several, who was not told of a partition, and got nothing
      // from it, takes none there.
      if (own?.offset === head || (own === undefined && this.shared)) continue
      // Documented: nor does who stood further on hear of a rewrite, until something of the new
      // history comes.
      if (this.shared && own!.offset > head && rewrites.some(({ from }) => from <= head)) continue
      return `${this.name}: ${this.subject} stands at ${partition}@${own?.offset} for long, and the head is ${head}`
    }
    return undefined
  }

  broken(promise: PromiseName, message: string): void {
    this.#verdict.broken(promise, `${this.name}: ${this.subject} ${message}`)
  }

  #check(ledger: Ledger, position: Position, who: string): void {
    const record = ledger.missingBelow(position)
    if (record === undefined) return
    const { partition, offset, generation } = position
    this.broken('covered', `${who} ${partition}@${offset} (${generation}), but lacks ${shown(record)}`)
  }

  #told(gap: Gap | ReceivedGap, stands: Map<number, number>): ToldGap | undefined {
    const { after, partition, from, to, reason } = gap
    const incarnation = this.#truth.incarnationOf(after, partition)
    if (incarnation === undefined) return undefined
    const before = stands.get(partition)
    stands.set(partition, incarnation.index)
    const end = to ?? Number.POSITIVE_INFINITY
    const next = this.#truth.positionIn(after, partition)?.offset ?? 0
    return { incarnation: incarnation.index, before, partition, from, to: end, next, reason, atMs: this.#nowMs() }
  }

  #isOwedInOrder(record: LogRecord, last: LogRecord): boolean {
    // Who goes on below the place of a rewrite is told of none.
    if (last.gone === 'rewritten' || record.gone === 'rewritten') return false
    // Documented: of a subject that has moved, what is left in its old place may come or not, as
    // a gateway has it in memory.
    if (this.#truth.displacedMs(record) !== undefined && !this.#handed.given.has(record)) return false
    return !this.#truth.tooEarly(record) && !this.#truth.misplaced(record)
  }
}

/** Reasons of gaps that lead a subscription into another log. */
const opens: ReadonlySet<GapReason> = new Set(['recreated', 'repartitioned', 'unnamed'])

const withOffset = (place: string, offset: number): string => `${place}@${offset}`

/** Returns the Unix ms of `@time` and of `earliest`; undefined for anything else. */
function sinceMsOf([first = 'latest']: readonly string[]): number | undefined {
  if (first === 'earliest') return Number.NEGATIVE_INFINITY
  return first.startsWith('@') ? Date.parse(first.slice(1)) : undefined
}
