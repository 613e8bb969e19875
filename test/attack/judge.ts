import type { Row } from '../figures/table.ts'

/** Figures of honest clients and the gateway over a period. */
export interface Stretch {
  /**
   * Time from the publisher's timestamp until the gateway wrote the event, measured by the
   * gateway, and until a client received it.
   */
  readonly writtenP99Ms: number
  readonly receivedP99Ms: number
  readonly receivedMaxMs: number
  readonly received: number
  /**
   * Slowest response to a probe; Infinity = a probe was not answered with 200. NaN = the gateway
   * could not be reached.
   */
  readonly livezMs: number
  readonly residentMiB: number
  /** CPU of the gateway, as a share of its core. */
  readonly cpu: number
}

/** Memory after a full garbage collection, MiB. */
export interface Memory {
  readonly heap: number
  readonly external: number
}

/** Result of one attack, or of several at once. */
export interface Outcome {
  readonly name: string
  readonly quiet: Stretch
  readonly attack: Stretch
  /** Events that clients did not receive, with or without a gap that covers them. */
  readonly lost: number
  readonly told: number
  /** Honest clients' connections that ended or failed, and why. */
  readonly broken: number
  readonly reasons: readonly string[]
  /** Why an honest publisher was refused. */
  readonly refusal: string | undefined
  readonly before: Memory
  readonly after: Memory
  /** Upper bound of memory for all of it, from docs/operations.md. */
  readonly documentedMiB: number
  readonly attackers: { readonly connections: number; readonly bytes: number }
  /** Output of a gateway that ended; undefined = it still runs. */
  readonly ended: string | undefined
}

export interface Bounds {
  /** Bounds of both 99th percentiles: a multiple of the quiet figure, and a time in ms. */
  readonly timesQuiet: number
  readonly p99Ms: number
  readonly livezMs: number
  /** Share by which heap and external memory may grow. */
  readonly growth: number
  /** Allowed resident memory above the documented bound. */
  readonly slackMiB: number
}

export const bounds: Bounds = { timesQuiet: 3, p99Ms: 50, livezMs: 100, growth: 0.1, slackMiB: 64 }

/** Returns why the gateway did not withstand the attack; empty = it did. */
export function problems(
  outcome: Outcome,
  { timesQuiet, p99Ms, livezMs, growth, slackMiB }: Bounds = bounds,
): string[] {
  const { quiet, attack, before, after, lost, told, refusal, ended, documentedMiB } = outcome
  if (ended !== undefined) return [`the gateway ended: ${ended}`]
  const atMost = (what: string, value: number, bound: number, unit: string): string[] =>
    isAtMost(value, bound) ? [] : [`${what} ${shown(value)} ${unit}, at most ${shown(bound)}`]
  const latency = (what: string, of: 'writtenP99Ms' | 'receivedP99Ms') =>
    atMost(`${what} p99`, attack[of], Math.min(p99Ms, timesQuiet * quiet[of]), 'ms')
  return [
    ...latency('written', 'writtenP99Ms'),
    ...latency('received', 'receivedP99Ms'),
    ...atMost('/livez', attack.livezMs, livezMs, 'ms'),
    ...(lost > 0 ? [`${lost} events lost`] : []),
    ...(told > 0 ? [`${told} events reported as gaps`] : []),
    ...(refusal === undefined ? [] : [`an honest publisher was refused: ${refusal}`]),
    ...atMost('heap afterwards', after.heap, before.heap * (1 + growth), 'MiB'),
    ...atMost('external memory afterwards', after.external, before.external * (1 + growth), 'MiB'),
    ...atMost('resident', attack.residentMiB, documentedMiB + slackMiB, 'MiB'),
  ]
}

/** Whether the quiet host is already too slow for the figures to describe the gateway. */
export const tooBusy = ({ quiet }: Outcome): boolean =>
  quiet.writtenP99Ms > bounds.p99Ms || quiet.livezMs > bounds.livezMs

/**
 * Returns whether a figure is within its bound. A missing figure, such as NaN after JSON, is not.
 */
const isAtMost = (value: number, bound: number): boolean => typeof value === 'number' && value <= bound

function shown(value: number): string {
  if (Number.isNaN(value)) return 'unknown'
  return Number.isFinite(value) ? value.toFixed(value < 10 ? 1 : 0) : 'no answer'
}

export function verdict(outcome: Outcome): 'stands' | 'FALLS' | 'host too busy' {
  if (tooBusy(outcome)) return 'host too busy'
  return problems(outcome).length === 0 ? 'stands' : 'FALLS'
}

/** Returns a readable row with the quiet figures before those under attack. */
export function row(outcome: Outcome): Row {
  const { name, quiet, attack, lost, told, broken, before, after, documentedMiB, attackers } = outcome
  const two = (a: number, b: number) => `${shown(a)} → ${shown(b)}`
  return {
    attack: name,
    'written p99 ms': two(quiet.writtenP99Ms, attack.writtenP99Ms),
    'received p99 ms': two(quiet.receivedP99Ms, attack.receivedP99Ms),
    '/livez ms': two(quiet.livezMs, attack.livezMs),
    lost: lost + told,
    broken,
    'heap MiB': two(before.heap, after.heap),
    'external MiB': two(before.external, after.external),
    'resident MiB': `${shown(attack.residentMiB)} of ${shown(documentedMiB)}`,
    'CPU %': two(quiet.cpu * 100, attack.cpu * 100),
    'sent MiB': attackers.bytes / 2 ** 20,
    connections: attackers.connections,
    verdict: verdict(outcome),
  }
}
