import type { Fetched, FetchLimits } from './fetch-request.ts'
import type { KafkaRequest } from './request.ts'

/** Bytes asked for after a fetch that brought nothing. The broker returns a larger batch whole. */
const leastBytes = 16_384

/** A `BrokerLink`. */
interface Fetcher {
  fetch(request: KafkaRequest<Fetched>, timeoutMs: number): Promise<Fetched>
}

/**
 * Limits how much the fetches to one broker ask for. There is no limit until a fetch brings nothing,
 * because a quota is exceeded or the answer is late. The broker's pause is as long as the answer that
 * it withheld is large, so a smaller answer comes sooner. The limit is then `leastBytes`. It doubles
 * with each answer up to half of what was too much, and from there grows by `leastBytes` (slow start
 * and congestion avoidance, RFC 5681).
 */
export class FetchSize {
  #bytes = Number.POSITIVE_INFINITY
  #threshold = 0

  /** Sends the fetch that `request` makes for the present limits, `wanted` at most. Rejects as `link.fetch` does. */
  async fetch(
    link: Fetcher,
    timeoutMs: number,
    wanted: FetchLimits,
    request: (limits: FetchLimits) => KafkaRequest<Fetched>,
  ): Promise<Fetched> {
    const bytes = Math.min(wanted.bytes, this.#bytes)
    const partitionBytes = Math.min(wanted.partitionBytes, this.#bytes)
    try {
      const fetched = await link.fetch(request({ waitMs: wanted.waitMs, bytes, partitionBytes }), timeoutMs)
      if (fetched.isThrottled) this.#tooMuch(bytes)
      else this.#came(bytes, fetched)
      return fetched
    } catch (error) {
      this.#tooMuch(bytes)
      throw error
    }
  }

  #tooMuch(asked: number): void {
    this.#threshold = Math.max(leastBytes, asked / 2)
    this.#bytes = leastBytes
  }

  /** An answer much smaller than what was asked for does not show that a larger one would come. */
  #came(asked: number, { partitions }: Fetched): void {
    let got = 0
    for (const { records } of partitions) got += records.length
    if (asked < this.#bytes || got < asked / 2) return
    this.#bytes += this.#bytes < this.#threshold ? this.#bytes : leastBytes
  }
}
