import type { Fetched, FetchLimits } from './fetch-request.ts'
import type { KafkaRequest } from './request.ts'

/** What a fetch asks for after one that brought nothing, bytes. A larger batch comes whole all the same. */
const leastBytes = 16_384

/** A `BrokerLink`. */
interface Fetcher {
  fetch(request: KafkaRequest<Fetched>, timeoutMs: number): Promise<Fetched>
}

/**
 * How much a fetch asks one broker for: all that is wanted, until one brings nothing, because a quota is used up or its answer is not there
 * in time. A broker counts an answer that it holds back by its size, and asks for a pause that is as long, so a smaller one comes sooner.
 * Then it asks for little, for twice as much after each answer up to half of what was too much, and from there on for little more each time
 * (slow start and congestion avoidance, RFC 5681).
 */
export class FetchSize {
  #bytes = Number.POSITIVE_INFINITY
  #threshold = 0

  /** Sends the fetch of `request`, which is given what to ask for: `wanted` at most. Rejects as `link.fetch`. */
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

  /** An answer that is much smaller than what was asked for says nothing of a larger one. */
  #came(asked: number, { partitions }: Fetched): void {
    let got = 0
    for (const { records } of partitions) got += records.length
    if (asked < this.#bytes || got < asked / 2) return
    this.#bytes += this.#bytes < this.#threshold ? this.#bytes : leastBytes
  }
}
