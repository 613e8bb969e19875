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
  /** When the tail was up or away, ms, and why. */
  readonly states: string[] = []
  readonly server: JetStreamCluster
  #tail: Tail | undefined

  constructor(partitions: number) {
    this.broker = new SimBroker(this.time, partitions, 'times')
    const cluster = new JetStreamCluster({ time: this.time, broker: this.broker, seed: 1 } as ClusterSurroundings)
    const gateway = this.time.process('gateway')
    this.server = cluster
    const source = cluster.open(gateway, seededRandom(2), 20)
    const sink: TailSink = {
      record: ({ buffer, valueStart, valueEnd, partition, offset }) => {
        this.told.push(`${buffer.toString('utf8', valueStart, valueEnd)}@${partition}/${offset}`)
      },
      end: () => {},
      lost: (partition, first, last, reason) => this.told.push(`${reason} ${partition}/${first}-${last}`),
      recreated: ({ partitions: count }) => this.#told('recreated', partitions, count),
      grown: ({ partitions: count }) => this.#told('grown', count - 1, count),
      state: (state, detail) => this.states.push(`${Math.round(this.time.nowMs)} ${state} ${detail}`.trim()),
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

/** Of the states since `fromMs`: each one's time, to a tenth of a second, and the rest. */
const since = (stage: Stage, fromMs: number) =>
  stage.states.flatMap((said) => {
    const [, ms = '', rest = ''] = /^(\d+) (.*)$/.exec(said)!
    return Number(ms) < fromMs ? [] : [[Math.round((Number(ms) - fromMs) / 100) / 10, rest] as const]
  })

test('a consumer that is alive and gives nothing is told as away within two looks, and made anew by the third', async () => {
  const stage = new Stage(1)
  stage.write(0, 'a')
  await stage.passes(5000)
  for (const consumer of stage.server.consumers) consumer.paused = true
  const { nowMs } = stage.time
  stage.write(0, 'b', 'c')
  await stage.passes(10_000)
  assert.deepEqual(stage.told, ['a@0/1', 'b@0/2', 'c@0/3'])
  const states = since(stage, nowMs)
  assert.deepEqual(
    states.map(([, said]) => said),
    ['away events-0: its consumer sends nothing, although the stream has records from 2 on', 'up'],
  )
  assert.ok(states[0]![0] <= 2.3 && states[1]![0] <= 3.5, JSON.stringify(states))
})

test('a partition whose consumers are refused is told as away after awayAfterMs, with the reason, and read once they are not', async () => {
  for (const refusal of ['maximum consumers limit reached', 'insufficient resources']) {
    const stage = new Stage(2)
    stage.server.refuse(refusal)
    await stage.passes(4000)
    const states = since(stage, 0)
    assert.equal(states.length, 1, JSON.stringify(states))
    assert.match(
      states[0]![1],
      new RegExp(`^away nats://simulated, stream events-[01]: the server refuses: ${refusal}`),
    )
    assert.ok(states[0]![0] >= 1 && states[0]![0] <= 1.5, JSON.stringify(states))
    stage.server.refuse(undefined)
    stage.write(0, 'a')
    await stage.passes(8000)
    assert.deepEqual(stage.told, ['a@0/1'])
    assert.equal(since(stage, 0).at(-1)![1], 'up')
  }
})

test('a family that cannot be read as it was created again is told as away, with the reason', async () => {
  const stage = new Stage(1)
  stage.write(0, 'a')
  await stage.passes(2000)
  stage.server.subjects = ['events.0.>', 'other.>']
  const { nowMs } = stage.time
  stage.broker.delete()
  stage.broker.create(1)
  await stage.passes(12_000)
  assert.match(since(stage, nowMs).at(-1)![1], /^away JetStream stream events-0: expected the subjects events\.0\.>/)
  stage.server.subjects = undefined
  await stage.passes(12_000)
  assert.deepEqual(stage.told, ['a@0/1', 'recreated 1'])
  assert.equal(since(stage, nowMs).at(-1)![1], 'up')
})

test('a consumer that says nothing any more is made anew, also where there is nothing to read', async () => {
  const stage = new Stage(1)
  stage.write(0, 'a')
  await stage.passes(5000)
  const [silent] = stage.server.consumers
  silent!.silent = true
  await stage.passes(4000)
  const [next, ...others] = stage.server.consumers
  assert.deepEqual([next === silent, others], [false, []])
  stage.write(0, 'b')
  await stage.passes(100)
  assert.deepEqual(stage.told, ['a@0/1', 'b@0/2'])
})
