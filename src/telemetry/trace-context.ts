/**
 * W3C Trace Context, level 1: `traceparent` is `VERSION-TRACEID-SPANID-FLAGS` in lowercase hex. A later version may go on after
 * the flags; version ff and ids of zeros are invalid.
 */
export interface TraceContext {
  readonly traceId: string
  readonly spanId: string
  readonly sampled: boolean
}

export const traceparentHeader = 'traceparent'

/** Trace context and what travels with it, W3C: for gateways and tracers, never for subscribers. Compared in letters of either case. */
export const traceHeaders: readonly string[] = [traceparentHeader, 'tracestate', 'baggage']

const form = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})($|-)/
const headerLength = 55
/** Where the flags' second digit is: its lowest bit says sampled. */
const flagsAt = 54

/** undefined = not a traceparent: whoever gets it goes on as if there were none. */
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

/** Whether a traceparent at [start, end) can be a sampled one: one byte is looked at, so that all others cost no more. */
export function maySample(buffer: Uint8Array, start: number, end: number): boolean {
  // The lowest bit of a hex digit is that of its character, inverted for a to f: 'a' is 0x61 and means 10.
  if (end - start < headerLength) return false
  const digit = buffer[start + flagsAt]!
  return (digit < 0x3a ? digit & 1 : ~digit & 1) === 1
}
