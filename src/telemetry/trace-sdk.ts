import { type Tracer, trace } from '@opentelemetry/api'
import { defaultResource, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import { NodeSDK } from '@opentelemetry/sdk-node'
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  type ReadableSpan,
  type SpanExporter,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace'
import type { OtlpProtocol } from './trace-options.ts'

/**
 * The one place that knows OpenTelemetry's trace SDK; loaded only when the OTEL_* variables ask for traces (about 340 ms).
 * The exporters read the endpoint, headers, certificates, compression and time limit from those variables by themselves.
 */

/** What becomes of spans: plain counts that a metric reads. */
export interface SpanCounts {
  exported: number
  failed: number
  dropped: number
}

export interface SdkOptions {
  readonly protocol: OtlpProtocol
  /** `service.name` and the like, where OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say nothing else. */
  readonly resource: Readonly<Record<string, string>>
  readonly version: string
  readonly counts: SpanCounts
  /** A batch could not be exported. */
  readonly onFailed: (error: Error | undefined, spans: number) => void
}

export interface TraceSdk {
  readonly tracer: Tracer
  /** Exports what is left; resolves when that is done or has failed, which may take as long as the exporter's time limit. */
  close(): Promise<void>
}

/** OTEL_BSP_MAX_QUEUE_SIZE's default by the specification. */
const defaultMaxQueue = 2048

export async function openTraceSdk(options: SdkOptions): Promise<TraceSdk> {
  const exporter = await openExporter(options.protocol)
  const sdk = new NodeSDK({
    resource: defaultResource().merge(resourceFromAttributes(options.resource)),
    resourceDetectors: [envDetector],
    // Whoever starts a span has decided: sampled contexts and --trace only.
    sampler: new AlwaysOnSampler(),
    spanProcessors: [new BoundedProcessor(exporter, options)],
    // Metrics are pulled, logs go to stdout, and a span is given its parent by hand.
    metricReaders: [],
    logRecordProcessors: [],
    textMapPropagator: null,
  })
  sdk.start()
  return {
    tracer: trace.getTracer('carillon', options.version),
    close: async () => {
      await sdk.shutdown().catch(() => {})
      trace.disable()
      // The processor does not get so far where its last export fails.
      await exporter.shutdown().catch(() => {})
    },
  }
}

async function openExporter(protocol: OtlpProtocol): Promise<SpanExporter> {
  switch (protocol) {
    case 'http/protobuf':
      return new (await import('@opentelemetry/exporter-trace-otlp-proto')).OTLPTraceExporter()
    case 'http/json':
      return new (await import('@opentelemetry/exporter-trace-otlp-http')).OTLPTraceExporter()
    case 'grpc':
      return new (await import('@opentelemetry/exporter-trace-otlp-grpc')).OTLPTraceExporter()
  }
}

/**
 * The SDK's batches, with its bound on what waits drawn tighter: spans that are being exported count too, so that nothing is dropped
 * but here, where it is counted.
 */
class BoundedProcessor implements SpanProcessor {
  readonly #batches: BatchSpanProcessor
  readonly #counts: SpanCounts
  readonly #most: number
  #pending = 0

  constructor(exporter: SpanExporter, { counts, onFailed }: SdkOptions) {
    this.#counts = counts
    this.#most = numberOf('OTEL_BSP_MAX_QUEUE_SIZE') ?? defaultMaxQueue
    this.#batches = new BatchSpanProcessor({
      maxQueueSize: this.#most,
      ...defined('maxExportBatchSize', numberOf('OTEL_BSP_MAX_EXPORT_BATCH_SIZE')),
      ...defined('scheduledDelayMillis', numberOf('OTEL_BSP_SCHEDULE_DELAY')),
      ...defined('exportTimeoutMillis', numberOf('OTEL_BSP_EXPORT_TIMEOUT')),
      exporter: {
        export: (spans, done) => {
          exporter.export(spans, (result) => {
            this.#pending -= spans.length
            // ExportResultCode.SUCCESS of @opentelemetry/core.
            if (result.code === 0) counts.exported += spans.length
            else {
              counts.failed += spans.length
              onFailed(result.error, spans.length)
            }
            done(result)
          })
        },
        shutdown: () => exporter.shutdown(),
      },
    })
  }

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    if (this.#pending >= this.#most) {
      this.#counts.dropped++
      return
    }
    this.#pending++
    this.#batches.onEnd(span)
  }

  forceFlush(): Promise<void> {
    return this.#batches.forceFlush()
  }

  shutdown(): Promise<void> {
    return this.#batches.shutdown()
  }
}

/** A positive whole number from a variable; undefined where it is none. */
function numberOf(name: string): number | undefined {
  const value = Number(process.env[name]?.trim() || Number.NaN)
  return Number.isInteger(value) && value > 0 ? value : undefined
}

function defined<Name extends string>(name: Name, value: number | undefined): { [key in Name]?: number } {
  return value === undefined ? {} : ({ [name]: value } as { [key in Name]: number })
}
