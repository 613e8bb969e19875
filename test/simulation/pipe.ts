import type { Process, VirtualTime } from './virtual-time.ts'

/** What is sent in one piece. */
export interface Item {
  readonly bytes: number
}

interface PipeOptions {
  readonly from: Process
  readonly to: Process
  readonly latencyMs: number
  /** Of both kernels, bytes. */
  readonly capacity: number
}

/**
 * One direction of a connection: in order, late, and no more than the two kernels' buffers take. What they don't take waits at
 * the sender, as in uWS's own buffer.
 */
export class Pipe<T extends Item> {
  /** Nothing arrives and nothing is told: a link that died without a word. */
  silent = false
  /** The receiver reads nothing. */
  stalled = false
  /** What the receiver takes for one item, ms. */
  slowMs = 0
  /** Bytes that the kernels hold, of all that was sent and not read. */
  capacity: number
  /** Called once there is room again, after a send that did not fit. */
  onWritable: () => void = () => {}
  #held = 0
  #closed = false
  #armed = false
  /** Sent, not arrived or not read. */
  #kernel: T[] = []
  /** At the sender. */
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

  /** True when the kernel has all of it. */
  send(item: T): boolean {
    if (this.#closed) return true
    this.#waiting.push(item)
    this.waitingBytes += item.bytes
    return this.flush()
  }

  /** Sends on what waits; true when nothing waits any more. Otherwise the sender hears of the next room. */
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

  /** The receiver reads again, or faster. */
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

  /** All that is there is read in one turn, unless the receiver is slow. */
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
