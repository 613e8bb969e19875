import type { Delivery, Gap } from '../wire/frames.ts'
import { isSamePartition, keyOf } from '../wire/token.ts'
import type { Refusal } from './connection.ts'
import { type Received, ReceivedEvent, receivedGap } from './received.ts'
import { isOn, type PositionChange, ResumePoint, saysMore } from './resume-point.ts'
import type { State } from './state.ts'
import type { SubscriptionSink } from './tracked-subscription.ts'

export interface InboxOptions {
  /** Events and gaps that a subscription holds for its subscriber; beyond that it lets go until there is room. */
  readonly maxEvents: number
  /** The same in bytes of their data; a single event may be larger. */
  readonly maxBytes: number
}

export const inboxDefaults: InboxOptions = { maxEvents: 1024, maxBytes: 8 * 1024 * 1024 }

/** What an event costs beside its data, about, bytes. */
const eventBytes = 500

export interface InboxOwner<T> {
  /** The next item; the one after it comes when what this returns has settled. A throw or rejection ends the subscription. */
  item(item: Received<T>): unknown
  /** Everything missed has been handled. */
  live(): void
  state(state: State): void
  refused(refused: Refusal): void
  /** `handled` has moved. */
  handled(): void
  /** It was full, and takes more again. */
  room(): void
  failed(error: unknown): void
}

interface Entry<T> {
  /** undefined: the mark that everything missed stands before it, unless it was told of another state since: `states` then. */
  readonly item: Received<T> | undefined
  readonly states: number
  readonly bytes: number
  /** Where the subscription stands once this and all before it are handled, by partition, in the order in which to apply them. */
  readonly moves: Map<string, PositionChange>
}

/** What one subscription has been given and its subscriber has not handled yet, in order and bounded. */
export class Inbox<T> implements SubscriptionSink {
  /** Behind everything that was handled, never behind more. */
  readonly handled = new ResumePoint()
  readonly #options: InboxOptions
  readonly #owner: InboxOwner<T>
  #queue: Entry<T>[] = []
  #bytes = 0
  /** In the subscriber's hands. */
  #inHand: Entry<T> | undefined
  #full = false
  /** States so far. */
  #states = 0
  #closed = false

  constructor(owner: InboxOwner<T>, options: InboxOptions = inboxDefaults) {
    this.#owner = owner
    this.#options = options
  }

  event(delivery: Delivery, move: PositionChange | undefined): boolean {
    const bytes = eventBytes + delivery.event.data.length
    return this.#add(new ReceivedEvent<T>(delivery), bytes, move)
  }

  gap(gap: Gap, move: PositionChange | undefined): boolean {
    return this.#add(receivedGap(gap), eventBytes, move)
  }

  live(): void {
    this.#add(undefined, 0, undefined)
  }

  moved(move: PositionChange): void {
    const last = this.#queue.at(-1) ?? this.#inHand
    if (last !== undefined) {
      attach(last.moves, move)
      return
    }
    this.handled.move(move)
    this.#owner.handled()
  }

  state(state: State): void {
    this.#states++
    if (!this.#closed) this.#owner.state(state)
  }

  refused(refused: Refusal): void {
    if (!this.#closed) this.#owner.refused(refused)
  }

  /** Nothing more is handed over. What is in hand counts once it has settled. */
  close(): void {
    this.#closed = true
    this.#queue = []
    this.#bytes = 0
  }

  /** Where it stands once the item in hand is handled; the same as `handled` where there is none. */
  get inHand(): ResumePoint {
    const place = new ResumePoint()
    place.moveTo(this.handled)
    for (const move of this.#inHand?.moves.values() ?? []) place.move(move)
    return place
  }

  #add(item: Received<T> | undefined, bytes: number, move: PositionChange | undefined): boolean {
    if (this.#closed) return false
    const entry: Entry<T> = { item, states: this.#states, bytes, moves: new Map() }
    if (move !== undefined) attach(entry.moves, move)
    this.#queue.push(entry)
    this.#bytes += bytes
    this.#next()
    const { maxEvents, maxBytes } = this.#options
    this.#full ||= this.#queue.length >= maxEvents || this.#bytes >= maxBytes
    return !this.#full
  }

  #next(): void {
    while (this.#inHand === undefined) {
      const entry = this.#queue.shift()
      if (entry === undefined) return
      this.#bytes -= entry.bytes
      this.#inHand = entry
      const result = this.#handOver(entry)
      if (isThenable(result)) {
        result.then(
          () => {
            if (this.#settle(entry)) this.#next()
          },
          (error: unknown) => this.#failed(error),
        )
        return
      }
      if (!this.#settle(entry)) return
    }
  }

  #handOver({ item, states }: Entry<T>): unknown {
    if (item === undefined) {
      if (states === this.#states) this.#owner.live()
      return undefined
    }
    try {
      return this.#owner.item(item)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** False once nothing more is to be handed over. */
  #settle(entry: Entry<T>): boolean {
    this.#inHand = undefined
    for (const move of entry.moves.values()) this.handled.move(move)
    if (entry.moves.size > 0) this.#owner.handled()
    if (this.#closed) return false
    const { maxEvents, maxBytes } = this.#options
    if (this.#full && this.#queue.length <= maxEvents / 4 && this.#bytes <= maxBytes / 4) {
      this.#full = false
      this.#owner.room()
    }
    return true
  }

  #failed(error: unknown): void {
    if (!this.#closed) this.#owner.failed(error)
  }
}

/** What two moves of a position, or of a count, come to is one, in the place of the first: no more of them than partitions and logs. */
function attach(moves: Map<string, PositionChange>, move: PositionChange): void {
  const { how, positions = [], counts = [] } = move
  if (how === 'all') {
    moves.clear()
    moves.set(how, move)
    return
  }
  for (const position of positions) {
    const key = keyOf(position)
    const before = moves.get(key)
    if (how === 'on' && !isOn(before?.positions?.[0], position)) continue
    for (const [other, earlier] of how === 'to' ? moves : []) {
      const of = earlier.how === 'all' ? undefined : earlier.positions?.[0]
      if (other !== key && of !== undefined && isSamePartition(of, position)) moves.delete(other)
    }
    moves.set(key, { how: how === 'to' ? how : (before?.how ?? how), positions: [position] })
  }
  for (const count of counts) {
    const key = `${count.nameHash} ${count.incarnationHash}`
    if (saysMore(moves.get(key)?.counts?.[0], count)) moves.set(key, { how, counts: [count] })
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined)?.then === 'function'
}
