import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import type { Tail, TailSink } from '../../src/source/source.ts'
import { SimBroker } from '../simulation/broker.ts'
import type { ClusterSurroundings } from '../simulation/simulated-source.ts'
import { VirtualTime } from '../simulation/virtual-time.ts'
import { JetStreamCluster } from '../simulation/wire/jetstream-cluster.ts'

/** A tail of the adapter on the simulation's model of a server, from the first record of each partition on, with those that come later. */
class Stage {
  readonly time = new VirtualTime()
  readonly broker: SimBroker
  /** What the tail told: `text@partition/offset`, what was lost, and what became of the stream. */
  readonly told: string[] = []
  #tail: Tail | undefined

  constructor(partitions: number) {
    this.broker = new SimBroker(this.time, partitions, 'times')
    const cluster = new JetStreamCluster({ time: this.time, broker: this.broker, seed: 1 } as ClusterSurroundings)
    const gateway = this.time.process('gateway')
    const source = cluster.open(gateway, seededRandom(2), 20)
    const sink: TailSink = {
      record: ({ buffer, valueStart, valueEnd, partition, offset }) => {
        this.told.push(`${buffer.toString('utf8', valueStart, valueEnd)}@${partition}/${offset}`)
      },
      end: () => {},
      lost: (partition, first, last, reason) => this.told.push(`${reason} ${partition}/${first}-${last}`),
      recreated: ({ partitions: count }) => this.#told('recreated', partitions, count),
      grown: ({ partitions: count }) => this.#told('grown', count - 1, count),
      state: () => {},
    }
    const from = Array.from({ length: partitions }, () => 1)
    gateway.after(0, () => {
      this.#tail = source.tail(this.broker.info!, from, sink)
    })
  }

  write(partition: number, ...texts: string[]): void {
    for (const text of texts) {
      const timeMs = this.broker.process.nowUs() / 1000
      const record = { key: null, event: undefined, timeMs, transaction: undefined, damaged: false }
      this.broker.log(partition).append({ ...record, value: Buffer.from(text) }, this.time.nowMs)
    }
  }

  #told(what: string, before: number, count: number): void {
    this.told.push(`${what} ${count}`)
    for (let partition = before; partition < count; partition++) this.#tail!.add(partition)
  }

  async passes(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 10) {
      await this.time.runTo(this.time.nowMs + 10)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

test('a family that was created again is told once all of its streams are there, which are made one by one', async () => {
  const stage = new Stage(1)
  stage.write(0, 'a')
  await stage.passes(2000)
  stage.broker.delete()
  await stage.passes(1000)
  stage.broker.create(1)
  for (let partitions = 2; partitions <= 20; partitions++) {
    await stage.passes(150)
    stage.broker.grow()
  }
  await stage.passes(10_000)
  assert.deepEqual(stage.told, ['a@0/1', 'recreated 20'])
})

test('partitions that a new family has more, or that are added, are read from their first sequence on, and what retention took of them is told', async () => {
  const stage = new Stage(1)
  stage.write(0, 'a', 'b')
  await stage.passes(2000)
  stage.broker.delete()
  await stage.passes(1000)
  stage.broker.create(3)
  for (const partition of [0, 1, 2]) stage.write(partition, 'c', 'd')
  for (const partition of [0, 1]) stage.broker.log(partition).retain(2, stage.time.nowMs)
  await stage.passes(10_000)
  assert.deepEqual(stage.told.slice(0, 3), ['a@0/1', 'b@0/2', 'recreated 3'])
  assert.deepEqual(stage.told.splice(3).sort(), [
    'c@2/1',
    'd@0/2',
    'd@1/2',
    'd@2/2',
    'retention 0/1-1',
    'retention 1/1-1',
  ])
  stage.broker.grow()
  stage.write(3, 'e', 'f')
  stage.broker.log(3).retain(2, stage.time.nowMs)
  await stage.passes(10_000)
  assert.deepEqual(stage.told.slice(3), ['grown 4', 'retention 3/1-1', 'f@3/2'])
})
