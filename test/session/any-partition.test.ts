import assert from 'node:assert/strict'
import test from 'node:test'
import { encodeEvent } from '../../src/wire/envelope.ts'
import { encodeSaid, partitionCount } from '../../src/wire/partition-counts.ts'
import { decodeToken, isGrowth } from '../../src/wire/token.ts'
import { ModelBroker } from '../model/broker.ts'
import { settled, type TestClient, TestGateway } from './harness.ts'

/** A route by `any`: publishers put a subject's records into any partition. */

class Spread {
  readonly broker: ModelBroker
  readonly gateway: TestGateway

  constructor(broker: ModelBroker, gateway: TestGateway) {
    this.broker = broker
    this.gateway = gateway
  }

  static async start(partitions: number): Promise<Spread> {
    const broker = new ModelBroker('events', partitions)
    return new Spread(broker, await TestGateway.start(broker, {}, { by: 'any' }))
  }

  append(partition: number, text: string, subject = 'a'): void {
    const value = encodeEvent({ subject, id: text, contentType: 'text/plain', data: Buffer.from(text) })
    this.broker.append(partition, Buffer.from(subject), Buffer.from(value))
    this.broker.end(partition)
  }

  /** Writes `from` to `to` - 1 to all partitions in turn, each named by its partition: `1:4`. */
  spread(from: number, to: number): void {
    const { partitions } = this.broker.info
    for (let i = from; i < to; i++) this.append(i % partitions, `${i % partitions}:${i}`)
  }

  /** Subscribes to the subject, over any transport. */
  follow(client: TestClient, after: string[], options: { last?: number } = {}): void {
    if (client.transport === 'websocket') client.ask(1, 'a', options, ...after)
    else client.session.start(['a'], after, options)
  }
}

const rest = async () => {
  for (let i = 0; i < 10; i++) await settled()
}

/** Returns the events of each partition, in order of arrival. */
const byPartition = (texts: readonly string[]) =>
  Object.fromEntries(Object.entries(Object.groupBy(texts, (text) => text.split(':')[0]!)).sort())

const textsOf = (client: TestClient): string[] =>
  client.transport === 'sse'
    ? client.blocks.flatMap((block) => /"text":"([^"]*)"/.exec(block)?.[1] ?? [])
    : client.texts

for (const transport of ['websocket', 'sse', 'poll'] as const) {
  test(`a subject is read from all partitions, each in order, and resumes by its token: ${transport}`, async () => {
    const site = await Spread.start(3)
    const { gateway } = site
    site.spread(0, 9)
    const first = gateway.connect(transport)
    site.follow(first, ['earliest'])
    await rest()
    site.spread(9, 12)
    await rest()
    const expected = {
      0: ['0:0', '0:3', '0:6', '0:9'],
      1: ['1:1', '1:4', '1:7', '1:10'],
      2: ['2:2', '2:5', '2:8', '2:11'],
    }
    assert.deepEqual(byPartition(textsOf(first)), expected)
    assert.equal(gateway.rejected.total, 0)
    const token = first.session.token()
    first.session.closed()
    site.spread(12, 15)
    const second = gateway.connect(transport)
    site.follow(second, [token])
    await rest()
    assert.deepEqual(byPartition(textsOf(second)), { 0: ['0:12'], 1: ['1:13'], 2: ['2:14'] })
  })
}

test('last: n means n events of each partition', async () => {
  const site = await Spread.start(3)
  site.spread(0, 12)
  for (const transport of ['websocket', 'poll'] as const) {
    const client = site.gateway.connect(transport)
    site.follow(client, [], { last: 2 })
    await rest()
    assert.deepEqual(byPartition(client.texts), { 0: ['0:6', '0:9'], 1: ['1:7', '1:10'], 2: ['2:8', '2:11'] })
  }
})

test('an event published through the gateway goes to the partition of the hash of its key', async () => {
  const { gateway } = await Spread.start(3)
  const client = gateway.connect()
  client.subscribe(1, 'a', 'latest')
  await rest()
  for (const text of ['1', '2', '3']) gateway.publish('a', text)
  await rest()
  assert.deepEqual(client.texts, ['1', '2', '3'], 'one partition has an order')
})

test('new partitions are reported and read from their beginning, and the others go on', async () => {
  const site = await Spread.start(1)
  const client = site.gateway.connect()
  client.subscribe(1, 'a', 'latest')
  site.append(0, '0:0')
  await rest()
  site.broker.grow(3)
  for (const partition of [1, 2, 0]) site.append(partition, `${partition}:1`)
  await rest()
  assert.deepEqual(byPartition(client.texts), { 0: ['0:0', '0:1'], 1: ['1:1'], 2: ['2:1'] })
  assert.deepEqual(
    client.gaps.map(({ reason, partition }) => [reason, partition]),
    [
      ['repartitioned', 1],
      ['repartitioned', 2],
    ],
  )
})

test('a client that learned of one of two new partitions before its connection was lost learns of the other, and goes on there', async () => {
  const site = await Spread.start(1)
  site.broker.grow(3)
  for (const partition of [1, 1, 2]) site.append(partition, `${partition}:x`)
  await rest()
  const all = site.gateway.connect('poll')
  site.follow(all, ['latest'])
  await rest()
  const said = decodeToken(all.session.token()).filter((position) => !isGrowth(position))
  const stands = said.filter(({ partition }) => partition !== 2).map((each) => ({ ...each, offset: each.partition }))
  const client = site.gateway.connect()
  client.subscribe(1, 'a', encodeSaid(stands, [partitionCount(said[0]!, 1)]))
  await rest()
  assert.deepEqual(client.texts, ['1:x', '2:x'])
  assert.deepEqual(
    client.gaps.map(({ reason, partition }) => [reason, partition]),
    [['repartitioned', 2]],
  )
})
