import { type HrTime, ValueType } from '@opentelemetry/api'
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus'
import { type Resource, resourceFromAttributes } from '@opentelemetry/resources'
import {
  AggregationTemporality,
  type CollectionResult,
  type DataPoint,
  DataPointType,
  type MetricData,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics'
import type { Clock } from '../base/clock.ts'
import { hrTime } from './hr-time.ts'
import type { HistogramPoint, Labels, MetricFamily } from './metric.ts'

/**
 * The only file that imports OpenTelemetry's metrics SDK. Loading takes about 15 MB and 150 ms,
 * so it loads at start and never delays a scrape.
 */

export interface TelemetryIdentity {
  /** The gateway's id, new on each start. */
  readonly gateway: string
  readonly version: string
}

/** Prometheus' text exposition format, version 0.0.4. */
export const metricsContentType = 'text/plain; version=0.0.4; charset=utf-8'

/**
 * Converts metric families to OpenTelemetry's metric data, which all its readers and exporters
 * take.
 */
export class FamilyProducer implements MetricProducer {
  readonly #collect: () => readonly MetricFamily[]
  readonly #resource: Resource
  readonly #clock: Clock
  readonly #started: HrTime

  constructor(identity: TelemetryIdentity, collect: () => readonly MetricFamily[], clock: Clock) {
    this.#collect = collect
    this.#clock = clock
    this.#started = hrTime(clock.nowUs())
    this.#resource = resourceFromAttributes({
      'service.name': 'carillon',
      'service.instance.id': identity.gateway,
      'service.version': identity.version,
    })
  }

  collect(): Promise<CollectionResult> {
    return Promise.resolve(this.collectNow())
  }

  collectNow(): CollectionResult {
    const now = hrTime(this.#clock.nowUs())
    const metrics = this.#collect().map((family) => metricData(family, this.#started, now))
    return {
      resourceMetrics: { resource: this.#resource, scopeMetrics: [{ scope: { name: 'carillon' }, metrics }] },
      errors: [],
    }
  }
}

/** Returns a function that returns the current response body of `/metrics`. */
export function prometheusText(
  identity: TelemetryIdentity,
  collect: () => readonly MetricFamily[],
  clock: Clock,
): () => string {
  const producer = new FamilyProducer(identity, collect, clock)
  const serializer = new PrometheusSerializer('', false, undefined, false, true)
  return () => serializer.serialize(producer.collectNow().resourceMetrics)
}

function metricData(family: MetricFamily, startTime: HrTime, endTime: HrTime): MetricData {
  const descriptor = {
    name: family.name,
    description: family.help,
    unit: unitOf(family.name),
    valueType: ValueType.DOUBLE,
  }
  const aggregationTemporality = AggregationTemporality.CUMULATIVE
  const dataPoint = <Value>(attributes: Labels, value: Value): DataPoint<Value> => {
    return { startTime, endTime, attributes, value }
  }
  const shared = { descriptor, aggregationTemporality }
  if (family.kind === 'histogram') {
    const dataPoints = family.points.map((each) => dataPoint(each.labels, distribution(each)))
    return { ...shared, dataPointType: DataPointType.HISTOGRAM, dataPoints }
  }
  const dataPoints = family.points.map((each) => dataPoint(each.labels, each.value))
  if (family.kind === 'gauge') return { ...shared, dataPointType: DataPointType.GAUGE, dataPoints }
  return { ...shared, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints }
}

function distribution({ bounds, counts, count, sum }: HistogramPoint) {
  return { count, sum, buckets: { boundaries: [...bounds], counts: [...counts] } }
}

/**
 * Returns the UCUM unit for OpenTelemetry. The metric's name contains the unit in words, as in
 * Prometheus.
 */
function unitOf(name: string): string {
  if (name.endsWith('_seconds')) return 's'
  return name.endsWith('_bytes') ? 'By' : ''
}
