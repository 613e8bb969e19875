import type { Process, VirtualTime } from './virtual-time.ts'

/** One piece of data. */
export interface Item {
  readonly bytes: number
}

interface PipeOptions {
  readonly from: Process
  readonly to: Process
  readonly latencyMs: number
  /** Capacity of both kernels' buffers, bytes. */
  readonly capacity: number
}

/**
 * One direction of a connection: ordered, delayed, and limited by the two kernels' buffers.
 * Excess data waits at the sender, as in uWS's own buffer.
 */
export class Pipe<T extends Item> {
  /** true = nothing arrives and no end is notified, as on a half-open connection. */
  silent = false
  /** true = the receiver reads nothing. */
  stalled = false
  /** Time that the receiver takes to read one item, ms. */
  slowMs = 0
  /** Most sent and unread bytes that the kernels hold. */
  capacity: number
  /** Called once there is room again, after a send that did not fit. */
  onWritable: () => void = () => {}
  #held = 0
  #closed = false
  #armed = false
  /** Items in the kernels: sent, but not arrived or not read. */
  #kernel: T[] = []
  /** Items that wait at the sender. */
  #waiting: T[] = []
  waitingBytes = 0
  #reading = false
  readonly #time: VirtualTime
  readonly #from: Process
  readonly #to: Process
  readonly #latencyMs: number
  readonly #deliver: (item: T) => void

  constructor(time: VirtualTime, { from, to, latencyMs, capacity }: PipeOptions, deliver: (item: T) => void) {
    this.#time = time
    this.#from = from
    this.#to = to
    this.#latencyMs = latencyMs
    this.capacity = capacity
    this.#deliver = deliver
  }

  /** Sends an item. Returns whether the kernel accepted all of it. */
  send(item: T): boolean {
    if (this.#closed) return true
    this.#waiting.push(item)
    this.waitingBytes += item.bytes
    return this.flush()
  }

  /**
   * Sends waiting items. Returns true when none is left; otherwise calls `onWritable` at the next
   * room.
   */
  flush(): boolean {
    const waiting = this.#waiting
    while (waiting.length > 0) {
      const item = waiting[0]!
      if (this.#held > 0 && this.#held + item.bytes > this.capacity) break
      waiting.shift()
      this.waitingBytes -= item.bytes
      this.#held += item.bytes
      this.#kernel.push(item)
    }
    if (this.#kernel.length > 0) this.#read(this.#latencyMs)
    this.#armed = waiting.length > 0
    return !this.#armed
  }

  /** Called when the receiver reads again, or faster. */
  resume(): void {
    this.stalled = false
    this.#read(0)
  }

  close(): void {
    this.#closed = true
    this.#kernel = []
    this.#waiting = []
    this.waitingBytes = 0
  }

  #read(delayMs: number): void {
    if (this.#reading || this.#closed) return
    this.#reading = true
    this.#time.add(this.#to, delayMs, () => this.#arrive())
  }

  /** Reads all arrived items in one turn, unless the receiver is slow. */
  #arrive(): void {
    this.#reading = false
    if (this.stalled || this.silent) return
    for (let count = this.slowMs > 0 ? 1 : this.#kernel.length; count > 0; count--) {
      const item = this.#kernel.shift()
      if (item === undefined) break
      this.#held -= item.bytes
      this.#deliver(item)
    }
    if (this.#closed) return
    if (this.#armed && !this.#from.dead) {
      this.#armed = false
      this.#time.add(this.#from, this.#latencyMs, () => {
        if (!this.#closed) this.onWritable()
      })
    }
    if (this.#kernel.length > 0) this.#read(Math.max(this.slowMs, this.#latencyMs / 4))
  }
}
