import type { Clock } from '../../base/clock.ts'
import type { Random } from '../../base/random.ts'
import { backOffMs, Pause } from '../pause.ts'
import type { BrokerSet } from './broker-set.ts'
import type { HeardMetadata } from './metadata-request.ts'
import type { KafkaOptions } from './options.ts'

export interface WatchOwner {
  /**
   * Receives the metadata from a broker. Returns true if it is complete, false to ask again soon.
   */
  learned(metadata: HeardMetadata): boolean
  /** Reports that no broker answers. */
  unreachable(error: Error): void
}

export interface WatchContext {
  readonly brokers: BrokerSet
  readonly clock: Clock
  readonly random: Random
}

/** Checks a topic's metadata every `metadataRefreshMs`, and soon after a failure. */
export class TopicWatch {
  readonly #topic: string
  readonly #options: KafkaOptions
  readonly #brokers: BrokerSet
  readonly #random: Random
  readonly #host: WatchOwner
  readonly #pause: Pause
  #avoid: readonly number[] = []
  #wanted = false
  #failures = 0
  #closed = false

  constructor(topic: string, options: KafkaOptions, { brokers, clock, random }: WatchContext, host: WatchOwner) {
    this.#topic = topic
    this.#options = options
    this.#brokers = brokers
    this.#random = random
    this.#host = host
    this.#pause = new Pause(clock)
  }

  async run(): Promise<void> {
    while (!this.#closed) {
      const avoid = this.#avoid
      this.#avoid = []
      this.#wanted = false
      let settled = false
      try {
        const metadata = await this.#brokers.metadata(this.#topic, avoid)
        if (this.#closed) return
        settled = this.#host.learned(metadata)
      } catch (error) {
        if (this.#closed) return
        this.#host.unreachable(error as Error)
      }
      this.#failures = settled ? 0 : this.#failures + 1
      await this.#pause.sleep(this.#delayMs())
    }
  }

  /**
   * Checks again soon. Avoids the nodes in `avoid`, which seem frozen or outdated, if another one
   * answers.
   */
  refresh(avoid: readonly number[] = []): void {
    if (avoid.length > 0) this.#avoid = avoid
    if (this.#wanted) return
    this.#wanted = true
    if (this.#failures === 0) this.#pause.wake()
  }

  close(): void {
    this.#closed = true
    this.#pause.wake()
  }

  #delayMs(): number {
    const { metadataRefreshMs, retryMs, maxRetryMs } = this.#options
    if (this.#failures > 0) return backOffMs(this.#failures - 1, retryMs, maxRetryMs)
    if (this.#wanted) return retryMs
    return metadataRefreshMs * (0.8 + 0.4 * this.#random.next())
  }
}
