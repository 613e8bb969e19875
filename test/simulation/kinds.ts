import { type Random, seededRandom } from '../../src/base/random.ts'
import { matches } from '../../src/subject/subject.ts'
import { aimed } from './aim.ts'
import { streamName } from './broker.ts'
import type { ClientPlan, WishPlan } from './client.ts'
import { between, pick } from './draw.ts'
import type { SourceKind } from './simulated-source.ts'
import type { StorePlan } from './store.ts'
import type { StreamPlan } from './streams.ts'
import { partitionOf } from './truth.ts'
import { startMs } from './virtual-time.ts'

/**
 * Features of some histories. Each draws from separate random numbers, so that the rest of a
 * history does not depend on it.
 */

/** Share of the histories with two or three streams. */
const streamsShare = 0.3
/** Pairs of names whose eight-bit hashes in tokens are equal. */
const alikeNames = [
  ['alarms', 'inventory'],
  ['audit', 'trades'],
  ['notifications', 'energy'],
] as const
/** Patterns of the subjects' first token, and subjects of a single token. */
const families = [['c.>'], ['a.>'], ['b.>', 'k']] as const

/** Returns one stream with all subjects, or several streams that divide them. */
export function streamsOf(seed: number, source: SourceKind, partitions: number): StreamPlan[] {
  const random = seededRandom(seed ^ 0x632be59b)
  if (source !== 'model' || random.next() >= streamsShare)
    return [{ name: streamName, subjects: ['>'], partitions, format: 'event' }]
  const names = [...pick(random, alikeNames), ...(random.next() < 0.3 ? [streamName] : [])]
  const first = Math.floor(random.next() * 3)
  return names.map((name, i) => ({
    name,
    subjects: families.flatMap((patterns, family) => (((family + first) % 3) % names.length === i ? patterns : [])),
    partitions: i === 0 ? partitions : pick(random, [1, 1, 2, 3]),
    format: 'event',
  }))
}

/**
 * Share of the histories in which clients start at a time, or request more last events than may
 * exist.
 */
const startsShare = 0.25

export function withStarts(seed: number, clients: readonly ClientPlan[], spanMs: number): readonly ClientPlan[] {
  const random = seededRandom(seed ^ 0x51ed270b)
  if (random.next() >= startsShare) return clients
  return clients.map((client) => ({ ...client, wishes: client.wishes.map((wish) => startOf(random, wish, spanMs)) }))
}

function startOf(random: Random, wish: WishPlan, spanMs: number): WishPlan {
  const kind = random.next()
  const atMs = startMs + (random.next() * 1.3 - 0.2) * Math.min(spanMs, 4000)
  if (kind < 0.4) return { ...wish, after: [`@${new Date(atMs).toISOString()}`], last: undefined }
  if (kind < 0.7) return { ...wish, after: [], last: pick(random, [2, 5, 20, 1000]) }
  return kind < 0.8 ? { ...wish, after: ['latest'], last: undefined } : wish
}

/** Share of the histories in which clients store their positions and end more often. */
const storesShare = 0.2

export function withStores(seed: number, clients: readonly ClientPlan[]): readonly ClientPlan[] {
  const random = seededRandom(seed ^ 0x2c9277b5)
  if (random.next() >= storesShare) return clients
  return clients.map((client) => {
    const store: StorePlan = { slowMs: pick(random, [0, 50, 900]), isLosing: random.next() < 0.5 }
    // Tabs would share one store.
    return random.next() < 0.7 && client.browser === undefined ? { ...client, store } : client
  })
}

/** Returns additional ends of programs. */
export function endings(seed: number, spanMs: number) {
  const random = seededRandom(seed ^ 0x2c9277b5)
  if (random.next() >= storesShare) return []
  return Array.from({ length: between(random, [1, 6]) }, () => {
    const atMs = random.next() * spanMs
    return { atMs, kind: 'restartClient', x: random.next(), y: random.next(), z: random.next() } as const
  })
}

/** Share of the histories in which most events expire. */
const expiringShare = 0.12
/** Share of the histories whose gateways do not read back old records. */
const agesShare = 0.12

/** Age limits of events. */
export interface Ages {
  /** Share of the events with a time to live. */
  readonly ttlShare: number
  /** `readBack.maxAgeMs` of the gateways; 0 = no limit. */
  readonly maxAgeMs: number
}

