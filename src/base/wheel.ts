import type { Clock } from './clock.ts'

class Link {
  previous: Link = this
  next: Link = this
}

/** What has a deadline, scheduled as often as its owner likes; in at most one wheel at a time. */
export abstract class WheelEntry extends Link {
  /** The tick at which it is due; -1 = not scheduled. */
  due = -1

  /** Must not throw. */
  abstract task(): void
}

/** A deadline of its own. */
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
  /** A power of two. Timers of up to `slots * tickMs` are looked at once, when they are due; longer ones once a turn. */
  readonly slots: number
}

/** 65 s a turn: heartbeats and poll waits fit in one. */
const wheelDefaults: WheelOptions = { tickMs: 32, slots: 2048 }

/**
 * A hashed timing wheel (Varghese and Lauck, 1987) for the many equal deadlines of sockets: scheduling and cancelling are
 * O(1) and allocate nothing, all timers share one of the clock's, and that one is set only for a tick that has timers.
 */
export class TimingWheel {
  readonly #clock: Clock
  readonly #tickMs: number
  readonly #startMs: number
  readonly #slots: readonly Link[]
  /** The last tick that was worked off. */
  #tick = 0
  #size = 0
  /** The tick that the clock's timer is set for; Infinity = none. */
  #armed = Number.POSITIVE_INFINITY
  #disarm: () => void = () => {}
  readonly #fire = (): void => this.#turn()

  constructor(clock: Clock, options: WheelOptions = wheelDefaults) {
    this.#clock = clock
    this.#tickMs = options.tickMs
    this.#startMs = clock.monotonicMs()
    this.#slots = Array.from({ length: options.slots }, () => new Link())
  }

  /** Timers that wait. */
  get size(): number {
    return this.#size
  }

  /** Runs the timer's task once, `ms` from now; a timer that waits already is moved. */
  schedule(timer: WheelEntry, ms: number): void {
    if (timer.due >= 0) unlink(timer)
    else this.#size++
    const due = Math.max(this.#tick + 1, Math.ceil((this.#elapsedMs() + ms) / this.#tickMs))
    timer.due = due
    append(this.#slot(due), timer)
    if (due < this.#armed) this.#arm(due)
  }

  /** Does nothing where the timer does not wait. */
  cancel(timer: WheelEntry): void {
    if (timer.due < 0) return
    this.#drop(timer)
    if (this.#size === 0) this.#rest()
  }

  #turn(): void {
    this.#armed = Number.POSITIVE_INFINITY
    const now = Math.floor(this.#elapsedMs() / this.#tickMs)
    const due = new Link()
    // After a stall of more than a turn each slot is looked at once, not once a missed tick.
    const first = Math.max(this.#tick + 1, now - this.#slots.length + 1)
    for (let tick = first; tick <= now; tick++) takeDue(this.#slot(tick), now, due)
    this.#tick = Math.max(this.#tick, now)
    // A task may cancel or reschedule a timer that is in the list too: the head is asked for anew each time.
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
    // Timers of the platform may be a fraction early: the turn would find nothing due and be set again, so round up.
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
