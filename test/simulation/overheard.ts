import type { Connection, Handlers, SubscribeRequest } from '../../src/client/connection.ts'
import type { Lost } from '../../src/log/losses.ts'
import type { Delivery, Gap, ServerFrame } from '../../src/wire/frames.ts'
import { decodeToken, type Position } from '../../src/wire/token.ts'
import { lastFault, lateFault, type Read, type Told } from './duties.ts'
import { placeOf } from './excuses.ts'
import { type Asked, gapFault } from './gap-truth.ts'
import type { LogRecord } from './partition-log.ts'
import { isToken, shown, shownToken } from './shown.ts'
import type { Truth } from './truth.ts'
import type { Verdict } from './verdict.ts'
import type { GatewayKnowledge, Memory, Witness } from './witness.ts'

/** One ref of a connection. */
interface Served {
  readonly witness: Witness
  /** The request; for a poll, the current one. */
  asked: Asked
  /**
   * The request at the start of the ref on this connection, from which `given` and `told` count.
   */
  first: Asked
  /** What the gateway had read when it first sent the start position. */
  answered: Read | undefined
  readonly given: Set<LogRecord>
  readonly told: Told[]
  /** true = the gateway reported the subscription live. */
  live: boolean
  /** Offset of the last record delivered on this connection, by incarnation and partition. */
  readonly last: Map<string, number>
}

/**
 * One overheard connection: interprets each frame of the gateway and assigns it to subscriptions.
 */
export class Overheard {
  readonly #separate: boolean
  readonly #byRef = new Map<number, Served>()
  readonly #truth: Truth
  readonly #verdict: Verdict
  readonly #nowMs: () => number
  /** Refs with an unconfirmed unsubscribe. */
  readonly #leaving = new Map<number, Served>()
  #gateway: GatewayKnowledge | undefined
  /** true = some refs were unsubscribed, and a frame without refs may have been for them. */
  #others = false

  constructor(separate: boolean, truth: Truth, verdict: Verdict, nowMs: () => number) {
    this.#separate = separate
    this.#truth = truth
    this.#verdict = verdict
    this.#nowMs = nowMs
  }