export function agesOf(seed: number): Ages {
  const random = seededRandom(seed ^ 0x1f83d9ab)
  const ttlShare = random.next() < expiringShare ? 0.6 : 0.08
  return { ttlShare, maxAgeMs: random.next() < agesShare ? pick(random, [500, 2000, 8000]) : 0 }
}

/** Share of the histories with streams whose values are not Carillon events. */
const formatsShare = 0.15

export function withFormats(seed: number, source: SourceKind, streams: readonly StreamPlan[]): readonly StreamPlan[] {
  const random = seededRandom(seed ^ 0x4be98134)
  if (source !== 'model' || random.next() >= formatsShare) return streams
  return streams.map((stream) => ({ ...stream, format: pick(random, ['raw', 'cloudevents'] as const) }))
}

/** Share of the histories with so many partitions that a pattern's positions are a long list. */
const manyShare = 0.06

export function withManyPartitions(seed: number, source: SourceKind, streams: readonly StreamPlan[]): StreamPlan[] {
  const random = seededRandom(seed ^ 0x5be0cd19)
  const isMany = source === 'model' && random.next() < manyShare
  return streams.map((stream, i) => (isMany && i === 0 ? { ...stream, partitions: between(random, [8, 16]) } : stream))
}

/**
 * Share of the histories with a stream whose publishers put a subject's records into any
 * partition.
 */
const anyShare = 0.12

export function withAny(seed: number, streams: readonly StreamPlan[]): readonly StreamPlan[] {
  const random = seededRandom(seed ^ 0xef23ee61)
  if (random.next() >= anyShare) return streams
  const chosen = Math.floor(random.next() * streams.length)
  return streams.map((stream, i) => (i === chosen ? { ...stream, by: 'any' } : stream))
}

/**
 * Share of the histories in which a stream grows twice, so that a subject moves away and returns.
 */
const returnsShare = 0.1
/** Time until every gateway has heard of a growth, with a margin, ms. */
const heardMs = 2700

interface Setting {
  readonly streams: readonly StreamPlan[]
  readonly subjects: readonly string[]
  readonly clients: readonly ClientPlan[]
}

interface Return extends Setting {
  readonly actions: readonly Happening[]
}

/** An action of the plan. */
interface Happening {
  readonly atMs: number
  readonly kind: 'publish' | 'grow' | 'massReconnect' | 'cutBack' | 'recreate' | 'linkAway' | 'pauseClient'
  readonly x: number
  readonly y: number
  readonly z: number
}

/**
 * Sizes a stream so that after two growths a subject that a client follows is back in its first
 * partition. Chance does not produce the rest: connections end while the subject is away, and its
 * old partition is truncated.
 */
export function withReturn(seed: number, source: SourceKind, setting: Setting): Return {
  const { streams, subjects, clients } = setting
  const random = seededRandom(seed ^ 0x1b56c4e9)
  if (source !== 'model' || random.next() >= returnsShare) return { ...setting, actions: [] }
  const subject = pick(random, subjects)
  const counts = [1, 2, 3, 4, 5].filter((count) => {
    const [here, away, back] = [count, count + 1, count + 2].map((each) => partitionOf(subject, each))
    return here === back && here !== away
  })
  if (counts.length === 0) return { ...setting, actions: [] }
  const partitions = pick(random, counts)
  const own = streams.findIndex((stream) => stream.subjects.some((pattern) => matches(pattern, subject)))
  const x = (subjects.indexOf(subject) + 0.5) / subjects.length
  const place = (partitionOf(subject, partitions) + 0.5) / (partitions + 1)
  return {
    subjects,
    clients: clients.map((client, i) => (i === 0 ? following(client, subject) : client)),
    streams: streams.map((stream, i) => (i === own ? { ...stream, partitions } : stream)),
    actions: returning(random, { stream: own, of: streams.length }, { x, place }),
  }
}

function following(client: ClientPlan, subject: string): ClientPlan {
  const [first, ...others] = client.wishes.filter((wish) => wish.subject !== subject)
  return { ...client, wishes: [{ ...(first ?? client.wishes[0]!), subject }, ...others] }
}

