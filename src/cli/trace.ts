import { randomBytes } from 'node:crypto'
import { systemClock } from '../base/clock.ts'
import { toCarillonError } from '../base/errors.ts'
import type { Config } from '../config/config.ts'
import { traceDefaults } from '../telemetry/options.ts'
import { formatTraceparent } from '../telemetry/trace-context.ts'
import { type TraceExport, traceExport } from '../telemetry/trace-options.ts'
import type { Published } from '../wire/frames.ts'
import { version } from './version.ts'

/** The trace of one published event. The event carries `traceparent`. */
export interface EventTrace {
  readonly traceId: string
  readonly traceparent: string
  acknowledged(results: readonly Published[]): void
  failed(error: unknown): void
  /** Exports the command's span. Resolves when it is exported, or after two seconds. */
  close(): Promise<void>
}

/** Way of the event: through a gateway, or directly to the configuration's broker. */
export type Way = { readonly gateway: string } | { readonly broker: Config }

/**
 * Begins a sampled trace. If the OTEL_* variables name a collector, its first span is this
 * command's; otherwise the command has no span.
 */
export async function beginTrace(way: Way): Promise<EventTrace> {
  const to = traceExport(process.env, (message) => console.error(`carillon: ${message}`))
  return to === undefined ? withoutSpan() : withSpan(way, to)
}

function withoutSpan(): EventTrace {
  const traceId = randomBytes(16).toString('hex')
  const traceparent = formatTraceparent({ traceId, spanId: randomBytes(8).toString('hex'), sampled: true })
  return { traceId, traceparent, acknowledged: () => {}, failed: () => {}, close: () => Promise.resolve() }
}

async function withSpan(way: Way, to: TraceExport): Promise<EventTrace> {
  const { Tracing } = await import('../telemetry/tracing.ts')
  const config = 'broker' in way ? way.broker : undefined
  const tracing = await Tracing.open({
    to,
    traces: traceDefaults,
    service: 'carillon-publish',
    instance: `carillon-publish-${process.pid}`,
    version: version(),
    broker: config?.broker.split(':')[0] ?? '',
    topicOf: (stream) => config?.streams[stream]?.topic ?? stream,
    counts: { exported: 0, failed: 0, dropped: 0, over_budget: 0 },
    clock: systemClock(),
    logger: { every: (_limit, _level, message) => console.error(`carillon: ${message}`) },
  })
  const { publishes } = tracing
  const span = 'gateway' in way ? publishes.beginRequest(`${way.gateway}/v1/publish`) : publishes.begin()
  return {
    traceId: span.traceId,
    traceparent: span.traceparent,
    acknowledged: (results) => span.acknowledged(results),
    failed: (error) => {
      const { code, message } = toCarillonError(error)
      span.failed(code, message)
    },
    close: () => tracing.close(),
  }
}
