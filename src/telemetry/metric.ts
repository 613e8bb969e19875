import type { Histogram } from './histogram.ts'

/**
 * Metrics in a form independent of the exporter: families of points with fixed labels, in
 * Prometheus' terms. Names contain the base unit (`_seconds`, `_bytes`). The exporter adds
 * `_total` to counters.
 */
export type MetricFamily = NumberFamily | HistogramFamily

interface Family<Point> {
  readonly name: string
  readonly help: string
  readonly points: readonly Point[]
}

export interface NumberFamily extends Family<NumberPoint> {
  /** A counter only increases; a gauge is a current value. */
  readonly kind: 'counter' | 'gauge'
}

export interface HistogramFamily extends Family<HistogramPoint> {
  readonly kind: 'histogram'
}

export type Labels = Readonly<Record<string, string>>

export interface NumberPoint {
  readonly labels: Labels
  readonly value: number
}

/**
 * Durations in seconds. `counts` has one more element than `bounds`: the values above the last
 * bound.
 */
export interface HistogramPoint {
  readonly labels: Labels
  readonly bounds: readonly number[]
  readonly counts: readonly number[]
  readonly count: number
  readonly sum: number
}

const usPerSecond = 1_000_000

export function counter(name: string, help: string, points: readonly NumberPoint[]): NumberFamily {
  return { kind: 'counter', name, help, points }
}

export function gauge(name: string, help: string, points: readonly NumberPoint[]): NumberFamily {
  return { kind: 'gauge', name, help, points }
}

export function histogram(name: string, help: string, points: readonly HistogramPoint[]): HistogramFamily {
  return { kind: 'histogram', name, help, points }
}

export function point(value: number, labels: Labels = {}): NumberPoint {
  return { labels, value }
}

/** Returns one point per key of a record of counts. */
export function pointsBy(label: string, counts: Readonly<Record<string, number>>, labels: Labels = {}): NumberPoint[] {
  return Object.entries(counts).map(([key, value]) => point(value, { ...labels, [label]: key }))
}

/** Converts a histogram of µs to seconds. */
export function durations(recorded: Histogram, boundsUs: readonly number[], labels: Labels = {}): HistogramPoint {
  return {
    labels,
    bounds: boundsUs.map((bound) => bound / usPerSecond),
    counts: recorded.buckets(boundsUs),
    count: recorded.count,
    sum: recorded.sum / usPerSecond,
  }
}
