import assert from 'node:assert/strict'
import test from 'node:test'
import { ModelBroker } from '../model/broker.ts'
import { partitionOf } from '../simulation/truth.ts'
import { settled, TestGateway } from './harness.ts'

const slice = 128
const partitions = 4
const patterns = Array.from({ length: 500 }, (_, i) => `a${i}.*`)

const start = () => TestGateway.start(new ModelBroker('events', partitions), { maxSessionBytes: 4 << 20 })
const turn = () => new Promise((resolve) => setImmediate(resolve))

const placesIn = ({ stream }: TestGateway) => stream.partitions.reduce((sum, { hub }) => sum + hub.size, 0)

/**
 * Returns how many hub memberships are taken or left in each turn, until nothing changes any
 * more.
 */
async function changes(gateway: TestGateway, from: number): Promise<number[]> {
  const seen = [Math.abs(placesIn(gateway) - from)]
  for (let before = placesIn(gateway); ; before = placesIn(gateway)) {
    await turn()
    const change = Math.abs(placesIn(gateway) - before)
    if (change === 0) return seen
    seen.push(change)
  }
}

test('many subjects of one request join and leave their partitions a slice at a time', async () => {
  const gateway = await start()
  const poll = gateway.connect('poll')
  poll.session.start(patterns, [])
  const joined = await changes(gateway, 0)
  assert.equal(placesIn(gateway), patterns.length * partitions)
  assert.ok(joined[0]! <= slice, `${joined[0]} in the turn of the request`)
  poll.session.closed()
  const left = await changes(gateway, patterns.length * partitions)
  assert.equal(placesIn(gateway), 0)
  assert.ok(left[0]! <= slice, `${left[0]} in the turn of the end`)
})

test('nothing is delivered to a session that has ended, even before it has left all hubs', async () => {
  const gateway = await start()
  const poll = gateway.connect('poll')
  poll.session.start(patterns, [])
  await settled()
  poll.session.closed()
  assert.ok(placesIn(gateway) > 0)
  for (let i = 0; i < 20; i++) gateway.publish(`a${i}.x`, 'late')
  await changes(gateway, 0)
  assert.deepEqual([poll.texts, placesIn(gateway)], [[], 0])
})

test('events that the last of many subjects missed, and events that arrive while they join, are delivered in order and once', async () => {
  for (const transport of ['poll', 'sse'] as const) {
    const gateway = await start()
    const last = `${patterns.at(-1)!.slice(0, -1)}x`
    const first = gateway.publish(last, 'missed')
    const token = gateway.stream.partitions[partitionOf(last, partitions)]!.tokenAt(first)
    const client = gateway.connect(transport)
    client.session.start(patterns, [token])
    let came = 0
    while (client.openedAt === undefined) {
      gateway.publish(last, `meanwhile ${came++}`)
      await turn()
    }
    await settled()
    gateway.publish(last, 'live')
    const expected = ['missed', ...Array.from({ length: came }, (_, i) => `meanwhile ${i}`), 'live']
    const texts =
      transport === 'poll' ? client.texts : client.blocks.flatMap((each) => /"text":"([^"]*)"/.exec(each)?.[1] ?? [])
    assert.ok(came > 3)
    assert.deepEqual(texts, expected)
  }
})

test('partitions that are added while many subjects join are reported and read, as if all had joined before', async () => {
  const gateway = await start()
  const poll = gateway.connect('poll')
  poll.session.start(patterns, [])
  assert.equal(poll.openedAt, undefined)
  gateway.broker.grow(8)
  await settled()
  assert.equal(placesIn(gateway), patterns.length * gateway.stream.partitions.length)
})
