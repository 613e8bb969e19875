import type { Fetched, FetchLimits } from './fetch-request.ts'
import type { KafkaRequest } from './request.ts'

/**
 * Bytes to request after a fetch that returned nothing. The broker returns a larger batch whole.
 */
const leastBytes = 16_384

/** A `BrokerLink`. */
interface Fetcher {
  fetch(request: KafkaRequest<Fetched>, timeoutMs: number): Promise<Fetched>
}

/**
 * Limits the size of the fetches to one broker. There is no limit until a fetch returns nothing,
 * because a quota is exceeded or the answer is late. The larger the answer that the broker
 * withheld, the longer its pause, so a smaller answer comes sooner. The limit is then
 * `leastBytes`. It doubles with each answer up to half of the size that was too large, and from
 * there grows by `leastBytes` (slow start and congestion avoidance, RFC 5681).
 */
export class FetchSize {
  #bytes = Number.POSITIVE_INFINITY
  #threshold = 0

  /**
   * Sends the fetch that `request` builds with the current limits, at most `wanted`. Rejects as
   * `link.fetch` does.
   */
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

  /**
   * Raises the limit after an answer. An answer much smaller than requested does not show that a
   * larger one would arrive.
   */
  #came(asked: number, { partitions }: Fetched): void {
    let got = 0
    for (const { records } of partitions) got += records.length
    if (asked < this.#bytes || got < asked / 2) return
    this.#bytes += this.#bytes < this.#threshold ? this.#bytes : leastBytes
  }
}
