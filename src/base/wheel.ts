import type { Clock } from './clock.ts'

class Link {
  previous: Link = this
  next: Link = this
}

/** An entry with a deadline. It can be scheduled repeatedly, in at most one wheel at a time. */
export abstract class WheelEntry extends Link {
  /** The tick at which it is due; -1 = not scheduled. */
  due = -1

  /** Runs when due. Must not throw. */
  abstract task(): void
}

/** A stand-alone timer. */
export class WheelTimer extends WheelEntry {
  readonly #task: () => void

  constructor(task: () => void) {
    super()
    this.#task = task
  }

  task(): void {
    this.#task()
  }
}

export interface WheelOptions {
  /** Resolution, ms: a timer runs up to one tick late, never early. */
  readonly tickMs: number
  /**
   * A power of two. A timer of up to `slots * tickMs` is visited once, when it is due; a longer
   * one, once per revolution.
   */
  readonly slots: number
}

/** 65 s per revolution, enough for heartbeats and poll waits. */
const wheelDefaults: WheelOptions = { tickMs: 32, slots: 2048 }

/**
 * A hashed timing wheel (Varghese and Lauck, 1987) for the many similar deadlines of sockets.
 * Scheduling and cancelling are O(1) and allocate nothing. All timers share one timer of the
 * clock, which is set only for ticks that have timers.
 */
export class TimingWheel {
  readonly #clock: Clock
  readonly #tickMs: number
  readonly #startMs: number
  readonly #slots: readonly Link[]
  /** The last tick processed. */
  #tick = 0
  #size = 0
  /** The tick for which the clock's timer is set; Infinity = none. */
  #armed = Number.POSITIVE_INFINITY
  #disarm: () => void = () => {}
  readonly #fire = (): void => this.#turn()

  constructor(clock: Clock, options: WheelOptions = wheelDefaults) {
    this.#clock = clock
    this.#tickMs = options.tickMs
    this.#startMs = clock.monotonicMs()
    this.#slots = Array.from({ length: options.slots }, () => new Link())
  }

  /** Number of scheduled timers. */
  get size(): number {
    return this.#size
  }

  /**
   * Schedules the timer's task to run once, `ms` from now. Moves a timer that is already
   * scheduled.
   */
  schedule(timer: WheelEntry, ms: number): void {
    if (timer.due >= 0) unlink(timer)
    else this.#size++
    const due = Math.max(this.#tick + 1, Math.ceil((this.#elapsedMs() + ms) / this.#tickMs))
    timer.due = due
    append(this.#slot(due), timer)
    if (due < this.#armed) this.#arm(due)
  }

  /** Cancels a timer, if it is scheduled. */
  cancel(timer: WheelEntry): void {
    if (timer.due < 0) return
    this.#drop(timer)
    if (this.#size === 0) this.#rest()
  }

  #turn(): void {
    this.#armed = Number.POSITIVE_INFINITY
    const now = Math.floor(this.#elapsedMs() / this.#tickMs)
    const due = new Link()
    // After a stall of more than a revolution, visit each slot once, not once per missed tick.
    const first = Math.max(this.#tick + 1, now - this.#slots.length + 1)
    for (let tick = first; tick <= now; tick++) takeDue(this.#slot(tick), now, due)
    this.#tick = Math.max(this.#tick, now)
    // A task may cancel or reschedule other timers in the list, so read its head again each time.
    while (due.next !== due) {
      const timer = due.next as WheelEntry
      this.#drop(timer)
      timer.task()
    }
    this.#armNext()
  }

  #armNext(): void {
    if (this.#size === 0) {
      this.#rest()
      return
    }
    for (let tick = this.#tick + 1; tick <= this.#tick + this.#slots.length; tick++) {
      const slot = this.#slot(tick)
      if (slot.next === slot) continue
      if (tick < this.#armed) this.#arm(tick)
      return
    }
  }

  #arm(tick: number): void {
    this.#disarm()
    this.#armed = tick
    // Round up: platform timers may fire slightly early, and then nothing would be due yet.
    this.#disarm = this.#clock.after(Math.max(0, Math.ceil(tick * this.#tickMs - this.#elapsedMs())), this.#fire)
  }

  #rest(): void {
    this.#disarm()
    this.#disarm = () => {}
    this.#armed = Number.POSITIVE_INFINITY
  }

  #drop(timer: WheelEntry): void {
    unlink(timer)
    timer.due = -1
    this.#size--
  }

  #slot(tick: number): Link {
    return this.#slots[tick & (this.#slots.length - 1)]!
  }

  #elapsedMs(): number {
    return this.#clock.monotonicMs() - this.#startMs
  }
}

function takeDue(slot: Link, now: number, into: Link): void {
  for (let link = slot.next; link !== slot; ) {
    const timer = link as WheelEntry
    link = link.next
    if (timer.due > now) continue
    unlink(timer)
    append(into, timer)
  }
}

function append(list: Link, link: Link): void {
  link.previous = list.previous
  link.next = list
  list.previous.next = link
  list.previous = link
}

function unlink(link: Link): void {
  link.previous.next = link.next
  link.next.previous = link.previous
  link.next = link
  link.previous = link
}
