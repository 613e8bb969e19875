import { constants, PerformanceObserver, performance } from 'node:perf_hooks'
import type { Clock } from '../base/clock.ts'
import { Histogram } from './histogram.ts'
import { counter, durations, gauge, histogram, type MetricFamily, point } from './metric.ts'

/** Interval at which the event loop's delay is sampled, ms. */
const samplePeriodMs = 20
const pauseBoundsUs = [1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000]

/** V8's collections, by perf_hooks' numbers. */
const gcKinds = new Map<unknown, GcKind>([
  [constants.NODE_PERFORMANCE_GC_MINOR, 'minor'],
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weakcb'],
])
type GcKind = 'minor' | 'major' | 'incremental' | 'weakcb'

/**
 * Memory, CPU and pauses of this process, under the metric names of Node's Prometheus dashboards.
 * Observes until closed.
 */
export class ProcessInstruments {
  /** Delay of timers, µs: how long anything on this thread had to wait. */
  readonly loopDelay = new Histogram()
  readonly gcPauses: Record<GcKind, Histogram> = {
    minor: new Histogram(),
    major: new Histogram(),
    incremental: new Histogram(),
    weakcb: new Histogram(),
  }
  readonly #clock: Clock
  readonly #observer: PerformanceObserver
  #cancel: () => void = () => {}

  constructor(clock: Clock) {
    this.#clock = clock
    this.#observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) this.#collected(entry)
    })
    this.#observer.observe({ entryTypes: ['gc'] })
    this.#sampleLoop()
  }

  close(): void {
    this.#observer.disconnect()
    this.#cancel()
  }

  families(): MetricFamily[] {
    const memory = process.memoryUsage()
    const cpu = process.cpuUsage()
    return [
      gauge('process_resident_memory_bytes', 'Memory of this process in RAM', [point(memory.rss)]),
      gauge('process_start_time_seconds', 'Start time of this process, Unix time', [
        point(performance.timeOrigin / 1000),
      ]),
      counter('process_cpu_seconds', 'CPU time of this process', [point((cpu.user + cpu.system) / 1e6)]),
      gauge('nodejs_heap_size_used_bytes', 'JavaScript heap in use', [point(memory.heapUsed)]),
      gauge('nodejs_heap_size_total_bytes', 'JavaScript heap reserved', [point(memory.heapTotal)]),
      gauge('nodejs_external_memory_bytes', 'Buffers outside the heap, including the windows', [
        point(memory.external),
      ]),
      counter(
        'nodejs_eventloop_active_seconds',
        'Time for which the event loop was busy; its rate is the utilization',
        [point(performance.eventLoopUtilization().active / 1000)],
      ),
      histogram('nodejs_eventloop_delay_seconds', `How late timers ran, sampled every ${samplePeriodMs} ms`, [
        durations(this.loopDelay, pauseBoundsUs),
      ]),
      histogram(
        'nodejs_gc_duration_seconds',
        'Garbage collection pauses',
        Object.entries(this.gcPauses).map(([kind, pauses]) => durations(pauses, pauseBoundsUs, { kind })),
      ),
    ]
  }

  #sampleLoop(): void {
    const due = this.#clock.monotonicMs() + samplePeriodMs
    this.#cancel = this.#clock.after(samplePeriodMs, () => {
      this.loopDelay.record(Math.max(0, this.#clock.monotonicMs() - due) * 1000)
      this.#sampleLoop()
    })
  }

  #collected(entry: PerformanceEntry): void {
    const { kind } = (entry as PerformanceEntry & { detail: { kind: unknown } }).detail
    const name = gcKinds.get(kind)
    if (name !== undefined) this.gcPauses[name].record(entry.duration * 1000)
  }
}
