import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { Client } from '../../src/client/client.ts'
import type { Received } from '../../src/client/received.ts'
import type { Subscription } from '../../src/client/subscription.ts'
import { matches } from '../../src/subject/subject.ts'
import { decodeToken } from '../../src/wire/token.ts'
import { ModelBroker } from '../model/broker.ts'
import { ManualClock } from '../model/clock.ts'
import { TestGateway } from '../session/harness.ts'
import { ModelNet } from './model-net.ts'

/** Hashed to partitions 0 and 2 of three, and to both of two. */
const subjects = ['a.1', 'a.2', 'a.3', 'b.1', 'b.2']
type Log = 'old' | 'new'

interface Published {
  readonly subject: string
  readonly log: Log
  readonly partition: number
  readonly offset: number
}

interface TrackedSubscription {
  readonly subject: string
  readonly items: Received[]
  readonly subscription: Subscription
  /** It existed before the new log. */
  readonly wasThere: boolean
}

/**
 * Two gateways, which notice one after the other that their stream was re-created, and an SSE
 * client that connects to either.
 */
class World {
  readonly #partitions: Readonly<Record<Log, number>>
  readonly #gateways: readonly TestGateway[]
  readonly #knows: [Log, Log] = ['old', 'old']
  readonly #clock = new ManualClock()
  readonly #net: ModelNet
  readonly #client: Client
  readonly #published = new Map<string, Published>()
  readonly #followed: TrackedSubscription[] = []
  #at: number
  #log: Log = 'old'

  private constructor(gateways: readonly TestGateway[], partitions: Readonly<Record<Log, number>>, at: number) {
    this.#gateways = gateways
    this.#partitions = partitions
    this.#at = at
    const random = seededRandom(7)
    this.#net = new ModelNet(gateways[at]!, this.#clock, random)
    this.#client = new Client(['http://one.example'], {
      ways: [this.#net.transport('sse')],
      clock: this.#clock,
      random,
    })
  }

  static async start(partitions: Readonly<Record<Log, number>>, at: number): Promise<World> {
    const gateway = () => TestGateway.start(new ModelBroker('events', partitions.old))
    return new World([await gateway(), await gateway()], partitions, at)
  }

  subscribe(subject: string): void {
    const items: Received[] = []
    const item = (each: Received) => void items.push(each)
    const subscription = this.#client.subscribe(subject, { after: 'earliest', onEvent: item, onGap: item })
    this.#followed.push({ subject, items, subscription, wasThere: this.#log === 'old' })
  }

  /** Publishes one event of each subject, on the gateways that read the present log. */
  publish(): void {
    for (const subject of subjects) {
      const log = this.#log
      const { partition = 0 } = this.#gateways[0]!.routing.place(subject, () => this.#partitions[log])
      const isBefore = (each: Published) => each.log === log && each.partition === partition
      const offset = [...this.#published.values()].filter(isBefore).length
      const text = `${this.#published.size + 1}`
      this.#published.set(text, { subject, log, partition, offset })
      this.#gateways.forEach((gateway, i) => {
        if (this.#knows[i] === log) gateway.publish(subject, text)
      })
    }
  }

  create(): void {
    this.#log = 'new'
  }

  learns(i: 0 | 1): void {
    this.#knows[i] = 'new'
    const gateway = this.#gateways[i]!
    gateway.broker.recreate(this.#partitions.new)
    for (const [text, { subject, log }] of this.#published) if (log === 'new') gateway.publish(subject, text)
  }

  goesToTheOther(): void {
    this.#at = 1 - this.#at
    this.#net.gateway = this.#gateways[this.#at]!
    this.#net.cut()
  }

  async passes(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 20) {
      const step = Math.min(20, left)
      await Promise.all([this.#clock, ...this.#gateways.map(({ clock }) => clock)].map((each) => each.advance(step)))
    }
  }

  async ends(): Promise<void> {
    // The client notices the cut.
    await this.passes(100)
    const isLive = () => this.#followed.every(({ subscription }) => subscription.state.name === 'live')
    for (let i = 0; i < 50 && !isLive(); i++) await this.passes(200)
    assert.ok(isLive(), 'all are live')
    this.publish()
    await this.passes(20)
    await this.#client.close()
  }

  check(story: string): void {
    for (const each of this.#followed) this.#judge(each, `${each.subject}: ${story}`)
  }

  #judge({ subject, items, wasThere }: TrackedSubscription, story: string): void {
    const given = new Map<string, Set<number>>()
    let isTold = !wasThere
    for (const item of items) {
      if (item.kind === 'gap') {
        assert.ok(['recreated', 'repartitioned', 'unnamed'].includes(item.reason), `${item.reason}, ${story}`)
        assert.equal(decodeToken(item.after)[0]?.partition, item.partition)
        isTold = true
        for (const [place, offsets] of given) if (place.endsWith(`/${item.partition}`)) offsets.clear()
        continue
      }
      const { log, partition, offset } = this.#published.get(item.text())!
      assert.ok(isTold || log === 'old', `an event of the new log comes behind a gap: ${item.text()}, ${story}`)
      const place = `${log}/${partition}`
      const before = given.get(place) ?? new Set()
      given.set(place, before)
      assert.ok(
        [...before].every((other) => other < offset),
        `in order, each once: ${item.text()}, ${story}`,
      )
      before.add(offset)
    }
    const texts = new Set(items.map((each) => (each.kind === 'event' ? each.text() : '')))
    for (const [text, each] of this.#published) {
      if (!matches(subject, each.subject) || (each.log === 'old' && !wasThere)) continue
      assert.ok(texts.has(text), `${text} of the ${each.log} log is given, ${story}`)
    }
  }
}

const acts = {
  'the first gateway learns of the new log': (world: World) => world.learns(0),
  'the second gateway learns of it': (world: World) => world.learns(1),
  'the client goes to the other gateway': (world: World) => world.goesToTheOther(),
  'a subject joins': (world: World) => world.subscribe('b.1'),
  'a pattern joins': (world: World) => world.subscribe('a.*'),
} as const
type Act = keyof typeof acts

/** All permutations. */
function orders(of: readonly Act[]): Act[][] {
  if (of.length === 0) return [[]]
  return [...new Set(of)].flatMap((first) => {
    const at = of.indexOf(first)
    return orders(of.toSpliced(at, 1)).map((rest) => [first, ...rest])
  })
}

const [first, second, other, joins, patternJoins] = Object.keys(acts) as Act[]

for (const [before, after] of [
  [1, 1],
  [2, 2],
  [1, 3],
  [3, 1],
  [2, 3],
  [3, 2],
] as const) {
  test(`over SSE a re-created stream, ${before} partitions before and ${after} now, is reported before its events, in whatever order gateways notice it`, async () => {
    const all = orders([first!, second!, other!, other!, before % 2 === 0 ? joins! : patternJoins!])
    for (const [i, order] of all.entries()) {
      if (order.indexOf(second!) < order.indexOf(first!)) continue
      const world = await World.start({ old: before, new: after }, i % 2)
      for (const subject of ['a.1', 'a.2', 'a.3']) world.subscribe(subject)
      await world.passes(40)
      world.publish()
      await world.passes(20)
      world.create()
      world.publish()
      for (const act of order) {
        acts[act](world)
        // Some effects of the step have arrived before the next one, or all of them.
        await world.passes([4, 300][(i >> 1) % 2]!)
        world.publish()
      }
      await world.ends()
      world.check(`${order.join(', ')}, begun at gateway ${i % 2}`)
    }
  })
}