/** Returns the actions. `x` selects the subject, `place` its partition. */
function returning(
  random: Random,
  stream: { readonly stream: number; readonly of: number },
  { x, place }: { readonly x: number; readonly place: number },
): Happening[] {
  const publish = (atMs: number) => ({ atMs, kind: 'publish', x, y: 0.1, z: random.next() }) as const
  const grow = (atMs: number) => ({ atMs: aimed(atMs, stream), kind: 'grow', x, y: 0, z: 0 }) as const
  const away = 2200 + random.next() * 1500
  const back = away + heardMs + random.next() * 3000
  const cut = away + random.next() * (back + heardMs - away)
  const reconnect = (gateway: number) => {
    const atMs = away + random.next() * (back - away)
    return { atMs, kind: 'massReconnect', x: gateway, y: 0, z: 0 } as const
  }
  return [
    publish(away - 200),
    grow(away),
    ...[0.2, 0.7].map(reconnect),
    { atMs: aimed(cut, stream), kind: 'cutBack', x: place, y: random.next(), z: random.next() },
    grow(back),
    publish(back + random.next() * heardMs),
    publish(back + heardMs),
  ]
}

/** Share of the histories in which streams are recreated with another number of partitions. */
const recreatedShare = 0.12

export function recreations(seed: number, spanMs: number): Happening[] {
  const random = seededRandom(seed ^ 0x3f84d5b5)
  if (random.next() >= recreatedShare) return []
  return Array.from({ length: between(random, [1, 2]) }, () => {
    const [atMs, x] = [random.next() * spanMs, random.next()]
    return { atMs, kind: 'recreate', x, y: 0.6 + 0.4 * random.next(), z: random.next() } as const
  })
}

/**
 * Share of the histories in which gateways disagree about the current log while subscriptions
 * join an SSE client.
 */
const disagreeingShare = 0.06
/** How long one gateway does not reach the broker, ms: the longest duration of an action. */
const disagreeingMs = 6000

interface Joined extends Pick<Setting, 'clients'> {
  readonly actions: readonly Happening[]
}

/**
 * One gateway does not hear that a stream is recreated. During that time the first client's
 * connections end repeatedly, so that its subscriptions have positions in different logs, and are
 * requested together and separately in turn as others join.
 */
export function withDisagreement(seed: number, source: SourceKind, { streams, subjects, clients }: Setting): Joined {
  const random = seededRandom(seed ^ 0xab1c5ed5)
  const [first, ...others] = clients
  if (source !== 'model' || first === undefined || random.next() >= disagreeingShare) return { clients, actions: [] }
  const happens = (kind: Happening['kind'], atMs: number, x: number, y: number): Happening => {
    return { atMs, kind, x, y, z: random.next() }
  }
  const madeMs = 1500 + random.next() * 1000
  const stream = { stream: Math.floor(random.next() * streams.length), of: streams.length }
  const cuts = Array.from({ length: between(random, [2, 6]) }, () => {
    const atMs = madeMs + heardMs + random.next() * (disagreeingMs - heardMs)
    return [0.2, 0.7].map((gateway) => happens('massReconnect', atMs, gateway, 0))
  })
  // The gateway receives everything from that time at once.
  const pauses = Array.from({ length: between(random, [4, 12]) }, () =>
    happens(
      'pauseClient',
      madeMs + heardMs + random.next() * (disagreeingMs - heardMs),
      0,
      0.02 + random.next() * 0.06,
    ),
  )
  const events = Array.from({ length: 12 }, () =>
    happens('publish', madeMs + random.next() * disagreeingMs, random.next(), random.next()),
  )
  // Every subject joins.
  const pairs = Array.from({ length: subjects.length >> 1 }, (_, i) =>
    subjects.slice(2 * i, 2 * i + 2).map((subject): WishPlan => ({ subject, after: [] })),
  )
  const [wishes = [], ...joining] = pairs
  return {
    clients: [{ ...first, wishes, ways: ['sse'], browser: undefined, joining }, ...others],
    actions: [
      happens('linkAway', madeMs - 10, random.next(), 0.99),
      happens('recreate', aimed(madeMs, stream), 0, random.next()),
      ...cuts.flat(),
      ...pauses,
      ...events,
    ],
  }
}
