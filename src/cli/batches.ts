import type { Event, Published } from '../wire/frames.ts'

/** Publishes a batch; resolves once the broker has all of it. */
export type Send = (events: readonly Event[]) => Promise<readonly Published[]>

/** Told of each batch in its turn; the next is sent once it has resolved. */
type OnPublished = (results: readonly Published[]) => Promise<void>

export interface BatchOptions {
  /** Events of one batch; a gateway takes 1000 by default. */
  readonly maxEvents: number
  /** Data of one batch, beside its last event's; a gateway takes bodies of 4 MiB by default. */
  readonly maxBytes: number
}

export const batchDefaults: BatchOptions = { maxEvents: 500, maxBytes: 1024 * 1024 }

/**
 * Sends events in their order, one batch at a time: what comes while one is under way is the next. So a single event never
 * waits, many share their requests, and none is written before the one that was given first.
 */
export class Batches {
  readonly #send: Send
  readonly #onPublished: OnPublished
  readonly #options: BatchOptions
  #next: Event[] = []
  #nextBytes = 0
  #sending: Promise<void> | undefined
  #failure: { error: unknown } | undefined

  constructor(send: Send, onPublished: OnPublished, options: BatchOptions = batchDefaults) {
    this.#send = send
    this.#onPublished = onPublished
    this.#options = options
  }

  /** Resolves when there is room for another one; rejects once a batch has failed. */
  async add(event: Event): Promise<void> {
    this.#throwFailure()
    this.#next.push(event)
    this.#nextBytes += event.data.length
    this.#sending ??= this.#run()
    const { maxEvents, maxBytes } = this.#options
    while (this.#failure === undefined && (this.#next.length >= maxEvents || this.#nextBytes >= maxBytes)) {
      await this.#sending
    }
    this.#throwFailure()
  }

  /** Resolves when everything is published; rejects with the failure of the first batch that failed: nothing after it was sent. */
  async end(): Promise<void> {
    while (this.#sending !== undefined && this.#failure === undefined) await this.#sending
    this.#throwFailure()
  }

  async #run(): Promise<void> {
    try {
      // A full batch makes room for its events' successors as soon as it is under way.
      const batch = this.#next
      this.#next = []
      this.#nextBytes = 0
      await this.#onPublished(await this.#send(batch))
    } catch (error) {
      this.#failure = { error }
    }
    this.#sending = this.#next.length > 0 && this.#failure === undefined ? this.#run() : undefined
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }
}
