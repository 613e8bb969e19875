import type { Row } from '../figures/table.ts'

/** What honest clients and the gateway had in a stretch of time. */
export interface Stretch {
  /** Publisher's clock to written, as the gateway measured it; and until a client had it. */
  readonly writtenP99Ms: number
  readonly receivedP99Ms: number
  readonly receivedMaxMs: number
  readonly received: number
  /** The slowest answer to a probe; Infinity = one was not answered by 200. A figure is NaN where the gateway could not be asked. */
  readonly livezMs: number
  readonly residentMiB: number
  /** The gateway's CPU, as a share of its core. */
  readonly cpu: number
}

/** MiB, after a full collection. */
export interface Memory {
  readonly heap: number
  readonly external: number
}

/** One attack, or several at once. */
export interface Outcome {
  readonly name: string
  readonly quiet: Stretch
  readonly attack: Stretch
  /** Events that clients did not get, with a gap that says so or without. */
  readonly lost: number
  readonly told: number
  /** Honest clients' connections that ended or did not come about, and why. */
  readonly broken: number
  readonly reasons: readonly string[]
  /** Why an honest publisher was refused. */
  readonly refusal: string | undefined
  readonly before: Memory
  readonly after: Memory
  /** What docs/operations.md says that all of it takes at most. */
  readonly documentedMiB: number
  readonly attackers: { readonly connections: number; readonly bytes: number }
  /** What the gateway wrote when it ended. */
  readonly ended: string | undefined
}

export interface Bounds {
  /** Of both 99th percentiles: so many times the quiet one, and so many ms. */
  readonly timesQuiet: number
  readonly p99Ms: number
  readonly livezMs: number
  /** Share by which heap and external memory may be larger afterwards. */
  readonly growth: number
  /** Resident memory above what is documented. */
  readonly slackMiB: number
}

export const bounds: Bounds = { timesQuiet: 3, p99Ms: 50, livezMs: 100, growth: 0.1, slackMiB: 64 }

/** Why the gateway did not stand it; none = it did. */
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
    ...(told > 0 ? [`${told} events told as gaps`] : []),
    ...(refusal === undefined ? [] : [`an honest publisher was refused: ${refusal}`]),
    ...atMost('heap afterwards', after.heap, before.heap * (1 + growth), 'MiB'),
    ...atMost('external memory afterwards', after.external, before.external * (1 + growth), 'MiB'),
    ...atMost('resident', attack.residentMiB, documentedMiB + slackMiB, 'MiB'),
  ]
}

/** Where honest clients already have no more to lose when it is quiet, the host says nothing of the gateway. */
export const tooBusy = ({ quiet }: Outcome): boolean =>
  quiet.writtenP99Ms > bounds.p99Ms || quiet.livezMs > bounds.livezMs

/** A figure that is none, as one that JSON has no number for, keeps no bound. */
const isAtMost = (value: number, bound: number): boolean => typeof value === 'number' && value <= bound

function shown(value: number): string {
  if (Number.isNaN(value)) return 'unknown'
  return Number.isFinite(value) ? value.toFixed(value < 10 ? 1 : 0) : 'no answer'
}

export function verdict(outcome: Outcome): 'stands' | 'FALLS' | 'host too busy' {
  if (tooBusy(outcome)) return 'host too busy'
  return problems(outcome).length === 0 ? 'stands' : 'FALLS'
}

/** For people: quiet figures stand before those under attack. */
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
