import { isAscii } from '../base/ascii.ts'
import type { ByteRange } from '../base/byte-range.ts'
import { traceHeaders } from '../telemetry/trace-context.ts'
import type { StreamFormat } from '../wire/stream-format.ts'

/** Returns whether the header is trace context, which subscribers never see. */
export function isTraceHeader({ bytes, start, end }: ByteRange): boolean {
  for (const name of traceHeaders) if (isAscii(bytes, start, end, name)) return true
  return false
}

/** Selects the record headers that become attributes of an event. */
export class HeaderFilter {
  readonly #all: boolean
  readonly #names: readonly Buffer[]

  constructor(headers: StreamFormat['headers']) {
    this.#all = headers === 'all'
    this.#names = typeof headers === 'string' ? [] : headers.map((name) => Buffer.from(name))
  }

  takes(name: ByteRange): boolean {
    return (this.#all || this.#isListed(name)) && !isTraceHeader(name)
  }

  #isListed(name: ByteRange): boolean {
    const { bytes, start, end } = name
    for (const each of this.#names)
      if (each.length === end - start && each.compare(bytes, start, end) === 0) return true
    return false
  }
}
