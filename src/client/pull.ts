import type { Received } from './received.ts'
import { RefusedError } from './refusal.ts'
import type { Reason } from './state.ts'

/** A call of `next` that waits. */
interface Asking<T> {
  resolve(result: IteratorResult<Received<T>, undefined>): void
  reject(error: unknown): void
}

interface Offered<T> {
  readonly item: Received<T>
  /** It has been handled. */
  settle(): void
}

/**
 * The items of a subscription for `for await`. One counts as handled when the next one is asked for: an item whose loop was left by
 * `break` or a throw comes again from a stored position.
 */
export class Pull<T> implements AsyncIterableIterator<Received<T>, undefined> {
  readonly #leave: () => void
  #offered: Offered<T> | undefined
  #inHand: Offered<T> | undefined
  #asking: Asking<T>[] = []
  #over: Reason | undefined

  /** `leave`: nobody will ask any more. */
  constructor(leave: () => void) {
    this.#leave = leave
  }

  /** Resolves when it has been handled. */
  offer(item: Received<T>): Promise<void> {
    return new Promise((settle) => {
      const offered = { item, settle }
      const asking = this.#asking.shift()
      if (asking === undefined) {
        this.#offered = offered
        return
      }
      asking.resolve({ value: item, done: false })
      // The next one is asked for already.
      if (this.#asking.length > 0) settle()
      else this.#inHand = offered
    })
  }

  /** No more items come. */
  end(reason: Reason): void {
    this.#over = reason
    this.#offered = undefined
    for (const asking of this.#asking) this.#finish().then(asking.resolve, asking.reject)
    this.#asking = []
  }

  next(): Promise<IteratorResult<Received<T>, undefined>> {
    this.#inHand?.settle()
    this.#inHand = this.#offered
    this.#offered = undefined
    if (this.#inHand !== undefined) return Promise.resolve({ value: this.#inHand.item, done: false })
    if (this.#over !== undefined) return this.#finish()
    return new Promise((resolve, reject) => this.#asking.push({ resolve, reject }))
  }

  async return(): Promise<IteratorResult<Received<T>, undefined>> {
    this.#inHand = undefined
    this.#leave()
    return { value: undefined, done: true }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** The end is told as an error once, unless the subscriber wanted it. */
  async #finish(): Promise<IteratorResult<Received<T>, undefined>> {
    const { code, message } = this.#over!
    this.#over = { code: 'done', message }
    if (code === 'done') return { value: undefined, done: true }
    throw new RefusedError(code, message)
  }
}
