import type { HrTime } from '@opentelemetry/api'

/** Converts Unix µs to OpenTelemetry's time: seconds and nanoseconds. */
export function hrTime(us: number): HrTime {
  const seconds = Math.floor(us / 1e6)
  return [seconds, Math.round((us - seconds * 1e6) * 1000)]
}
