import type { Event, Published } from '../wire/frames.ts'

/** Publishes a batch. Resolves once the broker has stored all of it. */
export type Send = (events: readonly Event[]) => Promise<readonly Published[]>

/** Receives the results of each batch in order. The next batch is sent once it has resolved. */
type OnPublished = (results: readonly Published[]) => Promise<void>

export interface BatchOptions {
  /** Maximum number of events in a batch; a gateway accepts 1000 by default. */
  readonly maxEvents: number
  /**
   * Bytes of data after which a batch is full; its last event may exceed them. A gateway accepts
   * bodies of 4 MiB by default.
   */
  readonly maxBytes: number
}

export const batchDefaults: BatchOptions = { maxEvents: 500, maxBytes: 1024 * 1024 }

/**
 * Sends events in order, one batch at a time. Events that arrive while a batch is in progress form
 * the next one. So a single event never waits, many events share a request, and none is written
 * before an earlier one.
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

  /**
   * Adds an event. Resolves when there is room for another one. Rejects once a batch has failed.
   */
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

  /**
   * Resolves when everything is published. Rejects with the error of the batch that failed;
   * nothing after it was sent.
   */
  async end(): Promise<void> {
    while (this.#sending !== undefined && this.#failure === undefined) await this.#sending
    this.#throwFailure()
  }

  async #run(): Promise<void> {
    try {
      // Taking the batch makes room for the next events at once.
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
