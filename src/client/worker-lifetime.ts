import { WorkerLeader, type WorkerLeaderOptions } from './worker-leader.ts'

/** Delay before an unused worker ends, ms: a page may open another client at once. */
const lingerMs = 5000

/** Runs the leader in a worker as long as a page needs it. */
export class WorkerLifetime {
  readonly #options: WorkerLeaderOptions
  readonly #end: () => void
  #pages = 0
  #leader: WorkerLeader | undefined
  #cancelEnd: (() => void) | undefined

  /** `end`: called when no page needs the worker any more. */
  constructor(options: WorkerLeaderOptions, end: () => void) {
    this.#options = options
    this.#end = end
  }

  /** Handles a page's message: its group's name when it starts, null when it is done. */
  heard(group: string | null): void {
    this.#cancelEnd?.()
    this.#pages += group === null ? -1 : 1
    if (this.#pages === 0) this.#cancelEnd = this.#options.clock.after(lingerMs, () => this.close())
    if (group === null) return
    this.#leader ??= new WorkerLeader(group, this.#options, () => {
      this.#leader = undefined
    })
  }

  close(): void {
    this.#leader?.close()
    this.#leader = undefined
    this.#end()
  }
}
