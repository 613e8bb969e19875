import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { SimBroker } from '../simulation/broker.ts'
import type { ClusterSurroundings } from '../simulation/simulated-source.ts'
import { VirtualTime } from '../simulation/virtual-time.ts'
import { JetStreamCluster } from '../simulation/wire/jetstream-cluster.ts'
import { TailCollector } from './collector.ts'

const partitions = 2
let time: VirtualTime

beforeEach(() => {
  time = new VirtualTime()
})

/** A tail of two partitions on the simulated server. */
function opened() {
  const broker = new SimBroker(time, partitions, 'times')
  const gateway = time.process('gateway')
  const cluster = new JetStreamCluster({ time, broker, seed: 1 } as ClusterSurroundings)
  const source = cluster.open(gateway, seededRandom(2), 20)
  const collector = new TailCollector()
  gateway.after(0, () => {
    collector.tail = source.tail(broker.info!, [1, 1], collector)
  })
  const write = (partition: number, bytes: number) => {
    const times = { timeMs: broker.process.nowUs() / 1000, event: undefined, transaction: undefined }
    broker.log(partition).append({ key: null, value: Buffer.alloc(bytes, 'v'), damaged: false, ...times }, time.nowMs)
  }
  return { source, collector, write, passes: (ms: number) => time.runTo(time.nowMs + ms) }
}

test('a partition dropped while it reads its backlog passes its turn to a waiting one', async () => {
  const { collector, write, passes } = opened()
  for (let i = 0; i < 400; i++) for (const partition of [0, 1]) write(partition, 1000)
  const { record } = collector
  let dropped: number | undefined
  collector.record = (shown) => {
    record.call(collector, shown)
    if (dropped === undefined) collector.drop(shown.partition)
    dropped ??= shown.partition
  }
  await passes(20_000)
  assert.deepEqual([collector.offsets(dropped).length, collector.offsets(1 - dropped!).length], [1, 400])
  collector.assertWellFormed()
})

test('a partition dropped while the server is away does not keep the tail away', async () => {
  const { source, collector, write, passes } = opened()
  await passes(2000)
  const { state } = collector
  collector.state = (now, detail) => {
    state.call(collector, now, detail)
    if (now === 'away') collector.drop(1)
  }
  source.setAway(true)
  await passes(10_000)
  source.setAway(false)
  await passes(10_000)
  write(0, 1)
  write(1, 1)
  await passes(1000)
  const changes = collector.states.filter((state, i) => state !== collector.states[i - 1])
  assert.deepEqual(changes, ['up', 'away', 'up'])
  assert.deepEqual([collector.offsets(0), collector.offsets(1)], [[1], []])
  collector.assertWellFormed()
})
