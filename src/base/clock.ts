/** Timers and intervals, replaceable by tests and the simulation. */
export interface Timing {
  /**
   * Returns monotonic milliseconds from an arbitrary start. Use it for intervals, never for
   * records.
   */
  monotonicMs(): number
  /** Runs `task` once after `ms`; the result cancels it. */
  after(ms: number, task: () => void): () => void
}

/** Timers and the time of day. */
export interface Clock extends Timing {
  /** Returns the wall clock, Unix µs (exact in a JS number). */
  nowUs(): number
}

/**
 * The clock of a server process: Node's, which can yield to the event loop. Browsers have no such
 * clock.
 */
export interface LoopClock extends Clock {
  /** Runs `task` soon, after pending events have been handled. */
  turn(task: () => void): void
}

/** Maximum delay of `setTimeout`, ms (24.8 days). A longer one fires at once. */
const longestMs = 2 ** 31 - 1

/** The system's timers. */
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

/** Maximum drift of the wall clock from the monotonic one before `nowUs` follows it, µs. */
const maxDriftUs = 2000
/** Interval between drift checks, ms. */
const driftCheckMs = 1000

/**
 * Returns the system's clock. `performance.now()` adds the microseconds that `Date.now()` lacks.
 * Once a second, the clock is re-anchored if the wall clock was set or slewed.
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
        // Date.now() truncates to the millisecond, so compare with its middle.
        const seen = anchor() + 500
        if (Math.abs(seen - base) > maxDriftUs) base = seen
      }
      return Math.round(base + now * 1000)
    },
  }
}

export const loopClock = (): LoopClock => ({ ...systemClock(), turn: (task) => void setImmediate(task) })
