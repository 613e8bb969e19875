import type { Spread } from './subjects.ts'

/** What happens during the measurement, beside events that flow. */
export type Action =
  | 'none'
  /** All clients lose their connections at once, and come back with their positions. */
  | 'storm'
  /** A share of the clients a second leaves and comes back. */
  | 'churn'
  /** A server is killed. */
  | 'failover'

export interface Scenario {
  readonly about: string
  readonly spread: Spread
  readonly action: Action
  readonly clients: number
  /** Events a second; a function of the clients where they have a rate each. */
  readonly rate: (clients: number) => number
  readonly subjects: (clients: number) => number
  readonly payloadBytes: number
  readonly durationS: number
  /** Share of the clients that leaves and comes back in a second. */
  readonly churnPerSecond: number
  /** Each so-manieth client reads slowly; 0 = none. */
  readonly slowEvery: number
}

const base = {
  spread: 'each-own',
  action: 'none',
  clients: 1000,
  rate: (clients: number) => clients,
  subjects: (clients: number) => clients,
  payloadBytes: 512,
  durationS: 30,
  churnPerSecond: 0,
  slowEvery: 0,
} as const

export const scenarios = {
  'each-own-subject': {
    ...base,
    about: 'each client has its own subject and receives one message a minute',
    clients: 10_000,
    rate: (clients) => clients / 60,
    durationS: 60,
  },
  unicast: { ...base, about: 'each client has its own subject; the total rate is spread evenly', rate: () => 5000 },
  broadcast: { ...base, about: 'all clients follow one subject', spread: 'one', rate: () => 10, subjects: () => 1 },
  mixed: {
    ...base,
    about: "a few popular subjects and many rare ones, by Zipf's law for clients and events",
    spread: 'zipf',
    rate: () => 200,
    subjects: (clients) => Math.max(1, Math.ceil(clients / 10)),
  },
  storm: {
    ...base,
    about: 'all clients lose their connections at once and come back with their positions',
    action: 'storm',
    clients: 5000,
    rate: () => 500,
  },
  churn: {
    ...base,
    about: 'a share of the clients leaves and comes back each second',
    action: 'churn',
    churnPerSecond: 0.05,
  },
  slow: {
    ...base,
    about: 'one client in a hundred reads only occasionally',
    spread: 'one',
    clients: 500,
    rate: () => 20,
    subjects: () => 1,
    payloadBytes: 4096,
    slowEvery: 100,
  },
  failover: { ...base, about: 'a gateway is killed at full load', action: 'failover' },
  soak: {
    ...base,
    about: 'a steady load with some churn for a long time, to find memory growth',
    action: 'churn',
    durationS: 1800,
    churnPerSecond: 0.01,
  },
} as const satisfies Record<string, Scenario>

export type ScenarioName = keyof typeof scenarios
export const scenarioNames = Object.keys(scenarios) as ScenarioName[]

/** A scenario with its figures settled. */
export interface Load {
  readonly scenario: ScenarioName
  readonly spread: Spread
  readonly action: Action
  readonly clients: number
  /** Subjects that each client follows, each client others; one where it is not given. */
  readonly each?: number
  /** Events a second. */
  readonly rate: number
  readonly subjects: number
  readonly payloadBytes: number
  readonly durationS: number
  readonly warmupS: number
  /** Clients a second that leave and come back. */
  readonly churnPerSecond: number
  readonly slowEvery: number
  readonly seed: number
}

/** What a command line may say otherwise. */
export interface LoadOptions {
  readonly clients?: number | undefined
  readonly rate?: number | undefined
  readonly subjects?: number | undefined
  readonly payloadBytes?: number | undefined
  readonly durationS?: number | undefined
  readonly warmupS?: number | undefined
  readonly seed?: number | undefined
}

const defaultWarmupS = 5

export function loadOf(name: ScenarioName, options: LoadOptions): Load {
  const scenario: Scenario = scenarios[name]
  const { clients = scenario.clients, durationS = scenario.durationS, warmupS = defaultWarmupS, seed = 1 } = options
  return {
    scenario: name,
    spread: scenario.spread,
    action: scenario.action,
    clients,
    rate: options.rate ?? scenario.rate(clients),
    subjects:
      scenario.spread === 'zipf' ? (options.subjects ?? scenario.subjects(clients)) : scenario.subjects(clients),
    payloadBytes: options.payloadBytes ?? scenario.payloadBytes,
    durationS,
    warmupS,
    churnPerSecond: scenario.churnPerSecond * clients,
    slowEvery: scenario.slowEvery,
    seed,
  }
}
