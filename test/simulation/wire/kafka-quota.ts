/**
 * Number of complete samples besides the current one, and the length of each, ms
 * (`quota.window.num` 11, `quota.window.size.seconds` 1).
 */
const keptSamples = 10
const sampleMs = 1000

interface Sample {
  readonly beganMs: number
  bytes: number
}

/**
 * `consumer_byte_rate` as brokers apply it (`ClientQuotaManager`, Kafka 4.3): bytes of answers
 * over a window of samples. An answer that would exceed the quota is neither sent nor counted.
 * The pause is the time after which the answer would be within the quota.
 */
export class ByteQuota {
  readonly bytesPerSecond: number
  #samples: Sample[] = []

  constructor(bytesPerSecond: number) {
    this.bytesPerSecond = bytesPerSecond
  }

  /** The largest answer, bytes. Brokers limit their reads to it. */
  get maxBytes(): number {
    return (this.bytesPerSecond * keptSamples * sampleMs) / 1000
  }

  /** Returns the pause instead of the answer, ms; 0 = the answer is sent. */
  throttleMs(bytes: number, nowMs: number): number {
    this.#samples = this.#samples.filter(({ beganMs }) => nowMs - beganMs < (keptSamples + 1) * sampleMs)
    const newest = this.#samples.at(-1)
    const isOver = newest === undefined || nowMs - newest.beganMs >= sampleMs
    const current = isOver ? { beganMs: nowMs, bytes: 0 } : newest
    if (isOver) this.#samples.push(current)
    const total = this.#samples.reduce((sum, sample) => sum + sample.bytes, bytes)
    const windowMs = Math.max(keptSamples * sampleMs, nowMs - this.#samples[0]!.beganMs)
    const rate = (total * 1000) / windowMs
    if (rate > this.bytesPerSecond) return Math.ceil(((rate - this.bytesPerSecond) / this.bytesPerSecond) * windowMs)
    current.bytes += bytes
    return 0
  }
}
