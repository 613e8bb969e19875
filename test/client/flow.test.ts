import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Random, seededRandom } from '../../src/base/random.ts'
import { Client } from '../../src/client/client.ts'
import type { Received } from '../../src/client/received.ts'
import type { SubscribeOptions, Subscription } from '../../src/client/subscription.ts'
import type { TransportName } from '../../src/client/transports.ts'
import { matches } from '../../src/subject/subject.ts'
import { ModelBroker } from '../model/broker.ts'
import { ManualClock, settled } from '../model/clock.ts'
import { TestGateway } from '../session/harness.ts'
import { FakeBrowser, type FakeTab } from './fake-browser.ts'
import { FakeEnvironment } from './fake-transport.ts'
import { ModelNet } from './model-net.ts'

/**
 * Tabs of one browser, whose subjects never fall silent, some with `last`. The leader changes
 * again and again: tabs close and freeze, workers start, take over from each other and from tabs,
 * and die.
 */

const subjects = ['a.1', 'a.2', 'b.1']
const patterns = ['a.1', 'a.*', 'b.1', '>']
const starts: SubscribeOptions[] = [{ last: 2 }, { last: 3 }, { after: 'earliest' }, {}]

interface TrackedSubscription {
  readonly pattern: string
  readonly subscription: Subscription
  readonly items: Received[]
}

interface Tab {
  readonly client: Client
  readonly page: FakeTab
  readonly followed: TrackedSubscription[]
}

class World {
  readonly tabs: Tab[] = []
  readonly #random: Random
  readonly #ways: readonly TransportName[]
  readonly #gateway: TestGateway
  readonly #clock = new ManualClock()
  readonly #net: ModelNet
  readonly #browser = new FakeBrowser()
  readonly #published: { readonly subject: string; readonly text: string }[] = []

  private constructor(gateway: TestGateway, seed: number, ways: readonly TransportName[]) {
    this.#random = seededRandom(seed)
    this.#ways = ways
    this.#gateway = gateway
    this.#net = new ModelNet(gateway, this.#clock, this.#random)
    this.#browser.workers = this.#surroundings()
  }

  static async start(seed: number, ways: readonly TransportName[]): Promise<World> {
    return new World(await TestGateway.start(new ModelBroker('events', 2)), seed, ways)
  }

  /** `worker`: URL of the script; '' = none. */
  open(worker = ''): void {
    const page = this.#browser.open()
    const client = new Client(['http://one.example'], {
      tabs: 'app',
      worker,
      ...this.#surroundings(page),
    })
    const tab: Tab = { client, page, followed: [] }
    this.tabs.push(tab)
    this.follow(tab)
    this.follow(tab)
  }

  #surroundings(page?: FakeTab) {
    return {
      ways: this.#ways.map((name) => this.#net.transport(name)),
      clock: this.#clock,
      random: this.#random,
      environment: new FakeEnvironment(page),
    }
  }

  killWorkers(): void {
    this.#browser.killWorkers()
  }

  follow({ client, followed }: Tab): void {
    const pattern = this.pick(patterns)
    const items: Received[] = []
    const item = (each: Received) => void items.push(each)
    followed.push({
      pattern,
      items,
      subscription: client.subscribe(pattern, { ...this.pick(starts), onEvent: item, onGap: item }),
    })
  }

  cut(): void {
    this.#net.cut()
  }

  publish(): void {
    for (const subject of subjects) {
      const text = `${this.#published.length}`
      this.#gateway.publish(subject, text)
      this.#published.push({ subject, text })
    }
  }

  /** Publishes an event of each subject every 50 ms, more often than a poll takes. */
  async flow(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 50) {
      this.publish()
      await this.quiet(50)
    }
  }

  async quiet(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 25) {
      await Promise.all([this.#clock.advance(25), this.#gateway.clock.advance(25)])
    }
    await settled()
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random.next() * from.length)]!
  }

  get waiting(): string[] {
    const all = this.tabs.flatMap(({ followed }) => followed)
    return all
      .filter(({ subscription }) => subscription.state.name !== 'live')
      .map(({ pattern, subscription }) => `${pattern}: ${JSON.stringify(subscription.state)}`)
  }

  /**
   * Checks that each tab received all events of its subjects from its first one on, once and in
   * order.
   */
  check(): void {
    for (const { pattern, items } of this.tabs.flatMap(({ followed }) => followed)) {
      const gaps = items.filter((item) => item.kind === 'gap')
      assert.deepEqual(gaps, [], pattern)
      for (const subject of subjects.filter((each) => matches(pattern, each))) {
        const given = items.flatMap((item) => (item.kind === 'event' && item.subject === subject ? [item.text()] : []))
        const all = this.#published.filter((each) => each.subject === subject).map(({ text }) => text)
        assert.ok(given.length > 0, `${pattern} has nothing of ${subject}`)
        assert.deepEqual(given, all.slice(all.indexOf(given[0]!)), `${pattern}, ${subject}`)
      }
    }
  }
}

const ways: Record<string, readonly TransportName[]> = {
  WebSocket: ['websocket'],
  SSE: ['sse'],
  'long-poll': ['poll'],
  'whatever works': ['websocket', 'sse', 'poll'],
}

/** The URL of the worker's script. */
const scripts = { 'no worker': [''], 'a worker': ['/worker.js', '/worker.js', '/newer.js', ''] }

for (const [name, transports] of Object.entries(ways)) {
  for (const [by, workers] of Object.entries(scripts)) {
    test(`over ${name}, with ${by}, tabs are live while events flow, and receive each event once, whichever tabs come and go`, async () => {
      for (let seed = 1; seed <= 3; seed++) {
        const world = await World.start(seed, transports)
        world.publish()
        world.open(workers[0])
        world.open(workers[0])
        for (let i = 0; i < 12; i++) {
          await world.flow(world.pick([100, 300, 700]))
          const tab = world.pick(world.tabs)
          const happens = [
            () => {
              if (world.tabs.length < 4) world.open(world.pick(workers))
            },
            // The oldest tab leads, unless a worker does.
            () => {
              if (world.tabs.length > 1) void world.tabs.shift()!.client.close()
            },
            () => world.follow(tab),
            () => {
              if (tab.followed.length > 1) tab.followed.shift()!.subscription.close()
            },
            () => world.cut(),
          ]
          if (workers.length > 1) {
            happens.push(
              () => world.killWorkers(),
              () => world.open(world.pick(workers)),
              () => {
                tab.page.frozen = true
              },
              () => {
                for (const { page } of world.tabs) page.frozen = false
              },
            )
          }
          world.pick(happens)()
        }
        for (const { page } of world.tabs) page.frozen = false
        await world.flow(8000)
        assert.deepEqual(world.waiting, [], `seed ${seed}`)
        await world.quiet(3000)
        world.check()
        for (const { client } of world.tabs) await client.close()
      }
    })
  }
}
