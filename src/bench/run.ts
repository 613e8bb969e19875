import { Bench, type BenchOptions } from './bench.ts'
import { findRate } from './find.ts'
import type { Report } from './report/report.ts'

export interface RunOptions extends BenchOptions {
  /**
   * Search for the highest rate that keeps this 99th percentile, ms; undefined = measure the
   * load's own rate.
   */
  readonly findP99Ms?: number | undefined
}

/** Runs a benchmark. Closes everything that it opened, even after an error. */
export async function runBench(options: RunOptions): Promise<Report | undefined> {
  const bench = new Bench(options)
  try {
    await bench.open()
    if (options.stop.stopped) return undefined
    const { load, stop, progress, findP99Ms } = options
    if (findP99Ms === undefined) return bench.report(await bench.measure())
    return await findRate({ bench, load, stop, p99Ms: findP99Ms, step: (text) => progress.step(text) })
  } finally {
    await bench.close()
  }
}
