import type { Connection, Handlers, SubscribeRequest } from '../../src/client/connection.ts'
import type { ReceivedEvent, ReceivedGap } from '../../src/client/received.ts'
import type { ServerFrame } from '../../src/wire/frames.ts'
import type { Position } from '../../src/wire/token.ts'
import { Conversation } from './conversation.ts'
import { Overheard } from './overheard.ts'
import { shownToken } from './shown.ts'
import { type SimStream, streamOf } from './streams.ts'
import type { PromiseName, Verdict } from './verdict.ts'
import { type GatewayKnowledge, Witness } from './witness.ts'

/** Dependencies of an account. */
export interface Bookkeeping {
  readonly streams: readonly SimStream[]
  readonly verdict: Verdict
  readonly nowMs: () => number
}

/** A subscription's request. */
interface Wished {
  readonly subject: string
  readonly after?: readonly string[]
  readonly last?: number | undefined
}

/**
 * Watches one subscription: one witness for each stream, which keeps the account of what that
 * stream owes.
 */
export class Witnesses {
  readonly subject: string
  readonly #streams: readonly SimStream[]
  readonly #verdict: Verdict
  readonly #name: string
  readonly #byStream: ReadonlyMap<SimStream, Witness>

  constructor(name: string, wished: Wished, { streams, verdict, nowMs }: Bookkeeping) {
    this.subject = wished.subject
    this.#name = name
    this.#streams = streams
    this.#verdict = verdict
    const nameIn = (stream: SimStream) => (streams.length === 1 ? name : `${name} in ${stream.name}`)
    this.#byStream = new Map(
      streams.map((stream) => [stream, new Witness(nameIn(stream), wished, stream.truth, { verdict, nowMs })]),
    )
  }

  get delivered(): number {
    return this.#all.reduce((sum, { delivered }) => sum + delivered, 0)
  }

  get #all(): readonly Witness[] {
    return [...this.#byStream.values()]
  }

  in(stream: SimStream): Witness {
    return this.#byStream.get(stream)!
  }

  begins(positions: readonly Position[]): void {
    for (const witness of this.#all) witness.begins(positions)
  }

  beginsAgain(token: string | undefined): void {
    for (const witness of this.#all) witness.beginsAgain(token)
  }

  event(event: ReceivedEvent): void {
    this.#of(event)?.event(event)
  }

  gap(gap: ReceivedGap): void {
    this.#of(gap)?.gap(gap)
  }

  stands(token: string | undefined): void {
    for (const witness of this.#all) witness.stands(token)
  }

  restarts(token: string | undefined): void {
    for (const witness of this.#all) witness.restarts(token)
  }

  missing(): string | undefined {
    return firstOf(this.#all, (witness) => witness.missing())
  }

  stale(token: string | undefined): string | undefined {
    return firstOf(this.#all, (witness) => witness.stale(token))
  }

  broken(promise: PromiseName, message: string): void {
    this.#verdict.broken(promise, `${this.#name}: ${this.subject} ${message}`)
  }

  #of(item: ReceivedEvent | ReceivedGap): Witness | undefined {
    const stream = streamOf(this.#streams, item)
    if (stream === undefined) this.broken('content', `received an event of ${item.stream ?? 'an unknown stream'}`)
    return stream && this.#byStream.get(stream)
  }
}

/**
 * One overheard connection. Frames of one stream are judged by that stream's account, all others
 * by every account.
 */
export class OverheardStreams {
  readonly #streams: readonly SimStream[]
  readonly #verdict: Verdict
  readonly #byStream: ReadonlyMap<SimStream, Overheard>
  readonly #conversation: Conversation
  #gateway: GatewayKnowledge | undefined

  constructor(separate: boolean, { streams, verdict, nowMs }: Bookkeeping) {
    this.#streams = streams
    this.#verdict = verdict
    this.#conversation = new Conversation(separate)
    this.#byStream = new Map(streams.map((stream) => [stream, new Overheard(separate, stream.truth, verdict, nowMs)]))
  }

  /** Records a subscribe request. `together` = all requests in the same message. */
  asks(wish: SubscribeRequest, witnesses: Witnesses, together: readonly SubscribeRequest[]): void {
    this.#conversation.asks(wish.ref)
    for (const [stream, overheard] of this.#byStream) {
      const here = together.filter(({ subject }) => stream.truth.carries(subject))
      overheard.asks(wish, witnesses.in(stream), here.length < 2)
    }
  }

  reached(gateway: GatewayKnowledge): void {
    this.#gateway = gateway
    for (const overheard of this.#byStream.values()) overheard.reached(gateway)
  }

  handlers(to: Handlers): Handlers {
    const [first] = this.#byStream.values()
    return {
      frame: (frame) => {
        this.#verdict.note(() => `  frame ${first!.name} ${JSON.stringify({ ...frame, event: undefined })}`)
        this.#frame(frame)
        to.frame(frame)
      },
      position: (token) => {
        this.#verdict.note(() => `  position ${first!.name} ${shownToken(token)}`)
        for (const overheard of this.#byStream.values()) overheard.position(token)
        to.position(token)
      },
      closed: (refused) => to.closed(refused),
    }
  }

  connection(of: Connection, witnessesOf: (subject: string, after: readonly string[]) => Witnesses): Connection {
    if (of.subscribe === undefined) return of
    return {
      subscribe: (wish) => {
        this.asks(wish, witnessesOf(wish.subject, wish.after), [wish])
        of.subscribe?.(wish)
      },
      unsubscribe: (ref) => {
        this.#conversation.leaves(ref)
        for (const overheard of this.#byStream.values()) overheard.leaves(ref)
        of.unsubscribe?.(ref)
      },
      check: () => of.check?.(),
      close: () => of.close(),
    }
  }

  #frame(frame: ServerFrame): void {
    const fault = this.#conversation.next(frame, this.#gateway)
    if (fault !== undefined) this.#verdict.broken('conversation', fault)
    if (frame.kind !== 'delivery' && frame.kind !== 'gap') {
      for (const overheard of this.#byStream.values()) overheard.frame(frame)
      return
    }
    const stream = streamOf(this.#streams, frame)
    if (stream !== undefined) this.#byStream.get(stream)!.frame(frame)
    else this.#verdict.broken('content', `there is no stream of ${JSON.stringify({ ...frame, event: undefined })}`)
  }
}

function firstOf<T>(list: readonly T[], find: (each: T) => string | undefined): string | undefined {
  for (const each of list) {
    const found = find(each)
    if (found !== undefined) return found
  }
  return undefined
}
