import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Report } from '../../../src/bench/report/report.ts'
import { until } from '../../support/until.ts'
import { Run } from './run.ts'

export const benchSkip = process.platform === 'linux' ? false : 'CPU time and memory are read from /proc'
/** A small load, for options of a run. */
export const small = ['--clients', '50', '--duration', '2', '--warmup', '1', '--no-calibrate']

/** Runs of `carillon bench` in a folder of their own, and the processes that they leave. */
export class BenchRuns {
  readonly dir = mkdtempSync(join(tmpdir(), 'carillon-bench-test-'))

  start(...args: string[]): Run {
    return new Run(['bench', ...args], this.dir, { BENCH_TEST_RUN: this.dir })
  }

  /** The report of a run, and its exit code. */
  async measured(...args: string[]): Promise<{ report: Report; code: number | NodeJS.Signals; stderr: string }> {
    const run = this.start(...args, '--json')
    const code = await run.ended
    if (run.stdout === '') throw new Error(run.stderr)
    return { report: JSON.parse(run.stdout), code, stderr: run.stderr }
  }

  /** Command lines of processes that runs have left: each has its environment. */
  left(): string[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && readOf(name, 'environ').includes(`BENCH_TEST_RUN=${this.dir}`))
      .map((pid) => readOf(pid, 'cmdline'))
  }

  /** The guard ends a moment after its parent. */
  async nothingLeft(): Promise<void> {
    await until('all have ended', 10_000, () => this.left().length === 0)
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true })
  }
}

/** The gateway that a run has started: the child of its that is one. */
export function gatewayOf({ child }: Run): number {
  const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ').map(Number)
  const found = children.find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('\0serve\0'))
  if (found === undefined) throw new Error(`run ${child.pid} has no gateway`)
  return found
}

/** '' = it has ended meanwhile. */
function readOf(pid: string, file: 'environ' | 'cmdline'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch {
    return ''
  }
}