  get name(): string {
    return [...this.#byRef.values()][0]?.witness.name ?? ''
  }

  asks({ ref, after, last, policy }: SubscribeRequest, witness: Witness, isOne = true): void {
    const presented = after.filter(isToken).flatMap((token) => decodeToken(token))
    const { subject } = witness
    const isLatest = policy === 'latest'
    const asked = { subject, isLatest, last, presented, ...this.#read() }
    const heard = { given: new Set<LogRecord>(), told: [], answered: undefined }
    this.#byRef.set(ref, { witness, asked, first: asked, ...heard, live: false, last: new Map() })
    witness.asks(after, !this.#separate, !this.#separate && !isOne)
    this.#judged(witness)
  }

  reached(gateway: GatewayKnowledge): void {
    const isFirst = this.#gateway === undefined
    this.#gateway = gateway
    const read = this.#read()
    for (const served of this.#byRef.values()) {
      served.asked = { ...served.asked, ...read }
      if (isFirst) served.first = served.asked
      this.#judged(served.witness)
    }
  }

  /**
   * Returns the gateway's current heads and epochs, and the ranges that it missed, where known.
   */
  #read(): Read & Pick<Asked, 'lost'> {
    const gateway = this.#gateway
    const atMs = this.#nowMs()
    if (gateway === undefined) return { atMs, heads: undefined, epochs: undefined }
    const heads = new Map<string, number>()
    const epochs = new Map<string, number>()
    const lost = new Map<string, readonly Lost[]>()
    for (const { nameHash, incarnationHash, logs } of this.#truth.broker.incarnations) {
      for (const log of logs) {
        const { incarnation, partition } = log
        const position = { nameHash, incarnationHash, partition, offset: 0, generation: -1 }
        const head = gateway.head(position)
        if (head === Number.POSITIVE_INFINITY) continue
        const place = placeOf(incarnation, partition)
        const memory = gateway.memory?.(position, partition)
        heads.set(place, head)
        epochs.set(place, this.#truth.epochOf(log, head, memory?.generationAt(head) ?? -1))
        if (memory !== undefined) lost.set(place, unreadOf(memory))
      }
    }
    return heads.size === 0 ? { atMs, heads: undefined, epochs: undefined } : { atMs, heads, epochs, lost }
  }

  handlers(to: Handlers): Handlers {
    return {
      frame: (frame) => {
        this.#verdict.note(() => `  frame ${this.name} ${JSON.stringify({ ...frame, event: undefined })}`)
        this.frame(frame)
        to.frame(frame)
      },
      position: (token) => {
        this.#verdict.note(() => `  position ${this.name} ${shownToken(token)}`)
        this.position(token)
        to.position(token)
      },
      closed: (refused) => to.closed(refused),
    }
  }

  connection(of: Connection, witnessOf: (subject: string, after: readonly string[]) => Witness): Connection {
    if (of.subscribe === undefined) return of
    return {
      subscribe: (wish) => {
        this.asks(wish, witnessOf(wish.subject, wish.after))
        of.subscribe?.(wish)
      },
      unsubscribe: (ref) => {
        this.leaves(ref)
        of.unsubscribe?.(ref)
      },
      check: () => of.check?.(),
      close: () => of.close(),
    }
  }

  /** Records an unsubscribe. */
  leaves(ref: number): void {
    const served = this.#byRef.get(ref)
    if (served !== undefined) this.#leaving.set(ref, served)
    this.#byRef.delete(ref)
    this.#others = true
  }

  /** SSE and poll: takes a position of all subjects, after everything received. */
  position(token: string): void {
    const positions = decodeToken(token)
    for (const served of this.#byRef.values()) {
      served.answered ??= this.#read()
      const { witness } = served
      this.#judged(witness)
      witness.claimed(positions, 'is told to stand at', this.#gateway)
      witness.begins(positions)
    }
    // The next poll of this connection sends it.
    for (const served of this.#byRef.values()) {
      served.witness.presents(positions)
      served.asked = { ...served.asked, presented: positions }
    }
  }

  frame(frame: ServerFrame): void {
    switch (frame.kind) {
      case 'subscribed':
        this.#subscribed(frame.ref, frame.after === '' ? [] : decodeToken(frame.after))
        break
      case 'live':
        for (const [ref, served] of this.#byRef) {
          if (frame.ref !== 0 && frame.ref !== ref) continue
          this.#becomesLive(served)
        }
        break
      case 'delivery':
        this.#delivery(frame)
        break
      case 'gap':
        this.#gap(frame)
        break
      case 'unsubscribed':
        this.#leaving.delete(frame.ref)
        break
      case 'pong': {
        const positions = frame.after === '' ? [] : decodeToken(frame.after)
        for (const { live, witness } of this.#byRef.values())
          if (live) witness.claimed(positions, 'is told in a pong', this.#gateway)
      }
    }
  }

  /**
   * Called once the gateway has judged the request of each ref. After a tab restarted, two refs
   * may belong to one subscription.
   */
  #judged(witness: Witness): void {
    if (this.#gateway === undefined) return
    const own = [...this.#byRef.values()].filter((served) => served.witness === witness)
    witness.presents(own.flatMap(({ asked }) => asked.presented))
    witness.reached(this.#gateway)
  }

  #subscribed(ref: number, positions: readonly Position[]): void {
    const served = this.#byRef.get(ref)
    if (served === undefined) return
    served.answered = this.#read()
    const { witness } = served
    this.#judged(witness)
    witness.claimed(positions, 'is subscribed at', this.#gateway)
    witness.begins(positions)
  }

  #delivery(delivery: Delivery): void {
    const { refs = [], after, partition, offset } = delivery
    const record = this.#truth.find(delivery, delivery.event, this.#truth.incarnationOf(after, partition))
    if (record === undefined || record.hidden || record.damaged || record.seenMs > this.#nowMs()) {
      const what = record === undefined ? JSON.stringify({ ...delivery.event, data: '' }) : shown(record)
      this.#verdict.broken('content', `partition ${partition} had nothing like ${what} at ${offset} to be seen`)
      return
    }
    if (this.#truth.neverBelonged(record)) {
      this.#verdict.broken('content', `${shown(record)} is in a partition that never was its subject's`)
    }
    if (this.#separate) {
      const [position] = decodeToken(after)
      if (position?.partition !== partition || position.offset !== offset + 1) {
        this.#verdict.broken('token of a delivery', `${shown(record)} has the position ${JSON.stringify(position)}`)
      }
    }
    for (const [ref, served] of this.#byRef) {
      const { witness, live, last } = served
      const isNamed = refs.includes(ref)
      const isWanted = this.#truth.wants(witness.subject, record)
      if (isNamed && !isWanted) witness.broken('matching', `is named by ${shown(record)}`)
      if (!isWanted || (refs.length > 0 && !isNamed)) continue
      witness.received.given.add(record)
      this.#given(served, record, isNamed)
      // After a change of partitions, a live ref may not be live in each of them; SSE and poll
      // may go back together.
      if (!isNamed && (!live || this.#truth.wasRepartitioned() || !this.#separate)) continue
      const place = placeOf(record.incarnation, partition)
      const before = last.get(place) ?? -1
      if (offset <= before) witness.broken('once a ref', `got ${shown(record)} behind offset ${before}`)
      last.set(place, offset)
    }
  }

  #becomesLive(served: Served): void {
    const isFirst = !served.live
    served.live = true
    served.witness.begins([], true)
    // A continued poll requests everything that follows. It may reach another gateway that lags:
    // it is live without the records that that gateway has not read.
    const { asked, first } = served
    const due = { ...served, asked: first, heads: asked.heads }
    const fault = isFirst ? lastFault(this.#truth, due, this.#separate) : undefined
    if (fault !== undefined) served.witness.broken('last', fault)
    const { heads, presented } = asked
    if (first.last !== undefined && heads !== undefined && asked.atMs > first.atMs)
      served.witness.goesOn(heads, presented)
  }

  /** Records a delivery. A WebSocket frame without refs may be for other subscriptions. */
  #given(served: Served, record: LogRecord, isNamed: boolean): void {
    if (this.#separate && !isNamed) return
    served.given.add(record)
    const fault = lateFault(this.#truth, served.asked, record, { gateway: this.#gateway, nowMs: this.#nowMs() })
    if (fault !== undefined) served.witness.broken('time to live', fault)
  }

  #gap(gap: Gap): void {
    const { refs = [], partition, from, to, reason, after } = gap
    const incarnation = this.#truth.incarnationOf(after, partition)
    if (incarnation === undefined) return
    const asked: Asked[] = []
    for (const [ref, served] of this.#byRef) {
      if (refs.length > 0 ? !refs.includes(ref) : !this.#truth.readsPartition(served.witness.subject, partition))
        continue
      asked.push(served.asked)
      served.told.push({ incarnation: incarnation.index, partition, reason, from, to })
      served.witness.told(gap)
      // A gap without refs may concern only the subscriptions that its reader serves.
      if (refs.length > 0 || !this.#separate)
        served.witness.claimed(decodeToken(after), 'is told by a gap to stand at', this.#gateway)
      if (refs.length > 0 && reason === 'repartitioned') served.live = false
      if (reason === 'rewritten' || reason === 'recreated') rewind(served.last, gap, incarnation.index)
    }
    if (refs.length === 0 && this.#others) return
    for (const ref of refs) asked.push(...(this.#leaving.has(ref) ? [this.#leaving.get(ref)!.asked] : []))
    // A frame for the only subscription of the main reader has no ref.
    const isOfOne = this.#separate && refs.length === 0
    const told = { gap, incarnation, asked, isOfOne, gateway: this.#gateway, nowMs: this.#nowMs() }
    const fault = gapFault(this.#truth, told)
    if (fault === undefined) return
    this.#verdict.broken('true gap', `${reason} ${from} to ${to} of partition ${partition}: ${fault}`)
  }
}

/** Returns the ranges that a gateway did not read because retention had removed them. */
function unreadOf(memory: Memory): Lost[] {
  const all: Lost[] = []
  for (let lost = memory.nextLost(memory.indexTail); lost !== undefined; lost = memory.nextLost(lost.to + 1)) {
    if (lost.reason === 'retention') all.push(lost)
  }
  return all
}

function rewind(last: Map<string, number>, { reason, partition, from }: Gap, incarnation: number): void {
  for (const [place, offset] of last) {
    if (reason === 'recreated') {
      if (place.endsWith(`/${partition}`)) last.delete(place)
    } else if (place === placeOf(incarnation, partition) && offset >= from) last.set(place, from - 1)
  }
}
