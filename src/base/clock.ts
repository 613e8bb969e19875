/** Intervals as the rest of the code sees them, so that tests and the simulation can hold them. */
export interface Timing {
  /** Monotonic milliseconds from an arbitrary start: for intervals, never for records. */
  monotonicMs(): number
  /** Runs `task` once after `ms`; the result cancels it. */
  after(ms: number, task: () => void): () => void
}

/** The same, and the time of day. */
export interface Clock extends Timing {
  /** Wall clock, Unix microseconds (exact in a JS number). */
  nowUs(): number
}

/** The clock of a process that serves many: Node's, whose event loop can be let turn. Browsers have none. */
export interface LoopClock extends Clock {
  /** Runs `task` soon, once other events had their turn. */
  turn(task: () => void): void
}

/** The longest time that `setTimeout` takes, 24.8 days, ms: with a longer one it runs at once. */
const longestMs = 2 ** 31 - 1

/** The system's. */
export const systemTiming: Timing = {
  monotonicMs: () => performance.now(),
  after(ms, task) {
    let timer: ReturnType<typeof setTimeout>
    const wait = (leftMs: number): void => {
      timer = leftMs > longestMs ? setTimeout(() => wait(leftMs - longestMs), longestMs) : setTimeout(task, leftMs)
    }
    wait(ms)
    return () => clearTimeout(timer)
  },
}

/** How far the wall clock may drift from the monotonic one before `nowUs` follows it, µs. */
const maxDriftUs = 2000
/** How often the two are compared, ms. */
const driftCheckMs = 1000

/**
 * The system's clock: `performance.now()` gives the microseconds that `Date.now()` lacks, re-anchored once a second when
 * the wall clock was set or slewed away from it.
 */
export function systemClock(): Clock {
  const anchor = () => Date.now() * 1000 - performance.now() * 1000
  let base = performance.timeOrigin * 1000
  let nextCheck = 0
  return {
    ...systemTiming,
    nowUs() {
      const now = performance.now()
      if (now >= nextCheck) {
        nextCheck = now + driftCheckMs
        // Date.now() is truncated to the millisecond: its half is the fair comparison.
        const seen = anchor() + 500
        if (Math.abs(seen - base) > maxDriftUs) base = seen
      }
      return Math.round(base + now * 1000)
    },
  }
}

export const loopClock = (): LoopClock => ({ ...systemClock(), turn: (task) => void setImmediate(task) })
