import { setTimeout as sleep } from 'node:timers/promises'
import type { Gateway } from '../../src/bench/carillon/gateway.ts'
import type { Child, Handlers } from '../../src/bench/process/child.ts'
import { type Cpu, cpuBetween, cpuOf, hostTime } from '../../src/bench/process/host.ts'
import { quantileBound } from '../../src/bench/process/metrics.ts'

/** What happened in a stretch of time. */
export interface Window {
  readonly seconds: number
  readonly gateway: Cpu
  /** µs, by the order of the children given. */
  readonly childrenUs: readonly number[]
  /** Share of the host's CPU time in which nobody did anything. */
  readonly idle: number
  /** Differences of the gateway's counters. */
  count(metric: string): number
  /** Upper bound of a histogram's quantile, seconds. */
  quantile(metric: string, q: number): number
}

/** Watches for so long. The scrapes are outside of what is measured. */
export async function watch(gateway: Gateway, children: readonly Child<Handlers>[], seconds: number): Promise<Window> {
  const before = await gateway.metrics()
  const start = snapshot(gateway, children)
  await sleep(seconds * 1000)
  const end = snapshot(gateway, children)
  const after = await gateway.metrics()
  return {
    seconds: (end.atMs - start.atMs) / 1000,
    gateway: cpuBetween(start.gateway, end.gateway),
    childrenUs: end.children.map((cpu, i) => cpu.totalUs - start.children[i]!.totalUs),
    idle: (end.host.idle - start.host.idle) / Math.max(1, end.host.all - start.host.all),
    count: (metric) => after.sum(metric) - before.sum(metric),
    quantile: (metric, q) => quantileBound(before.buckets(metric), after.buckets(metric), q),
  }
}

function snapshot(gateway: Gateway, children: readonly Child<Handlers>[]) {
  return {
    atMs: performance.now(),
    gateway: cpuOf(gateway.pid),
    children: children.map(({ pid }) => cpuOf(pid)),
    host: hostTime(),
  }
}
