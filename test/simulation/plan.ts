import { type Random, seededRandom } from '../../src/base/random.ts'
import type { Generations } from '../../src/log/record.ts'
import type { ClientPlan, WayName, WishPlan } from './client.ts'
import { between, pick } from './draw.ts'
import type { GatewaySize } from './gateway-size.ts'
import {
  agesOf,
  endings,
  recreations,
  streamsOf,
  withAny,
  withDisagreement,
  withFormats,
  withManyPartitions,
  withReturn,
  withStarts,
  withStores,
} from './kinds.ts'
import { type SourceKind, sourceKinds } from './simulated-source.ts'
import type { StreamPlan } from './streams.ts'
import { collisions, hashSeeds, patterns, plainSubjects } from './subjects.ts'

/** What can happen, and how often beside the others. */
export const actionWeights = {
  publish: 40,
  begin: 3,
  finish: 4,
  hole: 2,
  unusable: 2,
  damage: 1,
  retain: 3,
  rewrite: 1,
  cutBack: 0.6,
  recreate: 0.5,
  grow: 0.5,
  brokerAway: 1,
  linkAway: 1.5,
  slowBroker: 1.5,
  crash: 1.2,
  drain: 0.8,
  pauseGateway: 1.5,
  stepClock: 1,
  massReconnect: 0.7,
  cut: 5,
  halfOpen: 1.2,
  stall: 6,
  slowReader: 3,
  tinySocket: 3,
  loseAnswer: 2,
  block: 1,
  offline: 1,
  hidden: 0.7,
  restartClient: 1.5,
  subscribe: 1.5,
  unsubscribe: 1,
  pauseClient: 1.5,
  slowHandler: 1,
  twin: 1.5,
  follow: 1,
  leave: 0.7,
  forge: 1.5,
  inspect: 1,
} as const
type WeightedKind = keyof typeof actionWeights
/** Drawn apart from the others: `replaceUnsaid` since chance does not bring its parts together, `brokerFault` since only some clusters have any. */
export type ActionKind = WeightedKind | 'replaceUnsaid' | 'brokerFault'

/**
 * JetStream has no transactions, and no batches that can be damaged. Behind an offset without a usable record a position has no time, so a
 * rewrite there can't be told: a known limit.
 */
const epochsOnly: ReadonlySet<WeightedKind> = new Set(['begin', 'finish', 'damage', 'hole', 'unusable'])

/** What kinds of clusters differ in: the embedded log has one process, and nobody but it writes; it is damaged by faults of its own. */
const apart: Partial<Record<SourceKind, { readonly gateways: number; readonly without: ReadonlySet<ActionKind> }>> = {
  embedded: {
    gateways: 1,
    without: new Set(['begin', 'finish', 'hole', 'damage', 'rewrite', 'cutBack', 'replaceUnsaid']),
  },
}

/** Kinds that each history may leave out, so that each also happens without the others. */
const optional: readonly WeightedKind[] = (Object.keys(actionWeights) as WeightedKind[]).filter(
  (kind) => kind !== 'publish' && kind !== 'inspect',
)

/** Something that happens to the cluster; what exactly, it takes from its three numbers in [0, 1). */
export interface Action {
  readonly atMs: number
  readonly kind: ActionKind
  readonly x: number
  readonly y: number
  readonly z: number
}

/** Of a balancer in front of all gateways. */
export const anyUrl = 'http://127.0.0.1:8100'
/** Of the gateways themselves, for clients that choose. */
export const gatewayUrls = [1, 2, 3, 4].map((n) => `http://127.0.0.1:${8100 + n}`)

/** A whole history before it happens. */
export interface Plan {
  readonly seed: number
  /** What stands behind the gateways' sources. */
  readonly source: SourceKind
  readonly streams: readonly StreamPlan[]
  readonly generations: Generations
  readonly hashSeed: number
  readonly gateways: number
  readonly size: GatewaySize
  readonly subjects: readonly string[]
  readonly clients: readonly ClientPlan[]
  readonly capacity: number
  /** Share of the events that have a time to live. */
  readonly ttlShare: number
  readonly actions: readonly Action[]
}

interface Scale {
  readonly gateways: number
  readonly clients: readonly [least: number, most: number]
  readonly actions: readonly [least: number, most: number]
  readonly spanMs: readonly [least: number, most: number]
}

/** Where faults are met most cheaply: a few clients, seconds. */
const tiny: Scale = { gateways: 2, clients: [1, 4], actions: [6, 45], spanMs: [1000, 9000] }
const middling: Scale = { gateways: 2, clients: [3, 8], actions: [30, 220], spanMs: [4000, 30_000] }
const large: Scale = { gateways: 4, clients: [120, 200], actions: [300, 700], spanMs: [20_000, 60_000] }

