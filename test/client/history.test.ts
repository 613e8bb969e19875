import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { seededRandom } from '../../src/base/random.ts'
import { Client } from '../../src/client/client.ts'
import type { Received, ReceivedGap } from '../../src/client/received.ts'
import { memoryStore, type PositionStore } from '../../src/client/store.ts'
import type { Subscription } from '../../src/client/subscription.ts'
import type { TransportName } from '../../src/client/transports.ts'
import { matches } from '../../src/subject/subject.ts'
import { decodeToken } from '../../src/wire/token.ts'
import { ModelBroker } from '../model/broker.ts'
import { ManualClock } from '../model/clock.ts'
import { settled, TestGateway } from '../session/harness.ts'
import { ModelNet } from './model-net.ts'

const partitions = 3
const subjects = ['a.1', 'a.2', 'a.3', 'b.1', 'b.2']
const interests = ['a.1', 'b.2', 'a.*', '>', 'b.>', 'a.3']
const urls = ['http://one.example', 'http://two.example']

const one = <T extends string, F extends Record<string, fc.Arbitrary<unknown>>>(weight: number, kind: T, fields: F) => {
  return {
    weight,
    arbitrary: fc.record({ kind: fc.constant(kind), ...fields }) as fc.Arbitrary<{ kind: T } & Fields<F>>,
  }
}
type Fields<F> = { [Name in keyof F]: F[Name] extends fc.Arbitrary<infer Value> ? Value : never }

