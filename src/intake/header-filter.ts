import { ByteRange } from '../base/byte-range.ts'
import type { StreamFormat } from '../wire/stream-format.ts'

/** What the gateway, and whoever traces, reads for itself. */
const never = ['traceparent', 'tracestate', 'baggage']

/** Which record headers become attributes of an event. */
export class HeaderFilter {
  readonly #all: boolean
  /** Those to take; with `all`, those to leave. */
  readonly #names: readonly ByteRange[]

  constructor(headers: StreamFormat['headers']) {
    this.#all = headers === 'all'
    const names = typeof headers === 'string' ? [] : headers.filter((name) => !never.includes(name))
    this.#names = (this.#all ? never : names).map((name) => ByteRange.of(name))
  }

  takes(name: ByteRange): boolean {
    for (const each of this.#names) if (each.equals(name)) return !this.#all
    return this.#all
  }
}