/** The same seed, size and source give the same plan. */
export function makePlan(seed: number, size: 'small' | 'large', source: SourceKind = 'model'): Plan {
  const random = seededRandom(seed)
  const scale = size === 'large' ? large : random.next() < tinyShare ? tiny : middling
  const subjects = someSubjects(random)
  const drawn = random.next() < 0.25 ? 'times' : 'ranges'
  const generations = sourceKinds[source] ?? drawn
  const clients = Array.from({ length: between(random, scale.clients) }, () => makeClient(random, subjects.list))
  const { list, hashSeed } = subjects
  const partitions = pick(random, [1, 1, 2, 2, 3, 4])
  const { ttlShare, maxAgeMs } = agesOf(seed)
  const gatewaySize = { ...makeSize(seed, random, { clients: clients.length, generations }), maxAgeMs }
  const capacity = pick(random, [300, 1500, 1500, 10_000])
  const actions = makeActions(random, scale, generations)
  const spanMs = actions.at(-1)?.atMs ?? 0
  const formatted = withFormats(seed, source, streamsOf(seed, source, partitions))
  const several = withAny(seed, withManyPartitions(seed, source, formatted))
  const returning = withReturn(seed, source, { streams: several, subjects: list, clients })
  const joined = withDisagreement(seed, source, returning)
  const more = [...returning.actions, ...joined.actions, ...recreations(seed, spanMs), ...endings(seed, spanMs)]
  return {
    seed,
    source,
    streams: returning.streams,
    generations,
    hashSeed,
    gateways: apart[source]?.gateways ?? scale.gateways,
    size: gatewaySize,
    subjects: list,
    clients: withStores(seed, withTabs(seed, withStarts(seed, joined.clients, spanMs))),
    ttlShare,
    capacity,
    actions: withFaults(
      seed,
      source,
      withReplaced(seed, withTabsEnding(seed, merged(actions, more))).filter(
        ({ kind }) => apart[source]?.without.has(kind) !== true,
      ),
    ),
  }
}

const merged = (actions: readonly Action[], more: readonly Action[]): Action[] =>
  [...actions, ...more].sort((a, b) => a.atMs - b.atMs)

/** Share of the histories in which events are replaced behind those who have no position of them yet. */
const replacingShare = 0.08

/** From random numbers of its own: without them each history is what it would be. */
function withReplaced(seed: number, actions: Action[]): Action[] {
  const random = seededRandom(seed ^ 0x165667b1)
  if (random.next() >= replacingShare) return actions
  const endMs = actions.at(-1)?.atMs ?? 0
  const more = Array.from({ length: between(random, [1, 4]) }, () => {
    const atMs = random.next() * endMs
    return { atMs, kind: 'replaceUnsaid', x: random.next(), y: random.next(), z: random.next() } as const
  })
  return merged(actions, more)
}

/** Share of the histories in which some clients are tabs of one browser, and end more often. */
const tabsShare = 0.15
const hasTabs = (seed: number): boolean => tabsRandom(seed).next() < tabsShare
const tabsRandom = (seed: number): Random => seededRandom(seed ^ 0x9e3779b1)

/** Of these, the share in which a worker has the connection, as soon as it is there. */
const workerShare = 0.5

/** The first two or three, without the subjects that another of them has. Their worker comes last. */
function withTabs(seed: number, clients: readonly ClientPlan[]): readonly ClientPlan[] {
  const [first] = clients
  if (!hasTabs(seed) || first === undefined) return clients
  const taken = new Set<string>()
  const inBrowser = { ways: first.ways, urls: first.urls, browser: 1 }
  const hasWorker = seededRandom(seed ^ 0x27220a95).next() < workerShare
  const tabs = clients.map((client, i): ClientPlan => {
    const wishes = client.wishes.filter(({ subject }) => !taken.has(subject))
    if (i > 2 || wishes.length === 0) return client
    for (const { subject } of wishes) taken.add(subject)
    return { ...client, wishes, ...inBrowser, ...(hasWorker ? { worker: 'of its browser' } : {}) }
  })
  return hasWorker ? [...tabs, { ...first, ...inBrowser, wishes: [], worker: 'itself' }] : tabs
}

/** From random numbers of its own. */
function withTabsEnding(seed: number, actions: Action[]): Action[] {
  if (!hasTabs(seed)) return actions
  const random = seededRandom(seed ^ 0x7feb352d)
  const endMs = actions.at(-1)?.atMs ?? 0
  const more = Array.from({ length: between(random, [1, 5]) }, () => {
    const atMs = random.next() * endMs
    return { atMs, kind: 'restartClient', x: random.next(), y: random.next(), z: random.next() } as const
  })
  return merged(actions, more)
}

/** Faults of the cluster's own kind; from random numbers of its own. */
function withFaults(seed: number, source: SourceKind, actions: Action[]): Action[] {
  if (source === 'model') return actions
  const random = seededRandom(seed ^ 0x27d4eb2f)
  const endMs = actions.at(-1)?.atMs ?? 0
  const more = Array.from({ length: between(random, [0, Math.ceil(actions.length / 5)]) }, () => {
    const atMs = random.next() * endMs
    return { atMs, kind: 'brokerFault', x: random.next(), y: random.next(), z: random.next() } as const
  })
  return merged(actions, [...more, ...damageInARow(random, source, endMs)])
}

