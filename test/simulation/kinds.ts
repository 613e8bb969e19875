import { type Random, seededRandom } from '../../src/base/random.ts'
import { streamName } from './broker.ts'
import type { ClientPlan, WishPlan } from './client.ts'
import { between, pick } from './draw.ts'
import type { SourceKind } from './simulated-source.ts'
import type { StorePlan } from './store.ts'
import type { StreamPlan } from './streams.ts'
import { startMs } from './virtual-time.ts'

/** What only some histories have, each drawn from random numbers of its own: without it a history is what it would be. */

/** Share of the histories with two or three streams. */
const streamsShare = 0.3
/** Of each pair, tokens that compare eight bits of a hash of the name take the one for the other. */
const alikeNames = [
  ['alarms', 'inventory'],
  ['audit', 'trades'],
  ['notifications', 'energy'],
] as const
/** What subjects begin with, and those that are a token alone. */
const families = [['c.>'], ['a.>'], ['b.>', 'k']] as const

/** The one stream that has everything, or several between which the subjects are divided. */
export function streamsOf(seed: number, source: SourceKind, partitions: number): StreamPlan[] {
  const random = seededRandom(seed ^ 0x632be59b)
  if (source !== 'model' || random.next() >= streamsShare) return [{ name: streamName, subjects: ['>'], partitions }]
  const names = [...pick(random, alikeNames), ...(random.next() < 0.3 ? [streamName] : [])]
  const first = Math.floor(random.next() * 3)
  return names.map((name, i) => ({
    name,
    subjects: families.flatMap((patterns, family) => (((family + first) % 3) % names.length === i ? patterns : [])),
    partitions: i === 0 ? partitions : pick(random, [1, 1, 2, 3]),
  }))
}

/** Share of the histories in which clients start at a time, or with more of the last events than there may be. */
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

/** Share of the histories in which clients keep their positions in a store, and end more often. */
const storesShare = 0.2

export function withStores(seed: number, clients: readonly ClientPlan[]): readonly ClientPlan[] {
  const random = seededRandom(seed ^ 0x2c9277b5)
  if (random.next() >= storesShare) return clients
  return clients.map((client) => {
    const store: StorePlan = { slowMs: pick(random, [0, 50, 900]), isLosing: random.next() < 0.5 }
    // Tabs would have one store for all of them.
    return random.next() < 0.7 && client.browser === undefined ? { ...client, store } : client
  })
}

/** How often programs end, beside what the plan has. */
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
/** Share of the histories whose gateways do not read back what is old. */
const agesShare = 0.12

/** How old events get. */
export interface Ages {
  /** Share of the events that have a time to live. */
  readonly ttlShare: number
  /** `readBack.maxAgeMs` of the gateways; 0 = no limit. */
  readonly maxAgeMs: number
}

export function agesOf(seed: number): Ages {
  const random = seededRandom(seed ^ 0x1f83d9ab)
  const ttlShare = random.next() < expiringShare ? 0.6 : 0.08
  return { ttlShare, maxAgeMs: random.next() < agesShare ? pick(random, [500, 2000, 8000]) : 0 }
}
