import { table } from '../../src/cli/text.ts'
import type { PromiseName } from '../simulation/verdict.ts'
import type { Outcome } from './run.ts'

/** One row of the table: all faults of a kind. */
export interface KindRow {
  readonly kind: string
  readonly times: number
  /** Clients that waited longer than `noticedMs` for an event, in the middle one of these faults. */
  readonly clients: number
  /** How long they waited at the longest, ms: the middle one of them all, and the longest. */
  readonly medianMs: number
  readonly longestMs: number
  /** Gaps that clients were told, by reason. */
  readonly told: Readonly<Record<string, number>>
}

export interface Report {
  readonly faults: number
  readonly clients: number
  readonly published: number
  readonly handed: number
  readonly minutes: number
  readonly rows: readonly KindRow[]
  /** Clients for which something was lost, or came twice or out of order, or another promise was broken. */
  readonly lost: number
  readonly repeated: number
  readonly otherwise: number
  readonly unserved: number
  /** Records that nats-server had forgotten after a kill, though clients had them. */
  readonly rewritten: number
  readonly problems: Readonly<Record<string, number>>
}

/** Longer than this is an outage to a client, ms. */
const noticedMs = 1000
/** Lines of a story that are shown, and stories. */
const shownLines = 60
const shownStories = 5

const losses: readonly PromiseName[] = ['missing', 'covered', 'true gap']
const repeats: readonly PromiseName[] = ['order', 'once a ref']

export function reportOf(outcomes: readonly Outcome[]): Report {
  const failures = outcomes.flatMap(({ lives }) => lives.flatMap(({ failure }) => failure ?? []))
  const lost = failures.filter(({ promise }) => losses.includes(promise)).length
  const repeated = failures.filter(({ promise }) => repeats.includes(promise)).length
  const sum = (of: (outcome: Outcome) => number) => outcomes.reduce((total, outcome) => total + of(outcome), 0)
  return {
    faults: sum(({ faults }) => faults.length),
    clients: Math.max(...outcomes.map(({ clients }) => clients)),
    published: sum(({ published }) => published),
    handed: sum(({ lives }) => lives.reduce((all, { handed }) => all + handed, 0)),
    minutes: sum(({ minutes }) => minutes),
    rows: rowsOf(outcomes),
    lost,
    repeated,
    otherwise: failures.length - lost - repeated,
    unserved: sum(({ unserved }) => unserved.length),
    rewritten: sum(({ rewritten }) => rewritten),
    problems: Object.fromEntries(outcomes.flatMap(({ problems }) => [...problems])),
  }
}

export const isFlawless = ({ lost, repeated, otherwise, unserved }: Report): boolean =>
  lost + repeated + otherwise + unserved === 0

function rowsOf(outcomes: readonly Outcome[]): KindRow[] {
  const names = new Set(outcomes.flatMap(({ faults }) => faults.map(({ kind }) => kind)))
  return [...names].sort().map((kind) => {
    const each = outcomes.flatMap((outcome) => {
      return outcome.faults.flatMap((fault, i) => (fault.kind === kind ? [waitsOf(outcome, i)] : []))
    })
    const waits = each.flat().sort((a, b) => a - b)
    const told: Record<string, number> = {}
    for (const outcome of outcomes) {
      for (const [i, fault] of outcome.faults.entries()) if (fault.kind === kind) addTold(told, outcome, i)
    }
    return {
      kind,
      times: each.length,
      clients: middle(each.map(({ length }) => length).sort((a, b) => a - b)),
      medianMs: Math.round(middle(waits)),
      longestMs: Math.round(waits.at(-1) ?? 0),
      told,
    }
  })
}

/** How long those clients waited that noticed the fault, ms. */
function waitsOf({ lives }: Outcome, fault: number): number[] {
  return lives.map(({ waitsMs }) => waitsMs[fault + 1]!).filter((ms) => ms > noticedMs)
}

function addTold(told: Record<string, number>, { lives }: Outcome, fault: number): void {
  for (const { gaps } of lives) for (const [reason, n] of gaps[fault + 1]!) told[reason] = (told[reason] ?? 0) + n
}

const middle = (sorted: readonly number[]) => sorted[sorted.length >> 1] ?? 0

/** For people: the table, and the stories of promises that were broken. */
export function render(report: Report, outcomes: readonly Outcome[]): string {
  const { faults, clients, published, handed, minutes, lost, repeated, otherwise, rewritten, problems } = report
  const head = ['fault', 'times', `clients that waited > ${noticedMs / 1000} s`, 'median s', 'longest s', 'told']
  const cells = report.rows.map(({ kind, times, clients: hit, medianMs, longestMs, told }) => {
    const gaps = Object.entries(told).map(([reason, n]) => `${reason} ×${n}`)
    return [kind, `${times}`, `${hit}`, secondsOf(medianMs), secondsOf(longestMs), gaps.join(', ') || 'nothing']
  })
  return [
    `${faults} faults in ${minutes.toFixed(1)} minutes, ${clients} clients, ${published} events published, ${handed} handed over`,
    '',
    table(head, cells),
    '',
    `clients that lost something: ${lost}; that got something twice or out of order: ${repeated}; otherwise wronged: ${otherwise}`,
    ...(rewritten === 0 ? [] : [`records that a broker forgot after it had shown them: ${rewritten}`]),
    ...Object.entries(problems).map(([problem, n]) => `the publisher was told ×${n}: ${problem}`),
    ...outcomes.flatMap(({ unserved }) => unserved.map((who) => `not served at the end: ${who}`)),
    ...outcomes.flatMap(storiesOf),
  ].join('\n')
}

const secondsOf = (ms: number) => (ms / 1000).toFixed(1)

function storiesOf({ broker, lives }: Outcome): string[] {
  const broken = lives.filter(({ failure }) => failure !== undefined)
  return broken.slice(0, shownStories).flatMap(({ failure, trace }) => {
    return ['', `${broker}: ${failure!.promise}: ${failure!.message}`, ...trace.slice(-shownLines)]
  })
}
