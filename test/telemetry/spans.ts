import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { Budget } from '../../src/telemetry/budget.ts'
import { type TraceOptions, traceDefaults } from '../../src/telemetry/options.ts'
import { StreamTraces } from '../../src/telemetry/stream-traces.ts'
import { ManualClock } from '../model/clock.ts'

export const traceId = '0af7651916cd43dd8448eb211c80319c'
export const spanId = 'b7ad6b7169203331'
export const traceparent = `00-${traceId}-${spanId}-01`

/** The real SDK with spans in memory. */
export class Spans {
  readonly #exporter = new InMemorySpanExporter()
  readonly #provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: this.#exporter })] })
  readonly tracer = this.#provider.getTracer('test')
  readonly losses = { over_budget: 0 }

  /** In order of their ends. */
  get all(): ReadableSpan[] {
    return this.#exporter.getFinishedSpans()
  }

  named(name: string): ReadableSpan[] {
    return this.all.filter((span) => span.name === name)
  }

  stream(options: Partial<TraceOptions> = {}, clock = new ManualClock()): StreamTraces {
    const all = { ...traceDefaults, ...options }
    const limits = {
      events: new Budget(all.eventsPerSecond, clock),
      deliveries: new Budget(all.deliveriesPerSecond, clock),
      losses: this.losses,
    }
    const to = { system: 'kafka', topic: 'carillon', clientId: 'g1' }
    return new StreamTraces(this.tracer, to, all, limits)
  }
}

/** Unix µs. */
export function startUs({ startTime: [seconds, nanos] }: ReadableSpan): number {
  return seconds * 1e6 + nanos / 1000
}

export function endUs({ endTime: [seconds, nanos] }: ReadableSpan): number {
  return seconds * 1e6 + nanos / 1000
}
