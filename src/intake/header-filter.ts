import type { StreamFormat } from '../wire/stream-format.ts'

/** What the gateway, and whoever traces, reads for itself. */
const never = ['traceparent', 'tracestate', 'baggage']

/** Which record headers become attributes of an event. */
export class HeaderFilter {
  readonly #all: boolean
  /** Those to take; with `all`, those to leave. */
  readonly #names: readonly Buffer[]

  constructor(headers: StreamFormat['headers']) {
    this.#all = headers === 'all'
    const names = typeof headers === 'string' ? [] : headers.filter((name) => !never.includes(name))
    this.#names = (this.#all ? never : names).map((name) => Buffer.from(name))
  }

  /** Judges the name in bytes [start, end). */
  takes(bytes: Buffer, start: number, end: number): boolean {
    for (const name of this.#names) if (sameBytes(name, bytes, start, end)) return !this.#all
    return this.#all
  }
}

/** Whether bytes [start, end) are those of `name`. */
export function sameBytes(name: Buffer, bytes: Buffer, start: number, end: number): boolean {
  if (name.length !== end - start) return false
  for (let i = 0; i < name.length; i++) if (name[i] !== bytes[start + i]) return false
  return true
}
