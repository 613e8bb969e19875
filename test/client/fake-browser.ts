import type { TabChannel, TabMeeting } from '../../src/client/environment.ts'
import type { WorkerLeaderOptions } from '../../src/client/worker-leader.ts'
import { WorkerLifetime } from '../../src/client/worker-lifetime.ts'

/** A browser's locks, channels and workers by name. Messages keep their order. */
export class FakeBrowser {
  readonly #waiting: Wish[] = []
  readonly #holders = new Map<string, Holder>()
  readonly #listeners = new Set<Listener>()
  /** Messages posted while the browser was frozen. */
  readonly posted: (() => void)[] = []
  #frozen = false
  /** The environment and transports of workers; undefined = the browser has no SharedWorker. */
  workers: Omit<WorkerLeaderOptions, 'meeting'> | undefined
  /** The result of loading a script. */
  script: 'runs' | 'is missing' | 'is still loading' = 'runs'
  readonly #workers = new Map<string, FakeWorker>()

  /** Freezes the whole browser: channels only, locks continue. */
  set frozen(frozen: boolean) {
    this.#frozen = frozen
    if (!frozen) for (const deliver of this.posted.splice(0)) deliver()
  }

  open(): FakeTab {
    return new FakeTab(this)
  }

  lead(wish: Wish): () => void {
    this.#waiting.push(wish)
    wish.tab.leads.add(wish)
    queueMicrotask(() => this.#grant(wish.name))
    return () => {
      wish.tab.leads.delete(wish)
      const at = this.#waiting.indexOf(wish)
      if (at >= 0) this.#waiting.splice(at, 1)
      if (this.#holders.get(wish.name)?.wish === wish) this.#release(wish.name)
    }
  }

  /** Steals a lock as Web Locks do: the previous holder hears of it later. */
  steal(wish: Wish): () => void {
    const before = this.#holders.get(wish.name)
    const { tab } = before?.wish ?? wish
    const hear = () => {
      if (before !== undefined && tab.leads.has(before.wish)) before.taken()
    }
    tab.receive(() => queueMicrotask(hear))
    const release = this.lead(wish)
    this.#waiting.unshift(this.#waiting.pop()!)
    this.#holders.delete(wish.name)
    return release
  }

  join(own: Listener, start: TabChannel['work'], leave: () => void): TabChannel {
    this.#listeners.add(own)
    const post = (message: unknown) => {
      if (own.tab.isGone) return
      const copy: unknown = structuredClone(message)
      const deliver = () => {
        for (const other of this.#listeners) {
          if (other !== own && other.name === own.name) other.tab.receive(() => this.#hears(other, copy))
        }
      }
      if (this.#frozen) this.posted.push(deliver)
      else queueMicrotask(deliver)
    }
    const close = () => {
      this.#listeners.delete(own)
      leave()
    }
    return { post, work: start, close }
  }

  /** Returns the worker of this script and name, and starts it if needed. */
  worker(name: string, failed: () => void): FakeWorker | undefined {
    if (this.workers === undefined) throw new ReferenceError('SharedWorker is not defined')
    const known = this.#workers.get(name)
    if (known !== undefined) return known
    if (this.script === 'is missing') {
      queueMicrotask(failed)
      return undefined
    }
    const worker: FakeWorker = new FakeWorker(this, this.workers, () => this.#workers.delete(name))
    worker.tab.frozen = this.script === 'is still loading'
    this.#workers.set(name, worker)
    return worker
  }

  /** Loads the scripts that are still loading. */
  load(): void {
    for (const { tab } of this.#workers.values()) tab.frozen = false
  }

  /**
   * Ends all workers, as when their process dies: they post nothing more, and release their locks.
   */
  killWorkers(): void {
    for (const worker of this.#workers.values()) {
      worker.tab.isGone = true
      for (const listener of this.#listeners) if (listener.tab === worker.tab) this.#listeners.delete(listener)
      for (const [name, { wish }] of this.#holders) if (wish.tab === worker.tab) this.#release(name)
    }
    this.#workers.clear()
  }

  get countOfWorkers(): number {
    return this.#workers.size
  }

  #hears(listener: Listener, message: unknown): void {
    if (this.#listeners.has(listener)) listener.heard(message)
  }

  #release(name: string): void {
    this.#holders.delete(name)
    queueMicrotask(() => this.#grant(name))
  }

  #grant(name: string): void {
    if (this.#holders.has(name)) return
    const at = this.#waiting.findIndex((wish) => wish.name === name)
    if (at < 0) return
    const [wish] = this.#waiting.splice(at, 1)
    const holder: Holder = { wish: wish!, taken: () => {} }
    this.#holders.set(name, holder)
    holder.taken = wish!.granted()
  }
}

interface Wish {
  readonly name: string
  readonly tab: FakeTab
  readonly granted: () => () => void
}

interface Holder {
  readonly wish: Wish
  taken: () => void
}

interface Listener {
  readonly name: string
  readonly tab: FakeTab
  readonly heard: (message: unknown) => void
}

export class FakeTab implements TabMeeting {
  readonly #browser: FakeBrowser
  readonly #held: (() => void)[] = []
  #frozen = false
  /** Its process has ended: it posts nothing more. */
  isGone = false
  /** The locks that it believes to hold, or requests. */
  readonly leads = new Set<object>()

  constructor(browser: FakeBrowser) {
    this.#browser = browser
  }

  /** A frozen tab receives nothing and keeps its lock. Its messages arrive once it is thawed. */
  set frozen(frozen: boolean) {
    this.#frozen = frozen
    if (!frozen) for (const hear of this.#held.splice(0)) hear()
  }

  lead(name: string, granted: () => () => void): () => void {
    return this.#browser.lead({ name, tab: this, granted })
  }

  join(name: string, heard: (message: unknown) => void): TabChannel {
    let worker: FakeWorker | undefined
    const start: TabChannel['work'] = async (script, failed) => {
      worker = this.#browser.worker(`${script} ${name}`, () => this.receive(() => failed('it is missing')))
      worker?.post(name)
    }
    return this.#browser.join({ name, tab: this, heard }, start, () => worker?.post(null))
  }

  receive(hear: () => void): void {
    if (this.#frozen) this.#held.push(hear)
    else hear()
  }
}

/** Runs the logic of the script src/client/worker.ts. */
class FakeWorker {
  readonly tab: FakeTab
  readonly #host: WorkerLifetime

  constructor(browser: FakeBrowser, options: Omit<WorkerLeaderOptions, 'meeting'>, ended: () => void) {
    this.tab = new FakeTab(browser)
    const meeting: WorkerLeaderOptions['meeting'] = {
      lead: (name, granted) => browser.steal({ name, tab: this.tab, granted }),
      join: (name, heard) => this.tab.join(name, heard),
    }
    this.#host = new WorkerLifetime({ ...options, meeting }, ended)
  }

  post(message: string | null): void {
    queueMicrotask(() => this.tab.receive(() => this.#host.heard(message)))
  }
}
