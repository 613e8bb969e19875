import type { Delivery, Gap } from '../wire/frames.ts'
import { isSamePartition, keyOf } from '../wire/token.ts'
import type { Refusal } from './connection.ts'
import { type Received, ReceivedEvent, receivedGap } from './received.ts'
import { isOn, type PositionChange, ResumePoint, saysMore } from './resume-point.ts'
import type { State } from './state.ts'
import type { SubscriptionSink } from './tracked-subscription.ts'

export interface InboxOptions {
  /**
   * Most events and gaps held for the consumer. Beyond it the subscription detaches until it has
   * drained.
   */
  readonly maxEvents: number
  /** The same bound in bytes of data. A single event may be larger. */
  readonly maxBytes: number
}

export const inboxDefaults: InboxOptions = { maxEvents: 1024, maxBytes: 8 * 1024 * 1024 }

/** Approximate overhead of an event beside its data, bytes. */
const eventBytes = 500

export interface InboxOwner<T> {
  /**
   * Hands over the next item. The following one waits until the returned promise has settled. A
   * throw or rejection ends the subscription.
   */
  item(item: Received<T>): unknown
  /** All missed events have been handled. */
  live(): void
  state(state: State): void
  refused(refused: Refusal): void
  /** `handled` has changed. */
  handled(): void
  /** The inbox was full and has drained. */
  room(): void
  failed(error: unknown): void
}

interface Entry<T> {
  /**
   * undefined: the mark after all missed events. It counts only if the state has not changed
   * since, see `states`.
   */
  readonly item: Received<T> | undefined
  readonly states: number
  readonly bytes: number
  /**
   * Position changes that apply once this entry is handled, by partition, in order of application.
   */
  readonly moves: Map<string, PositionChange>
}

/**
 * Items that a subscription has received and its consumer has not handled yet, in order and
 * bounded.
 */
export class Inbox<T> implements SubscriptionSink {
  /** The position after everything handled, never further. */
  readonly handled = new ResumePoint()
  readonly #options: InboxOptions
  readonly #owner: InboxOwner<T>
  #queue: Entry<T>[] = []
  #bytes = 0
  /** The entry that the consumer is handling. */
  #inHand: Entry<T> | undefined
  #full = false
  /** Number of state changes. */
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

  /** Hands over nothing more. The item in hand still counts once it has settled. */
  close(): void {
    this.#closed = true
    this.#queue = []
    this.#bytes = 0
  }

  /** The position once the item in hand is handled; equals `handled` if there is none. */
  get inHand(): ResumePoint {
    const point = new ResumePoint()
    point.moveTo(this.handled)
    for (const move of this.#inHand?.moves.values() ?? []) point.move(move)
    return point
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

  /** Returns false once the inbox is closed. */
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

/**
 * Adds a move, merged with an earlier one of the same position or count in that one's place. There
 * are never more moves than partitions and logs.
 */
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
