import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from '../../src/base/random.ts'
import { until } from '../support/until.ts'
import type { KafkaBrokers } from './kafka-brokers.ts'
import type { NatsBroker } from './nats-broker.ts'
import type { Publisher } from './publisher.ts'
import { type BrokerKind, gatewayCount, type Site } from './site.ts'

/** Where a fault happens. */
export interface Scene {
  readonly site: Site
  readonly publisher: Publisher
  readonly random: Random
  /** The truth must know of it. */
  grown(before: number, atMs: number, adoptedMs: number): void
}

export interface FaultKind {
  readonly name: string
  readonly brokers: readonly BrokerKind[]
  /** How often it is drawn, beside others of its broker. */
  readonly weight: number
  /** A run has no more of them; none = as many as are drawn. */
  readonly most?: number
  /** Does it and undoes it; resolves with what it was. */
  readonly happen: (scene: Scene) => Promise<string>
}

const both: readonly BrokerKind[] = ['kafka', 'nats']
const patienceMs = 60_000

const between = (random: Random, least: number, most: number) => Math.round(least + random.next() * (most - least))
const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`
const kafkaOf = ({ brokers }: Site) => brokers as KafkaBrokers
const natsOf = ({ brokers }: Site) => brokers as NatsBroker
const drawNode = (scene: Scene) => 1 + Math.floor(scene.random.next() * kafkaOf(scene.site).nodes.length)
const drawGateway = ({ random }: Scene) => Math.floor(random.next() * gatewayCount)

/** What can go wrong. Each broker leads a third of the partitions, so that whichever is hit was a leader and a follower. */
export const kinds: readonly FaultKind[] = [
  {
    name: 'Kafka leader killed',
    brokers: ['kafka'],
    weight: 8,
    async happen(scene) {
      const kafka = kafkaOf(scene.site)
      const node = drawNode(scene)
      const ms = between(scene.random, 500, 5000)
      await kafka.kill(node)
      await delay(ms)
      await kafka.restart(node)
      return `node ${node}, started again after ${seconds(ms)}`
    },
  },
  {
    name: 'Kafka broker frozen',
    brokers: ['kafka'],
    weight: 6,
    async happen(scene) {
      const node = drawNode(scene)
      const ms = between(scene.random, 4000, 10_000)
      await frozen(scene, node, () => delay(ms))
      return `node ${node}, ${seconds(ms)}`
    },
  },
  {
    name: 'Kafka ISR shrunk',
    brokers: ['kafka'],
    weight: 4,
    async happen(scene) {
      const kafka = kafkaOf(scene.site)
      const node = drawNode(scene)
      await frozen(scene, node, async () => {
        await until('nobody waits for it', patienceMs, async () => (await kafka.inSync()).every((count) => count === 2))
        await delay(1000)
      })
      return `without node ${node}`
    },
  },
  {
    name: 'Kafka rolling restart',
    brokers: ['kafka'],
    weight: 1,
    most: 2,
    async happen({ site }) {
      const kafka = kafkaOf(site)
      for (const node of kafka.nodes) {
        await kafka.shutDown(node)
        await kafka.restart(node)
        await kafka.becomesWhole()
      }
      return 'one after the other'
    },
  },
  {
    name: 'Kafka leaders moved',
    brokers: ['kafka'],
    weight: 3,
    async happen({ site }) {
      await kafkaOf(site).moveLeaders()
      return 'each to the next replica'
    },
  },
  {
    name: 'partitions added',
    brokers: ['kafka'],
    weight: 2,
    most: 2,
    async happen({ site, publisher, grown }) {
      const kafka = kafkaOf(site)
      const before = kafka.partitions
      const atMs = Date.now()
      await kafka.grow(3)
      try {
        await until('everyone knows', patienceMs, async () => {
          const known = [publisher.info.partitions, ...(await site.partitionsKnown())]
          return known.every((count) => count === kafka.partitions)
        })
      } finally {
        grown(before, atMs, Date.now() + 500)
      }
      return `${before} to ${kafka.partitions}`
    },
  },
  {
    name: 'nats-server killed',
    brokers: ['nats'],
    weight: 8,
    async happen({ site, random }) {
      const nats = natsOf(site)
      const ms = between(random, 100, 4000)
      await nats.kill()
      await delay(ms)
      await nats.server.start()
      return `started again after ${seconds(ms)}`
    },
  },
  {
    name: 'nats-server restarted',
    brokers: ['nats'],
    weight: 3,
    async happen({ site }) {
      const { server } = natsOf(site)
      await server.stop()
      await server.start()
      return 'at once'
    },
  },
  {
    name: 'nats-server frozen',
    brokers: ['nats'],
    weight: 4,
    async happen({ site, random }) {
      const { server } = natsOf(site)
      const ms = between(random, 2000, 8000)
      server.freeze()
      try {
        await delay(ms)
      } finally {
        server.resume()
      }
      return seconds(ms)
    },
  },
  {
    name: 'gateway killed',
    brokers: both,
    weight: 6,
    async happen(scene) {
      const { site, random } = scene
      const gateway = drawGateway(scene)
      const ms = between(random, 0, 3000)
      await site.gateways[gateway]!.end('SIGKILL')
      await delay(ms)
      await site.startGateway(gateway)
      return `gateway ${gateway}, started again after ${seconds(ms)}`
    },
  },
  {
    name: 'gateway drained',
    brokers: both,
    weight: 3,
    async happen(scene) {
      const { site } = scene
      const gateway = drawGateway(scene)
      await site.gateways[gateway]!.end('SIGTERM')
      await site.startGateway(gateway)
      return `gateway ${gateway}`
    },
  },
  {
    name: 'gateway frozen',
    brokers: both,
    weight: 4,
    async happen(scene) {
      const { site, random } = scene
      const gateway = drawGateway(scene)
      const ms = between(random, 3000, 15_000)
      site.gateways[gateway]!.signal('SIGSTOP')
      try {
        await delay(ms)
      } finally {
        site.gateways[gateway]!.signal('SIGCONT')
      }
      return `gateway ${gateway}, ${seconds(ms)}`
    },
  },
  {
    name: 'proxy stalled',
    brokers: both,
    weight: 4,
    async happen(scene) {
      const proxy = drawGateway(scene)
      const ms = between(scene.random, 2000, 10_000)
      await scene.site.pass(proxy, 'stalled')
      await delay(ms)
      // What was held back comes after all, or never.
      const isCut = scene.random.next() < 0.5
      if (isCut) await scene.site.cut(proxy, 1)
      await scene.site.pass(proxy, 'open')
      return `proxy ${proxy}, ${seconds(ms)}, then ${isCut ? 'cut' : 'let through'}`
    },
  },
  {
    name: 'proxy cut',
    brokers: both,
    weight: 4,
    async happen(scene) {
      const proxy = drawGateway(scene)
      const nth = scene.random.next() < 0.5 ? 1 : 2
      const times = between(scene.random, 1, 4)
      for (let i = 0; i < times; i++) {
        await scene.site.cut(proxy, nth)
        await delay(between(scene.random, 50, 1500))
      }
      return `proxy ${proxy}, ${nth === 1 ? 'all' : 'every second'} connection, ${times} times`
    },
  },
  {
    name: 'proxy trickled',
    brokers: both,
    weight: 3,
    async happen(scene) {
      const proxy = drawGateway(scene)
      const bytesPerSecond = between(scene.random, 100, 1000)
      const ms = between(scene.random, 3000, 9000)
      await scene.site.pass(proxy, { bytesPerSecond })
      await delay(ms)
      const isCut = scene.random.next() < 0.5
      if (isCut) await scene.site.cut(proxy, 1)
      await scene.site.pass(proxy, 'open')
      return `proxy ${proxy}, ${bytesPerSecond} bytes a second, ${seconds(ms)}`
    },
  },
]

async function frozen({ site }: Scene, node: number, during: () => Promise<unknown>): Promise<void> {
  const kafka = kafkaOf(site)
  kafka.freeze(node)
  try {
    await during()
  } finally {
    kafka.resume(node)
  }
}

/** As many faults as wanted, of each kind by its weight and at least once where there is room, in an order that the seed draws. */
export function drawFaults(count: number, all: readonly FaultKind[], random: Random): FaultKind[] {
  const total = all.reduce((sum, { weight }) => sum + weight, 0)
  const drawn = all.flatMap((kind) => {
    const share = Math.max(1, Math.floor((kind.weight / total) * count))
    return Array<FaultKind>(Math.min(share, kind.most ?? share)).fill(kind)
  })
  const unbounded = all.filter(({ most }) => most === undefined)
  for (let i = 0; drawn.length < count && unbounded.length > 0; i++) drawn.push(unbounded[i % unbounded.length]!)
  shuffle(drawn, random)
  return drawn.slice(0, count)
}

function shuffle<T>(items: T[], random: Random): void {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random.next() * (i + 1))
    const taken = items[i]!
    items[i] = items[j]!
    items[j] = taken
  }
}
