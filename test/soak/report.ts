import type { LoadReport } from './client-process.ts'
import { plot } from './plot.ts'
import type { Sample } from './sample.ts'
import { type Point, type Trend, trend } from './trend.ts'

/** What a soak found. */
export interface Outcome {
  readonly what: string
  readonly published: number
  readonly samples: readonly Sample[]
  readonly clients: LoadReport
  /** Share of a core. */
  readonly loadShare: number
  /** The gateway, the publisher or the clients ended before their time: why. */
  readonly broken: string | undefined
}

/** What must not grow. */
const judged = ['anonymous', 'liveHeap', 'external', 'sessions', 'subscriptions'] as const
type Judged = (typeof judged)[number]

export function trends({ samples }: Outcome): Partial<Record<Judged, Trend>> {
  const found = judged.map((name) => [name, trend(points(samples, name))] as const)
  return Object.fromEntries(found.filter(([, each]) => each !== undefined))
}

/** Empty = all is well. */
export function problems(outcome: Outcome): string[] {
  const { lost, repeated, disordered, refused, waiting } = outcome.clients
  const counts = Object.entries({ lost, repeated, disordered, refused, waiting })
  const found = counts.filter(([, count]) => count > 0).map(([name, count]) => `${count} ${name}`)
  if (outcome.clients.refusal !== '') found.push(outcome.clients.refusal)
  if (outcome.broken !== undefined) found.unshift(outcome.broken)
  const all = trends(outcome)
  if (all.anonymous === undefined) found.push('too few samples for a trend: let it run longer')
  for (const [name, each] of Object.entries(all)) if (!each.flat) found.push(`${name} grows: ${trendText(each)}`)
  return found
}

export function reportText(outcome: Outcome): string {
  const { samples, clients, published, what, loadShare } = outcome
  const last = samples.at(-1)
  const seconds = last?.seconds ?? 0
  const gaps = clients.gaps.map(([reason, n]) => `${reason} ×${n}`).join(', ') || 'none'
  const rate = (count: number) => (count / Math.max(1, seconds)).toFixed(0)
  const lines = [
    plot('Anonymous memory of the gateway', points(samples, 'anonymous'), 'MiB'),
    '',
    plot('JavaScript heap after full collections', points(samples, 'liveHeap'), 'MiB'),
    '',
    what,
    `${(seconds / 60).toFixed(1)} min; ${published} events published; ${clients.events} given to ${clients.followers} followers, ${clients.again} again by SSE tokens`,
    `connections: ${clients.opened} opened (${rate(clients.opened)}/s), ${clients.closed} closed by clients, by the gateway ${clients.gone}, and ${clients.goneSlow} of slow and silent clients`,
    `the gateway's CPU: ${percent((last?.cpuSeconds ?? 0) / Math.max(1, seconds))} of a core; the clients': ${percent(loadShare)}`,
    `caught up with: ${last?.caughtUp ?? 0} events; read back: ${last?.readBacks ?? 0} chunks; refused requests: ${last?.refused ?? 0}; gaps told: ${gaps}`,
    `lost ${clients.lost}, repeated ${clients.repeated}, out of order ${clients.disordered}`,
    ...Object.entries(trends(outcome)).map(
      ([name, each]) => `${name}: ${each.flat ? 'flat' : 'GROWS'}, ${trendText(each)}`,
    ),
  ]
  return `${lines.join('\n')}\n`
}

export function csv(samples: readonly Sample[]): string {
  const names = Object.keys(samples[0] ?? {}) as (keyof Sample)[]
  const rows = samples.map((each) => names.map((name) => each[name]?.toString() ?? '').join(','))
  return `${[names.join(','), ...rows].join('\n')}\n`
}

/** One line while it runs. */
export function progressText(now: Sample, before: Sample | undefined, clients: LoadReport): string {
  const seconds = now.seconds - (before?.seconds ?? 0)
  const rate = (name: 'opened' | 'delivered' | 'cpuSeconds') => (now[name] - (before?.[name] ?? 0)) / seconds
  const live = now.liveHeap === undefined ? '' : ` (live ${now.liveHeap.toFixed(1)})`
  const { lost, repeated, disordered, refused } = clients
  const wrong = lost + repeated + disordered + refused
  return [
    `${(now.seconds / 60).toFixed(1).padStart(5)} min`,
    `RSS ${now.resident.toFixed(0)}, anonymous ${now.anonymous.toFixed(1)}, heap ${now.heapUsed.toFixed(1)}${live}, external ${now.external.toFixed(1)} MiB`,
    `${now.sessions} sessions, ${now.behind} behind`,
    `${rate('opened').toFixed(0)} opened/s, ${rate('delivered').toFixed(0)} deliveries/s, CPU ${percent(rate('cpuSeconds'))}`,
    `gaps ${now.gaps}, gone ${clients.gone} + ${clients.goneSlow}, ${wrong === 0 ? 'nothing wrong' : JSON.stringify({ lost, repeated, disordered, refused })}`,
  ].join('; ')
}

function points(samples: readonly Sample[], name: Judged): Point[] {
  return samples.flatMap(({ seconds, [name]: value }) => (value === undefined ? [] : [{ seconds, value }]))
}

function trendText({ mean, slope, growth, noise, allowed }: Trend): string {
  const sign = growth < 0 ? '' : '+'
  return `mean ${mean.toFixed(1)}, ${sign}${growth.toFixed(2)} over the last two thirds (${sign}${(slope * 3600).toFixed(1)} an hour), noise ${noise.toFixed(2)}, allowed ${allowed.toFixed(2)}`
}

const percent = (share: number) => `${(share * 100).toFixed(0)} %`
