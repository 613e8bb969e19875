import type { LoopClock } from '../../src/base/clock.ts'

interface Task {
  atMs: number
  order: number
  readonly process: Process
  /** The task's function; undefined = cancelled. */
  run: (() => void) | undefined
}

/**
 * Resolves when all promises have settled. Node runs ticks only then; a tick costs a tenth of an
 * immediate.
 */
const settled = (): Promise<void> => new Promise((resolve) => queueMicrotask(() => process.nextTick(resolve)))

/**
 * One clock for a whole cluster: runs tasks in order of time, then of creation, each followed by
 * all promises that it settled. The same tasks produce the same history, however fast the host
 * is.
 */
export class VirtualTime {
  nowMs = 0
  /** Process of the current task. */
  running: Process | undefined
  /** Number of tasks run. */
  done = 0
  /** true = run no further tasks. */
  stopped = false
  readonly #heap: Task[] = []
  #order = 0

  process(name: string): Process {
    return new Process(this, name)
  }

  add(process: Process, delayMs: number, run: () => void): Task {
    const task: Task = { atMs: this.nowMs + Math.max(0, delayMs), order: this.#order++, process, run }
    this.#push(task)
    return task
  }

  /**
   * Schedules a task that a paused process held: due now, after the tasks that are already due.
   */
  again(task: Task): void {
    task.atMs = this.nowMs
    task.order = this.#order++
    this.#push(task)
  }

  /** Runs the tasks due up to `untilMs`. An error in a task ends the history. */
  async runTo(untilMs: number): Promise<void> {
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= untilMs && !this.stopped; next = this.#heap[0]) {
      this.#pop()
      const { run, process } = next
      if (run === undefined || process.dead) continue
      this.nowMs = next.atMs
      if (process.paused) {
        process.hold(next)
        continue
      }
      this.done++
      this.running = process
      next.run = undefined
      run()
      await settled()
      this.running = undefined
    }
    this.nowMs = Math.max(this.nowMs, untilMs)
  }

  #push(task: Task): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(task)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!before(task, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = task
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++
      if (!before(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
  }
}

function before(a: Task, b: Task): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}

/** 2026-01-01: wall clocks of a history start here, Unix ms. */
export const startMs = 1_767_225_600_000

/** A process on one machine with its own clocks. It can pause, have its clock changed, and die. */
export class Process implements LoopClock {
  readonly name: string
  dead = false
  paused = false
  /** End of the last pause, ms. Tasks held during the pause run at that time. */
  resumedMs = Number.NEGATIVE_INFINITY
  readonly #time: VirtualTime
  readonly #held: Task[] = []
  #stepMs = 0
  #leastStepMs = 0
  #mostStepMs = 0

  constructor(time: VirtualTime, name: string) {
    this.#time = time
    this.name = name
  }

  nowUs(): number {
    return Math.round((startMs + this.#time.nowMs + this.#stepMs) * 1000)
  }

  monotonicMs(): number {
    return this.#time.nowMs
  }

  after(ms: number, run: () => void): () => void {
    const task = this.#time.add(this, ms, run)
    return () => {
      task.run = undefined
    }
  }

  turn(run: () => void): void {
    this.#time.add(this, 0, run)
  }

  /** Sets the wall clock forward or back. */
  step(ms: number): void {
    this.#stepMs += ms
    this.#leastStepMs = Math.min(this.#leastStepMs, this.#stepMs)
    this.#mostStepMs = Math.max(this.#mostStepMs, this.#stepMs)
  }

  /** Bounds of the wall clock over all its past settings, as Unix ms of the current moment. */
  get clockMs(): { readonly least: number; readonly most: number } {
    const trueMs = startMs + this.#time.nowMs
    return { least: trueMs + this.#leastStepMs, most: trueMs + this.#mostStepMs }
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
    if (this.#held.length > 0) this.resumedMs = this.#time.nowMs
    for (const task of this.#held.splice(0)) this.#time.again(task)
  }

  /** Ends the process: none of its tasks runs any more. */
  kill(): void {
    this.dead = true
    this.#held.length = 0
  }

  hold(task: Task): void {
    this.#held.push(task)
  }
}
