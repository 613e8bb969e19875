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
 * The only file that imports OpenTelemetry's trace SDK. It loads only if the OTEL_* variables ask
 * for traces (about 340 ms). The exporters read endpoint, headers, certificates, compression and
 * timeout from those variables.
 */

/** Counts spans by outcome, for a metric. */
export interface SpanCounts {
  exported: number
  failed: number
  dropped: number
}

export interface SdkOptions {
  readonly protocol: OtlpProtocol
  /** `service.name` etc., unless OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES set them. */
  readonly resource: Readonly<Record<string, string>>
  readonly version: string
  readonly counts: SpanCounts
  /** Called when a batch could not be exported. */
  readonly onFailed: (error: Error | undefined, spans: number) => void
}

export interface TraceSdk {
  readonly tracer: Tracer
  /**
   * Exports the remaining spans. Resolves when that has succeeded or failed, at the latest at the
   * exporter's timeout.
   */
  close(): Promise<void>
}

/** Default of OTEL_BSP_MAX_QUEUE_SIZE by the specification. */
const defaultMaxQueue = 2048

export async function openTraceSdk(options: SdkOptions): Promise<TraceSdk> {
  const exporter = await openExporter(options.protocol)
  const sdk = new NodeSDK({
    resource: defaultResource().merge(resourceFromAttributes(options.resource)),
    resourceDetectors: [envDetector],
    // The caller has decided already: spans start only for sampled contexts and --trace.
    sampler: new AlwaysOnSampler(),
    spanProcessors: [new BoundedProcessor(exporter, options)],
    // Metrics are pulled, logs go to stderr, and spans get their parent explicitly.
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
      // The processor skips this if its last export fails.
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
 * The SDK's batch processor with a stricter queue limit: spans that are being exported count too,
 * so that spans are dropped only here, where they are counted.
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

/** Reads a positive whole number from a variable; undefined for other values. */
function numberOf(name: string): number | undefined {
  const value = Number(process.env[name]?.trim() || Number.NaN)
  return Number.isInteger(value) && value > 0 ? value : undefined
}

function defined<Name extends string>(name: Name, value: number | undefined): { [key in Name]?: number } {
  return value === undefined ? {} : ({ [name]: value } as { [key in Name]: number })
}