const who = fc.nat(5)
const step = fc.oneof(
  one(10, 'publish', { subject: fc.nat(4), count: fc.integer({ min: 1, max: 12 }) }),
  one(5, 'subscribe', { interest: fc.nat(5), after: fc.constantFrom('earliest', 'latest'), slow: fc.boolean() }),
  one(2, 'unsubscribe', { who }),
  one(5, 'cut', { one: fc.boolean() }),
  one(3, 'down', { one: fc.boolean(), down: fc.boolean() }),
  one(2, 'block', { name: fc.constantFrom('websocket', 'sse'), blocked: fc.boolean() }),
  one(2, 'restart', {}),
  one(2, 'crash', {}),
  one(3, 'handle', { who, count: fc.integer({ min: 1, max: 20 }) }),
  one(2, 'retain', { partition: fc.nat(2), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  one(2, 'hole', { partition: fc.nat(2), count: fc.integer({ min: 1, max: 4 }) }),
  one(1, 'rewrite', { partition: fc.nat(2), share: fc.double({ min: 0.3, max: 1, noNaN: true }) }),
  one(1, 'recreate', {}),
  one(1, 'away', { away: fc.boolean() }),
  one(6, 'time', { ms: fc.constantFrom(1, 3, 10, 100, 2000) }),
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

interface Published {
  readonly subject: string
  readonly partition: number
  readonly offset: number
  readonly text: string
}

/** What one subscriber received in the whole history, across restarts of its program. */
class Subscriber {
  readonly interest: string
  readonly after: string
  readonly key: string
  subscription!: Subscription
  readonly slow: boolean
  /**
   * First offset in each partition that it must receive; undefined while it may start anywhere.
   */
  since: number[] | undefined
  items: Received[] = []
  /** Number of items handled when its position was stored. */
  stored = 0
  #inHand = false
  /** Settles the item in hand of a slow subscriber. */
  release: (() => void) | undefined

  constructor(interest: string, after: string, key: string, slow: boolean) {
    this.interest = interest
    this.after = after
    this.key = key
    this.slow = slow
  }

  start(client: Client): void {
    const item = (received: Received) => {
      this.items.push(received)
      if (!this.slow) return undefined
      this.#inHand = true
      return new Promise<void>((resolve) => {
        this.release = () => {
          this.#inHand = false
          resolve()
        }
      })
    }
    this.#inHand = false
    this.release = undefined
    const { after, key } = this
    const onClosed = (reason: unknown) => {
      if ((reason as { code: string }).code !== 'done') throw new Error(JSON.stringify(reason))
    }
    this.subscription = client.subscribe(this.interest, { after, key, onEvent: item, onGap: item, onClosed })
  }

  saved(): void {
    this.stored = this.items.length - (this.#inHand ? 1 : 0)
  }

  /** Its program has crashed: items that its store does not cover do not count. */
  forget(store: PositionStore): void {
    const token = store.load(this.key) as string | undefined
    const positions = token === undefined ? undefined : decodeToken(token)
    // Without a stored position it starts from the beginning of its life.
    if (positions === undefined) this.since = undefined
    const covered = this.items.slice(0, this.stored)
    // Over SSE the positions of several partitions come later than the events, which arrive again.
    const isStored = (item: Received, index: number) => {
      const own = positions?.find(({ partition }) => partition === item.partition)
      // A later gap in the partition stores the position after it, whatever the offsets.
      const later = covered.slice(index + 1).some((each) => each.kind === 'gap' && each.partition === item.partition)
      return item.kind === 'gap' || (own !== undefined && (own.offset > item.offset || later))
    }
    this.items = covered.filter(isStored)
    this.stored = this.items.length
  }
}

class World {
  readonly broker = new ModelBroker('events', partitions)
  readonly clock = new ManualClock()
  readonly store = memoryStore()
  readonly net: ModelNet
  client!: Client
  published: Published[] = []
  subscribers: Subscriber[] = []
  /** First retained offset of each partition. */
  readonly first = Array.from({ length: partitions }, () => 0)
  /** Number of subscriptions up to now. */
  subscribed = 0
  readonly #random
  readonly #ways: readonly TransportName[]
  /** State of the program that runs the client. */
  #life = { over: false }
  /**
   * A gateway knows a rewritten log only as it has seen it: after its restart it would accept old
   * positions for good.
   */
  rewritten = false
  /**
   * Some positions have no generation, after holes and from before a gateway's restart. They can't
   * be told apart from another history's.
   */
  unknown = false
  #count = 0

  private constructor(gateway: TestGateway, seed: number, ways: readonly TransportName[]) {
    this.#random = seededRandom(seed)
    this.#ways = ways
    this.net = new ModelNet(gateway, this.clock, this.#random)
    this.startClient()
  }

  static async start(seed: number, ways: readonly TransportName[]): Promise<World> {
    const broker = new ModelBroker('events', partitions)
    const world = new World(await TestGateway.start(broker), seed, ways)
    return Object.assign(world, { broker })
  }

  get sharing(): boolean {
    return this.#ways.join() !== 'websocket'
  }

  startClient(): void {
    const life = { over: false }
    this.#life = life
    const store: PositionStore = {
      load: (key) => this.store.load(key),
      save: (key, token) => {
        if (life.over) return
        this.subscribers.find((each) => each.key === key)?.saved()
        void this.store.save(key, token)
      },
    }
    this.client = new Client(urls, {
      ways: this.#ways.map((name) => this.net.transport(name)),
      store,
      saveEveryMs: 5,
      inbox: { maxEvents: 6, maxBytes: 1_000_000 },
      clock: this.clock,
      random: this.#random,
    })
    for (const subscriber of this.subscribers) subscriber.start(this.client)
  }

  publish(subject: string): void {
    const text = `${++this.#count}`
    const { partition } = this.net.gateway.routing.place(subject, () => partitions)
    const offset = this.net.gateway.publish(subject, text)
    this.published.push({ subject, partition: partition!, offset, text })
  }

  /**
   * Publishes until the log has passed `head`: a gateway holds a position ahead of its log, and
   * accepts it for good once the log has passed it.
   */
  publishUpTo(partition: number, head: number): void {
    const subject = subjects.find(
      (each) => this.net.gateway.routing.place(each, () => partitions).partition === partition,
    )
    if (subject === undefined) return
    do this.publish(subject)
    while (this.published.at(-1)!.offset < head)
  }

  async heads(): Promise<number[]> {
    const { away } = this.broker
    this.broker.away = false
    const bounds = Array.from({ length: partitions }, (_, p) => this.broker.offsets(this.broker.info, p))
    const heads = (await Promise.all(bounds)).map(({ head }) => head)
    this.broker.away = away
    return heads
  }

  async restart(): Promise<void> {
    this.broker.away = false
    this.net.cut()
    this.net.gateway = await TestGateway.start(this.broker)
  }

  /** The program crashes and starts again. */
  crash(): void {
    this.#life.over = true
    void this.client.close()
    for (const subscriber of this.subscribers) subscriber.forget(this.store)
    this.startClient()
  }

  async time(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 10) {
      await Promise.all([this.clock.advance(Math.min(10, left)), this.net.gateway.clock.advance(Math.min(10, left))])
      if (left > 200 && left % 500 !== 0) continue
      await settled()
    }
  }

  async quiet(): Promise<void> {
    this.broker.away = false
    this.net.down.clear()
    this.net.blocked.clear()
    for (let i = 0; i < 400; i++) {
      for (const { release } of this.subscribers) release?.()
      await this.clock.advance(100)
      await this.net.gateway.clock.advance(100)
      if (i > 20 && this.isLive()) break
    }
    for (let i = 0; i < 3; i++) await this.clock.advance(100)
  }

  isLive(): boolean {
    return this.subscribers.every(({ subscription }) => subscription.state.name === 'live')
  }

  #tells({ partition, reason, from, to }: ReceivedGap, { partition: own, offset }: Published): boolean {
    if (partition !== own) return false
    // It resumes at the new log's first offset, wherever that is by then.
    if (reason === 'recreated' && offset < this.first[partition]!) return true
    return from <= offset && offset <= (to ?? from)
  }

  check(): void {
    for (const { interest, items, since, subscription } of this.subscribers) {
      const name = `${interest} ${JSON.stringify(items.map((each) => (each.kind === 'event' ? each.text() : each)))}`
      assert.equal(subscription.state.name, 'live', name)
      const events = items.filter((each) => each.kind === 'event')
      for (let p = 0; p < partitions; p++) {
        let next = 0
        for (const item of items.filter(({ partition }) => partition === p)) {
          if (item.kind === 'gap') {
            if (item.reason === 'rewritten') next = Math.min(next, item.from)
            if (item.reason === 'recreated') next = 0
          } else {
            assert.ok(item.offset >= next, `in order, once: ${item.text()} of ${name}`)
            next = item.offset + 1
          }
        }
      }
      const given = new Set(events.map((each) => each.text()))
      assert.equal(given.size, events.length, `once: ${name}`)
      for (const each of this.published) {
        if (!matches(interest, each.subject) || given.has(each.text)) continue
        const told = items.some((item) => item.kind === 'gap' && this.#tells(item, each))
        const owed = since !== undefined && each.offset >= since[each.partition]!
        assert.ok(told || !owed, `missing and not told: ${JSON.stringify(each)} for ${name}`)
      }
      for (const { subject } of events) assert.ok(matches(interest, subject), name)
    }
  }
}

async function apply(world: World, action: Step): Promise<void> {
  const { broker, net, subscribers } = world
  switch (action.kind) {
    case 'publish':
      for (let i = 0; i < action.count; i++) world.publish(subjects[(action.subject + i) % subjects.length]!)
      break
    case 'subscribe': {
      if (subscribers.length >= 6) break
      const { after, slow } = action
      const subscriber = new Subscriber(interests[action.interest]!, after, `${world.subscribed++}`, slow)
      subscribers.push(subscriber)
      subscriber.start(world.client)
      break
    }
    case 'unsubscribe':
      if (subscribers.length > 1) {
        const [gone] = subscribers.splice(action.who % subscribers.length, 1)
        gone!.subscription.close()
      }
      break
    case 'cut':
      net.cut(action.one ? urls[0] : undefined)
      break
    case 'down':
      if (action.down) net.down.add(urls[action.one ? 0 : 1]!)
      else net.down.clear()
      if (action.down) net.cut(urls[action.one ? 0 : 1])
      break
    case 'block':
      if (action.blocked) net.blocked.add(action.name)
      else net.blocked.clear()
      break
    case 'restart':
      if (world.rewritten) break
      world.unknown = true
      await world.restart()
      break
    case 'crash':
      world.crash()
      break
    case 'handle':
      for (let i = 0; i < action.count; i++) {
        subscribers[action.who % Math.max(1, subscribers.length)]?.release?.()
        await Promise.resolve()
        await Promise.resolve()
      }
      break
    case 'retain': {
      const head = (await world.heads())[action.partition]!
      const first = Math.floor(head * action.share)
      broker.retain(action.partition, first)
      world.first[action.partition] = Math.max(first, world.first[action.partition]!)
      break
    }
    case 'hole':
      broker.hole(action.partition, action.count)
      world.unknown = true
      break
    case 'rewrite': {
      const head = (await world.heads())[action.partition]!
      const from = Math.floor(head * action.share)
      // With one shared position, a subscription further ahead learns of a rewrite only if the
      // others' positions reveal it.
      if (from === head || world.sharing || world.unknown) break
      broker.rewrite(action.partition, from)
      world.rewritten = true
      world.published = world.published.filter((each) => each.partition !== action.partition || each.offset < from)
      world.publishUpTo(action.partition, head)
      break
    }
    case 'recreate':
      broker.recreate()
      world.first.fill(0)
      world.published = []
      for (const each of subscribers) if (each.since !== undefined) each.since = [0, 0, 0]
      break
    case 'away':
      broker.away = action.away
      break
    case 'time':
      await world.time(action.ms)
  }
  for (const subscriber of subscribers) {
    // From its first known position on, it must receive everything.
    if (subscriber.since === undefined && subscriber.subscription?.token !== undefined) {
      const positions = decodeToken(subscriber.subscription.token)
      subscriber.since = Array.from({ length: partitions }, (_, p) => {
        return positions.find(({ partition }) => partition === p)?.offset ?? Number.POSITIVE_INFINITY
      })
    }
  }
  await world.time(2)
}

test('whatever breaks, each subscription receives each event once, in order, or a gap', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }),
      fc.nat(),
      fc.constantFrom<TransportName[]>(
        ['websocket'],
        ['websocket', 'sse', 'poll'],
        ['sse', 'websocket'],
        ['sse'],
        ['poll'],
      ),
      async (steps, seed, ways) => {
        const world = await World.start(seed, ways)
        for (const action of steps) await apply(world, action)
        await world.quiet()
        world.check()
        await world.client.close()
      },
    ),
    { numRuns: 60, includeErrorInReport: true },
  )
})
