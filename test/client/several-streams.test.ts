import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom, systemRandom } from '../../src/base/random.ts'
import { Client } from '../../src/client/client.ts'
import type { TransportName } from '../../src/client/transports.ts'
import { RoutingTable } from '../../src/routing/table.ts'
import { Serving } from '../../src/serving/serving.ts'
import { sessionLimits } from '../../src/session/options.ts'
import { Instruments } from '../../src/telemetry/instruments.ts'
import { encodeEvent } from '../../src/wire/envelope.ts'
import { decodeToken, encodePosition, hashOf, isGrowth, logOf } from '../../src/wire/token.ts'
import { ModelBroker } from '../model/broker.ts'
import { ManualClock } from '../model/clock.ts'
import { infoOf, severalStreams } from '../model/several-streams.ts'
import { quiet } from '../session/harness.ts'
import { ModelNet } from './model-net.ts'

/** The names of a pair have the same eight bits, which were all that tokens of version 1 had. */
const pairs = [
  ['alarms', 'inventory'],
  ['audit', 'trades'],
] as const
const transports: readonly TransportName[] = ['websocket', 'sse', 'poll']

/**
 * One gateway with a stream for each name, which has the subjects below the name, and the SDK on
 * one transport.
 */
class Site {
  readonly clock = new ManualClock()
  readonly brokers: Readonly<Record<string, ModelBroker>>
  readonly serving: Serving
  readonly client: Client

  constructor(names: readonly string[], transport: TransportName) {
    this.brokers = Object.fromEntries(names.map((name) => [name, new ModelBroker(name, 1)]))
    this.serving = new Serving(
      {
        gateway: 'test',
        version: '0',
        heartbeatMs: 25_000,
        limits: { ...sessionLimits, maxSessions: 10, maxSubscriptions: 10, maxFrameBytes: 65_536, maxEventBytes: 4096 },
        streams: Object.fromEntries(names.map((topic) => [topic, { topic, partitions: 1 }])),
        createTopics: false,
        window: { payloadBytes: 4 << 20, indexBytes: 4 << 20 },
        fill: { ageMs: 0, budgetMs: 0 },
        readBack: { chunkBytes: 65_536, concurrency: 1, cacheBytes: 0 },
        seed: 7,
      },
      {
        source: severalStreams(Object.values(this.brokers)),
        routing: new RoutingTable(names.map((stream) => ({ subjects: `${stream}.>`, stream, by: { hash: 'java' } }))),
        clock: this.clock,
        random: systemRandom,
        logger: quiet,
        instruments: new Instruments(),
      },
    )
    const random = seededRandom(1)
    const net = new ModelNet(this.serving, this.clock, random)
    this.client = new Client(['http://one.example'], {
      ways: [net.transport(transport)],
      inbox: { maxEvents: 10_000, maxBytes: 100_000_000 },
      clock: this.clock,
      random,
    })
  }

  publish(stream: string, count: number): void {
    const broker = this.brokers[stream]!
    for (let i = 0; i < count; i++) {
      const subject = `${stream}.x`
      const value = encodeEvent({ subject, id: `${i}`, contentType: 'text/plain', data: Buffer.from(`${i}`) })
      broker.append(0, Buffer.from(subject), Buffer.from(value))
    }
    broker.end(0)
  }

  /** What a subscription receives: events by subject, and gaps. */
  subscribe(subject: string, after: string | undefined) {
    const events: Record<string, number> = {}
    const gaps: string[] = []
    const subscription = this.client.subscribe(subject, {
      ...(after === undefined ? {} : { after }),
      onEvent: (event) => {
        events[event.subject] = (events[event.subject] ?? 0) + 1
      },
      onGap: ({ stream, reason }) => {
        gaps.push(`${stream} ${reason}`)
      },
    })
    return { subscription, events, gaps }
  }

  async close(): Promise<void> {
    const closed = this.client.close()
    await this.clock.advance(5000)
    await closed
    await this.serving.close()
  }
}

for (const transport of transports) {
  test(`over ${transport} a pattern receives the events of all of its streams, whatever their names`, async () => {
    // Over SSE, more events than the SDK remembers: below those only the offset decides.
    const count = transport === 'sse' ? 2100 : 30
    for (const [one, other] of transport === 'sse' ? pairs.slice(0, 1) : pairs) {
      const site = new Site([one, other], transport)
      await site.serving.start()
      const { subscription, events, gaps } = site.subscribe('>', undefined)
      await site.clock.advance(100)
      assert.equal(subscription.state.name, 'live')
      site.publish(one, count)
      await site.clock.advance(2000)
      site.publish(other, 20)
      await site.clock.advance(3000)
      assert.deepEqual({ events, gaps }, { events: { [`${one}.x`]: count, [`${other}.x`]: 20 }, gaps: [] })
      const stands = decodeToken(subscription.token!).filter((each) => !isGrowth(each))
      const heads = [one, other].map((name, i) => [hashOf(name), [count, 20][i]])
      assert.deepEqual(
        new Map(stands.map(({ nameHash, offset }) => [nameHash, offset])),
        new Map(heads as [number, number][]),
      )
      await site.close()
    }
  })

  test(`over ${transport} a token of another stream is carried along, and does not affect this one`, async () => {
    for (const [one, other] of pairs) {
      const site = new Site([one, other], transport)
      await site.serving.start()
      site.publish(one, 3)
      site.publish(other, 3)
      const log = logOf(one, infoOf(site.brokers[one]!).incarnation)
      const carried = { ...log, partition: 0, offset: 2, generation: -1 }
      const { subscription, events, gaps } = site.subscribe(`${other}.x`, encodePosition(carried))
      await site.clock.advance(1000)
      site.publish(other, 2)
      await site.clock.advance(2000)
      assert.deepEqual({ events, gaps }, { events: { [`${other}.x`]: 2 }, gaps: [`${other} unnamed`] })
      const own = decodeToken(subscription.token!).find(({ nameHash }) => nameHash === hashOf(one))
      assert.deepEqual(own, carried)
      await site.close()
    }
  })
}
