import type { Received } from './received.ts'
import { RefusedError } from './refusal.ts'
import type { Reason } from './state.ts'

/** A pending call of `next`. */
interface Asking<T> {
  resolve(result: IteratorResult<Received<T>, undefined>): void
  reject(error: unknown): void
}

interface Offered<T> {
  readonly item: Received<T>
  /** Marks the item as handled. */
  settle(): void
}

/**
 * Iterates over a subscription's items for `for await`. An item counts as handled when the
 * consumer requests the next one. An item at which the loop ended by `break` or a throw is
 * delivered again from a stored position.
 */
export class Pull<T> implements AsyncIterableIterator<Received<T>, undefined> {
  readonly #leave: () => void
  #offered: Offered<T> | undefined
  #inHand: Offered<T> | undefined
  #asking: Asking<T>[] = []
  #over: Reason | undefined

  /** `leave`: called when the consumer ends the iteration. */
  constructor(leave: () => void) {
    this.#leave = leave
  }

  /** Resolves when the item has been handled. */
  offer(item: Received<T>): Promise<void> {
    return new Promise((settle) => {
      const offered = { item, settle }
      const asking = this.#asking.shift()
      if (asking === undefined) {
        this.#offered = offered
        return
      }
      asking.resolve({ value: item, done: false })
      // The consumer has already requested the next item.
      if (this.#asking.length > 0) settle()
      else this.#inHand = offered
    })
  }

  /** Ends the iteration: no more items follow. */
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

  /** Throws the reason once, unless the subscriber closed the subscription. */
  async #finish(): Promise<IteratorResult<Received<T>, undefined>> {
    const { code, message } = this.#over!
    this.#over = { code: 'done', message }
    if (code === 'done') return { value: undefined, done: true }
    throw new RefusedError(code, message)
  }
}