/** Share of Kafka's histories in which several records that follow one another are damaged. */
const damagedShare = 0.25

function damageInARow(random: Random, source: SourceKind, endMs: number): Action[] {
  if (source !== 'kafka' || random.next() >= damagedShare) return []
  const [atMs, x] = [random.next() * endMs, random.next()]
  return Array.from({ length: between(random, [2, 5]) }, () => ({ atMs, kind: 'damage', x, y: 0, z: 0 }) as const)
}

/** Few, so that chains are long; among them some whose hashes collide. */
function someSubjects(random: Random) {
  const hashSeed = pick(random, hashSeeds)
  const list = collisions[hashSeed]!.flat()
  for (const subject of plainSubjects) if (random.next() < 0.5) list.push(subject)
  return { hashSeed, list }
}

const wayLists: readonly (readonly WayName[])[] = [
  ['websocket'],
  ['websocket-proto'],
  ['sse'],
  ['poll'],
  ['websocket', 'sse', 'poll'],
  ['websocket-proto', 'poll'],
  ['sse', 'websocket'],
]

export function makeClient(random: Random, subjects: readonly string[]): ClientPlan {
  const count = pick(random, [1, 1, 1, 2, 3])
  const wished = new Set(Array.from({ length: count }, () => makeSubject(random, subjects)))
  const isChoosing = random.next() < 0.4
  return {
    wishes: [...wished].map((subject) => makeWish(random, subject)),
    ways: pick(random, wayLists),
    urls: isChoosing ? [...gatewayUrls.slice(0, 2)].sort(() => random.next() - 0.5) : [anyUrl],
    consumer: random.next() < 0.5 ? 'handlers' : 'iterator',
    inbox: { maxEvents: pick(random, [3, 8, 1024]), maxBytes: pick(random, [2000, 1_000_000]) },
  }
}

function makeWish(random: Random, subject: string): WishPlan {
  const kind = random.next()
  return {
    subject,
    after: kind < 0.2 ? ['earliest'] : [],
    last: kind > 0.85 ? 1 + Math.floor(random.next() * 4) : undefined,
    policy: random.next() < 0.15 ? 'latest' : 'lossless',
  }
}

export const makeSubject = (random: Random, subjects: readonly string[]): string =>
  pick(random, random.next() < 0.65 ? subjects : patterns)

/** What a gateway's size depends on. */
interface Served {
  readonly clients: number
  readonly generations: Generations
}

function makeSize(seed: number, random: Random, { clients, generations }: Served): Omit<GatewaySize, 'maxAgeMs'> {
  return {
    payloadBytes: pick(random, [4608, 4608, 8192, 32_768]),
    // What has left the index speaks against no time.
    entries: generations === 'times' ? 2048 : pick(random, [8, 16, 32, 64, 256]),
    chunkBytes: pick(random, [300, 1200, 4000]),
    bytesPerSecond: pick(random, [0, 0, 20_000]),
    maxBytesPerSession: pick(random, [0, 0, 0, 2500]),
    // Of random numbers of its own. A gateway has four, which wait for each other less.
    concurrency: pick(seededRandom(seed ^ 0x3c6ef372), [1, 2, 4, 4]),
    fillAgeMs: pick(random, [0, 3000, 600_000]),
    maxSessions: pick(random, [clients + 1, 1000, 1000]),
    maxWaitingFrames: pick(random, [4, 4096, 4096]),
    scanPerSlice: pick(random, [3, 8, 128, 512]),
    maxPollFrames: pick(random, [2, 8, 256]),
    maxBackpressureBytes: pick(random, [200, 800, 65_536]),
    heartbeatMs: pick(random, [5000, 25_000]),
    batch: pick(random, [1, 3, 20]),
  }
}

/** Most histories are tiny: they find most for their time. */
const tinyShare = 0.9

function makeActions(random: Random, scale: Scale, generations: Generations): Action[] {
  const left = random.next() * 0.9
  const kinds = (Object.keys(actionWeights) as WeightedKind[])
    .filter((kind) => !optional.includes(kind) || random.next() >= left)
    .filter((kind) => generations === 'ranges' || !epochsOnly.has(kind))
  const total = kinds.reduce((sum, kind) => sum + actionWeights[kind], 0)
  const spanMs = between(random, scale.spanMs)
  return Array.from({ length: between(random, scale.actions) }, () => {
    let at = random.next() * total
    const kind = kinds.find((each) => {
      at -= actionWeights[each]
      return at < 0
    })
    return {
      atMs: random.next() * spanMs,
      kind: kind ?? 'publish',
      x: random.next(),
      y: random.next(),
      z: random.next(),
    }
  }).sort((a, b) => a.atMs - b.atMs)
}
