/**
 * W3C Trace Context, level 1: `traceparent` is `VERSION-TRACEID-SPANID-FLAGS` in lower-case hex.
 * Later versions may append more. Version ff and all-zero ids are invalid.
 */
export interface TraceContext {
  readonly traceId: string
  readonly spanId: string
  readonly sampled: boolean
}

export const traceparentHeader = 'traceparent'

/**
 * Headers of trace context and baggage (W3C), compared case-insensitively. They are for gateways
 * and tracers; subscribers never see them.
 */
export const traceHeaders: readonly string[] = [traceparentHeader, 'tracestate', 'baggage']

const form = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})($|-)/
const headerLength = 55
/** Position of the second flags digit, whose lowest bit means sampled. */
const flagsAt = 54

/** Parses a traceparent. Returns undefined for any other text, which callers ignore. */
export function parseTraceparent(text: string): TraceContext | undefined {
  const match = form.exec(text)
  if (match === null) return undefined
  const [, version, traceId, spanId, flags] = match
  if (version === '00' && text.length !== headerLength) return undefined
  return { traceId: traceId!, spanId: spanId!, sampled: (Number.parseInt(flags!, 16) & 1) === 1 }
}

export function formatTraceparent({ traceId, spanId, sampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`
}

/**
 * Returns whether a traceparent at [start, end) may be sampled. Checks one byte, so that other
 * records cost no more.
 */
export function maySample(buffer: Uint8Array, start: number, end: number): boolean {
  // The lowest bit of a hex digit equals that of its character, inverted for a to f: 'a' is 0x61
  // and means 10.
  if (end - start < headerLength) return false
  const digit = buffer[start + flagsAt]!
  return (digit < 0x3a ? digit & 1 : ~digit & 1) === 1
}
