import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import type { Tail, TailSink } from '../../src/source/source.ts'
import { SimBroker } from '../simulation/broker.ts'
import type { ClusterSurroundings } from '../simulation/simulated-source.ts'
import { VirtualTime } from '../simulation/virtual-time.ts'
import { JetStreamCluster } from '../simulation/wire/jetstream-cluster.ts'

/**
 * A tail of the adapter on the simulated server. It reads each partition, including added ones,
 * from the first record.
 */
class Stage {
  readonly time = new VirtualTime()
  readonly broker: SimBroker
  /** Reports of the tail: `text@partition/offset`, losses, and changes of the stream. */
  readonly reports: string[] = []
  /** States of the tail: time in ms, `up` or `away`, and the reason. */
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
        this.reports.push(`${buffer.toString('utf8', valueStart, valueEnd)}@${partition}/${offset}`)
      },
      end: () => {},
      lost: (partition, first, last, reason) => this.reports.push(`${reason} ${partition}/${first}-${last}`),
      recreated: ({ partitions: count }) => this.#change('recreated', partitions, count),
      grown: ({ partitions: count }) => this.#change('grown', count - 1, count),
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

  #change(what: string, before: number, count: number): void {
    this.reports.push(`${what} ${count}`)
    for (let partition = before; partition < count; partition++) this.#tail!.add(partition)
  }

  async passes(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 10) {
      await this.time.runTo(this.time.nowMs + 10)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

test('a re-created family, whose streams are created one by one, is reported once all of them exist', async () => {
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
  assert.deepEqual(stage.reports, ['a@0/1', 'recreated 20'])
})

test('additional partitions of a new family, and added ones, are read from their first sequence on, and their losses to retention are reported', async () => {
  const stage = new Stage(1)
  stage.write(0, 'a', 'b')
  await stage.passes(2000)
  stage.broker.delete()
  await stage.passes(1000)
  stage.broker.create(3)
  for (const partition of [0, 1, 2]) stage.write(partition, 'c', 'd')
  for (const partition of [0, 1]) stage.broker.log(partition).retain(2, stage.time.nowMs)
  await stage.passes(10_000)
  assert.deepEqual(stage.reports.slice(0, 3), ['a@0/1', 'b@0/2', 'recreated 3'])
  assert.deepEqual(stage.reports.splice(3).sort(), [
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
  assert.deepEqual(stage.reports.slice(3), ['grown 4', 'retention 3/1-1', 'f@3/2'])
})

/** Returns the states since `fromMs`, each with its time to a tenth of a second. */
const since = (stage: Stage, fromMs: number) =>
  stage.states.flatMap((said) => {
    const [, ms = '', rest = ''] = /^(\d+) (.*)$/.exec(said)!
    return Number(ms) < fromMs ? [] : [[Math.round((Number(ms) - fromMs) / 100) / 10, rest] as const]
  })

test('a live consumer that delivers nothing is reported as away within two looks, and replaced by the third', async () => {
  const stage = new Stage(1)
  stage.write(0, 'a')
  await stage.passes(5000)
  for (const consumer of stage.server.consumers) consumer.paused = true
  const { nowMs } = stage.time
  stage.write(0, 'b', 'c')
  await stage.passes(10_000)
  assert.deepEqual(stage.reports, ['a@0/1', 'b@0/2', 'c@0/3'])
  const states = since(stage, nowMs)
  assert.deepEqual(
    states.map(([, said]) => said),
    ['away events-0: its consumer delivers nothing, although the stream has records from 2 on', 'up'],
  )
  assert.ok(states[0]![0] <= 2.3 && states[1]![0] <= 3.5, JSON.stringify(states))
})

test('a partition whose consumers are refused is reported as away after awayAfterMs, with the reason, and read once they are accepted', async () => {
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
    assert.deepEqual(stage.reports, ['a@0/1'])
    assert.equal(since(stage, 0).at(-1)![1], 'up')
  }
})

test('a re-created family that cannot be read is reported as away, with the reason', async () => {
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
  assert.deepEqual(stage.reports, ['a@0/1', 'recreated 1'])
  assert.equal(since(stage, nowMs).at(-1)![1], 'up')
})

test('a silent consumer is replaced, even if there is nothing to read', async () => {
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
  assert.deepEqual(stage.reports, ['a@0/1', 'b@0/2'])
})
