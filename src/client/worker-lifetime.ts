import { WorkerLeader, type WorkerLeaderOptions } from './worker-leader.ts'

/** Once no page needs it, a worker waits so long for the next one, ms: a page may open another client at once. */
const lingerMs = 5000

/** What runs in a worker of pages: their leader, as long as one of them needs it. */
export class WorkerLifetime {
  readonly #options: WorkerLeaderOptions
  readonly #end: () => void
  #pages = 0
  #leader: WorkerLeader | undefined
  #cancelEnd: (() => void) | undefined

  /** `end`: no page needs it. */
  constructor(options: WorkerLeaderOptions, end: () => void) {
    this.#options = options
    this.#end = end
  }

  /** What a page posts: the name of its group as it comes, null when it has no use for it any more. */
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
