import type { TabChannel, TabMeeting } from '../../src/client/environment.ts'

/** A browser's locks and channels. Messages keep their order. */
export class FakeBrowser {
  readonly #waiting: Wish[] = []
  readonly #listeners = new Set<Listener>()
  #holder: Wish | undefined
  /** What was posted while all of it was frozen. */
  readonly posted: (() => void)[] = []
  #frozen = false

  /** The whole of it: channels only, locks go on. */
  set frozen(frozen: boolean) {
    this.#frozen = frozen
    if (!frozen) for (const deliver of this.posted.splice(0)) deliver()
  }

  open(): FakeTab {
    return new FakeTab(this)
  }

  lead(wish: Wish): () => void {
    this.#waiting.push(wish)
    queueMicrotask(() => this.#grant())
    return () => {
      const at = this.#waiting.indexOf(wish)
      if (at >= 0) this.#waiting.splice(at, 1)
      if (this.#holder !== wish) return
      this.#holder = undefined
      queueMicrotask(() => this.#grant())
    }
  }

  join(own: Listener): TabChannel {
    this.#listeners.add(own)
    const post = (message: unknown) => {
      const copy: unknown = structuredClone(message)
      const deliver = () => {
        for (const other of this.#listeners) if (other !== own) other.tab.receive(() => other.heard(copy))
      }
      if (this.#frozen) this.posted.push(deliver)
      else queueMicrotask(deliver)
    }
    return { post, close: () => this.#listeners.delete(own) }
  }

  #grant(): void {
    if (this.#holder !== undefined) return
    this.#holder = this.#waiting.shift()
    this.#holder?.granted()
  }
}

interface Wish {
  readonly granted: () => void
}

interface Listener {
  readonly tab: FakeTab
  readonly heard: (message: unknown) => void
}

export class FakeTab implements TabMeeting {
  readonly #browser: FakeBrowser
  readonly #held: (() => void)[] = []
  #frozen = false

  constructor(browser: FakeBrowser) {
    this.#browser = browser
  }

  /** It hears nothing, and holds its lock. What was posted to it comes once it is thawed. */
  set frozen(frozen: boolean) {
    this.#frozen = frozen
    if (!frozen) for (const hear of this.#held.splice(0)) hear()
  }

  lead(_name: string, granted: () => void): () => void {
    return this.#browser.lead({ granted })
  }

  join(_name: string, heard: (message: unknown) => void): TabChannel {
    return this.#browser.join({ tab: this, heard })
  }

  receive(hear: () => void): void {
    if (this.#frozen) this.#held.push(hear)
    else hear()
  }
}
