import type { Random } from '../../src/base/random.ts'
import type { TabChannel, TabMeeting } from '../../src/client/environment.ts'
import type { Process, VirtualTime } from './virtual-time.ts'

/** What a message or a lock takes from one tab to the other, ms, at most. */
const delayMs = 30

interface Listener {
  readonly process: Process
  readonly heard: (message: unknown) => void
}

interface Waiting {
  readonly process: Process
  readonly granted: () => () => void
  /** Once it is granted: it hears that it was taken. */
  taken?: () => void
  /** It is given up. */
  isOver?: true
}

/** One program in a tab, as its browser sees it. */
export interface Tab {
  readonly meeting: TabMeeting
  /** Its process is gone: it says nothing more. What it posted before still arrives. */
  crash(): void
}

/** A browser whose tabs and worker share a lock and a channel. Messages of one tab keep their order; locks overtake them. */
export class SimBrowser {
  readonly #time: VirtualTime
  readonly #random: Random
  readonly #listeners = new Set<Listener>()
  readonly #waiting: Waiting[] = []
  #holder: Waiting | undefined

  constructor(time: VirtualTime, random: Random) {
    this.#time = time
    this.#random = random
  }

  /** `as`: a worker takes the lock from whoever holds it. */
  open(process: Process, as: 'tab' | 'worker'): Tab {
    let isGone = false
    const meeting: TabMeeting = {
      lead: (_name, granted) => {
        if (as === 'worker') this.#take()
        return this.#lead({ process, granted }, as === 'worker' ? 0 : this.#waiting.length)
      },
      join: (_name, heard) => this.#join({ process, heard }, () => isGone),
    }
    return {
      meeting,
      crash: () => {
        isGone = true
      },
    }
  }

  #take(): void {
    const before = this.#holder
    if (before === undefined) return
    this.#holder = undefined
    if (before.taken === undefined) this.#waiting.unshift(before)
    else {
      this.#time.add(before.process, this.#random.next() * delayMs, () => {
        if (!before.isOver) before.taken?.()
      })
    }
  }

  #lead(wish: Waiting, place: number): () => void {
    this.#waiting.splice(place, 0, wish)
    this.#grant()
    return () => {
      wish.isOver = true
      const at = this.#waiting.indexOf(wish)
      if (at >= 0) this.#waiting.splice(at, 1)
      if (this.#holder !== wish) return
      this.#holder = undefined
      this.#grant()
    }
  }

  #grant(): void {
    if (this.#holder !== undefined) return
    const next = this.#waiting.shift()
    this.#holder = next
    if (next === undefined) return
    this.#time.add(next.process, this.#random.next() * delayMs, () => {
      if (this.#holder === next) next.taken = next.granted()
    })
  }

  #join(own: Listener, isGone: () => boolean): TabChannel {
    this.#listeners.add(own)
    const arrivesMs = new Map<Listener, number>()
    const post = (message: unknown): void => {
      if (isGone()) return
      const { nowMs } = this.#time
      for (const other of this.#listeners) {
        if (other === own) continue
        const atMs = Math.max(nowMs + this.#random.next() * delayMs, arrivesMs.get(other) ?? 0)
        arrivesMs.set(other, atMs)
        const copy: unknown = structuredClone(message)
        this.#time.add(other.process, atMs - nowMs, () => {
          if (this.#listeners.has(other)) other.heard(copy)
        })
      }
    }
    // It runs by itself: a plan says when.
    return { post, work: () => Promise.resolve(), close: () => this.#listeners.delete(own) }
  }
}
