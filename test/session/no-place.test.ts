import assert from 'node:assert/strict'
import test from 'node:test'
import { RoutingTable } from '../../src/routing/table.ts'
import { ModelBroker } from '../model/broker.ts'
import { settled, TestGateway } from './harness.ts'

/**
 * A gateway whose route names partitions: `a.5` and the subjects under it are in the last one
 * only.
 */
async function ranged(partitions: number): Promise<TestGateway> {
  const gateway = await TestGateway.start(new ModelBroker('events', partitions))
  const ranges = [
    { from: 'a.0', to: 'a.5', partitions: [0] },
    { from: 'a.5', partitions: [partitions - 1] },
  ]
  const table = new RoutingTable([{ subjects: 'a.>', stream: 'events', by: { ranges } }])
  const { partitionsFor, partitionsIn, place, check, keyEnd } = table
  const own = { partitionsFor, partitionsIn, place, check, keyEnd }
  for (const [name, method] of Object.entries(own)) Object.assign(gateway.routing, { [name]: method.bind(table) })
  return gateway
}

test('a subject whose partition no longer exists is refused, and all others go on', async () => {
  const gateway = await ranged(3)
  const [both, shared, pattern] = [gateway.connect(), gateway.connect('poll'), gateway.connect()]
  both.subscribe(1, 'a.7')
  both.subscribe(2, 'a.1')
  shared.session.start(['a.1', 'a.7'], [])
  pattern.subscribe(1, 'a.>')
  await settled()
  gateway.broker.recreate(2)
  gateway.publish('a.1', 'new')
  for (let i = 0; i < 5; i++) await settled()
  const refused = both.frames.flatMap((frame) => ('error' in frame ? [frame.error] : []))
  assert.deepEqual(
    refused.map(({ ref, code }) => [ref, code]),
    [[1, 'no_route']],
  )
  assert.deepEqual([both.texts, pattern.texts], [['new'], ['new']])
  assert.equal(typeof shared.ended === 'object' && shared.ended.code, 'no_route')
  const { hub, readers } = gateway.stream.partitions[0]!
  both.session.closed()
  pattern.session.closed()
  assert.deepEqual([hub.size, readers.size], [0, 0])
})
