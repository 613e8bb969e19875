import assert from 'node:assert/strict'
import test from 'node:test'
import type { Offsets, StreamInfo } from '../../src/source/source.ts'
import { decodeToken, encodePosition } from '../../src/wire/token.ts'
import { ModelBroker } from '../model/broker.ts'
import { TestGateway } from './harness.ts'

/** A broker that returns given ends of its log, one a query, and then the actual one. */
class Telling extends ModelBroker {
  readonly ends: number[] = []

  override offsets(stream: StreamInfo, partition: number): Promise<Offsets> {
    const head = this.ends.shift()
    return head === undefined ? super.offsets(stream, partition) : Promise.resolve({ first: 0, head })
  }
}

/** A gateway at offset 50, and a reader with a position at 80. */
async function gatewayAt50() {
  const broker = new Telling('events', 1)
  const gateway = await TestGateway.start(broker)
  for (let i = 0; i < 50; i++) gateway.publish('a', `${i}`)
  const position = { ...gateway.stream.partitions[0]!.positionAt(80), generation: -1 }
  const come = () => {
    const client = gateway.connect()
    client.subscribe(1, 'a', encodePosition(position))
    return client
  }
  return { gateway, broker, come }
}

test('a reader ahead gets a gap once the broker has said twice that its log ends below, and goes on at the higher end', async () => {
  const { gateway, broker, come } = await gatewayAt50()
  const client = come()
  broker.ends.push(50, 70)
  await gateway.clock.advance(1999)
  assert.deepEqual(client.gaps, [])
  await gateway.clock.advance(1)
  assert.deepEqual(
    client.gaps.map(({ reason, to, after }) => [reason, to, decodeToken(after)[0]!.offset]),
    [['rewritten', 79, 70]],
  )
})

test('a reader that came between the two queries is not judged by them', async () => {
  const { gateway, come } = await gatewayAt50()
  const first = come()
  await gateway.clock.advance(1000)
  const second = come()
  await gateway.clock.advance(1000)
  assert.deepEqual([first.gaps.length, second.gaps.length], [1, 0])
  await gateway.clock.advance(1000)
  assert.equal(second.gaps.length, 1)
})
