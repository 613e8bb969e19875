import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StreamInfo } from '../../src/source/source.ts'
import { TailCollector } from './collector.ts'
import { type ConformanceRun, letters, record } from './conformance-run.ts'

/**
 * The contract of every adapter for the partitions of a tail: it reads those given and those
 * added, and not those dropped.
 */
export function partitionFacts(run: ConformanceRun): void {
  const { grow } = run.harness
  addFacts(run)
  dropFacts(run)
  againFacts(run)
  changedStreamFacts(run)
  if (grow !== undefined) growthFacts(run, grow)
  if (run.harness.outage !== undefined) outageFacts(run, run.harness.outage)
}

function addFacts(run: ConformanceRun): void {
  const { at, ats, eventually, created, published, retained, tailed, count } = run
  test('a partition without an offset is absent until it is added; then it is read from its offset, in order and once', async () => {
    const stream = await created(3)
    await published(stream, [...letters(10, 0), ...letters(10, 1), ...letters(10, 2)])
    const collector = tailed(stream, [at(0), undefined])
    await count(collector, 10)
    collector.add(2, at(4))
    await eventually('the added partition is read', () => collector.offsets(2).length >= 6)
    await published(stream, [record('live', 0), record('live', 1), record('live', 2)])
    for (const partition of [0, 2]) {
      await eventually('the live record is shown', () => collector.values(partition).includes('live'))
    }
    assert.deepEqual([collector.offsets(0), collector.offsets(1)], [ats(0, 11), []])
    assert.deepEqual(collector.offsets(2), ats(4, 11))
    assert.deepEqual([...collector.ends.keys()].sort(), [0, 2])
    assert.deepEqual(collector.states, ['up'])
    await eventually('each batch is through', () => collector.ends.get(2)?.next === at(11))
    collector.assertWellFormed()
  })

  test('a partition that is added beyond its head waits and starts exactly at its offset', async () => {
    const stream = await created()
    await published(stream, letters(2))
    const collector = tailed(stream, [])
    collector.add(0, at(5))
    await eventually('the tail is up', () => collector.states.at(-1) === 'up')
    for (let i = 2; i < 8; i++) await published(stream, [record(`later ${i}`)])
    await count(collector, 3)
    assert.deepEqual(collector.offsets(), ats(5, 8))
    assert.deepEqual(collector.losses, [])
  })

  test('a partition that is added below its first offset reports the loss, also if it is added without an offset', async () => {
    const stream = await created(2)
    await published(stream, [...letters(10, 0), ...letters(10, 1)])
    for (const partition of [0, 1]) await retained(stream, partition, at(6))
    const collector = tailed(stream, [])
    collector.add(0, at(2))
    collector.add(1)
    await count(collector, 8)
    assert.deepEqual(
      collector.losses.toSorted((a, b) => a.partition - b.partition),
      [
        { partition: 0, from: at(2), to: at(5), reason: 'retention' },
        { partition: 1, from: at(0), to: at(5), reason: 'retention' },
      ],
    )
    for (const partition of [0, 1]) {
      assert.deepEqual(collector.offsets(partition), ats(6, 10))
      await eventually('the batch is through', () => collector.ends.get(partition)?.next === at(10))
    }
    collector.assertWellFormed()
  })

  test('a partition that the stream does not have, or that is read already, cannot be added', async () => {
    const stream = await created(2)
    const collector = tailed(stream, [at(0)])
    const unknown = { code: 'stream_missing', message: new RegExp(`partition below 2 of stream ${stream.name}, got 2`) }
    assert.throws(() => collector.add(2, at(0)), unknown)
    assert.throws(() => run.source.tail(stream, [at(0), at(0), at(0)], new TailCollector()), unknown)
    assert.throws(() => collector.add(-1, at(0)), { code: 'stream_missing' })
    assert.throws(() => collector.add(0, at(0)), { code: 'internal', message: /got 0 of stream .*; drop it first/ })
    await published(stream, [record('a', 0)])
    await count(collector, 1)
    assert.deepEqual(collector.offsets(), ats(0, 1))
  })
}

function dropFacts({ at, ats, eventually, created, published, tailed, count }: ConformanceRun): void {
  test('nothing more is reported of a dropped partition, and the others go on', async () => {
    const stream = await created(3)
    await published(stream, [...letters(5, 0), ...letters(5, 1), ...letters(5, 2)])
    const collector = tailed(stream, [at(0), at(0), at(0)])
    await count(collector, 15)
    collector.drop(1)
    await published(stream, [...letters(5, 0), ...letters(5, 1), ...letters(5, 2)])
    await count(collector, 25)
    assert.deepEqual([0, 1, 2].map(collector.offsets, collector), [ats(0, 10), ats(0, 5), ats(0, 10)])
    assert.deepEqual([collector.states, collector.losses], [['up'], []])
    await eventually('each batch is through', () => [0, 2].every((p) => collector.ends.get(p)?.next === at(10)))
    collector.assertWellFormed()
  })

  test('a partition that its own sink drops delivers nothing more of a read under way; others deliver all of it', async () => {
    const stream = await created(3)
    await published(stream, [...letters(10, 0), ...letters(10, 1), ...letters(10, 2)])
    const collector = tailed(stream, [])
    whenShown(collector, 1, at(3), () => collector.drop(1))
    for (const partition of [0, 1, 2]) collector.add(partition, at(0))
    await count(collector, 24)
    await published(stream, [record('live', 0), record('live', 1), record('live', 2)])
    await count(collector, 26)
    assert.deepEqual([0, 1, 2].map(collector.offsets, collector), [ats(0, 11), ats(0, 4), ats(0, 11)])
    await eventually('each batch is through', () => [0, 2].every((p) => collector.ends.get(p)?.next === at(11)))
    collector.assertWellFormed()
  })

  test('an absent partition can be dropped, and a tail that reads none can be closed', async () => {
    const stream = await created(2)
    await published(stream, letters(3))
    const collector = tailed(stream, [at(0)])
    await count(collector, 3)
    collector.drop(1)
    collector.drop(0)
    await collector.close()
    const { calls } = collector
    collector.add(1, at(0))
    collector.drop(1)
    const other = tailed(stream, [at(0), at(0)])
    await published(stream, [record('a', 0), record('b', 1)])
    await count(other, 5)
    assert.equal(collector.calls, calls)
    collector.assertWellFormed()
  })
}

function againFacts({ at, ats, eventually, created, published, tailed, count }: ConformanceRun): void {
  test('a partition that is added again from within a batch is read from its new offset, without the rest of the batch', async () => {
    const stream = await created(2)
    await published(stream, [...letters(10, 0), ...letters(10, 1)])
    const collector = tailed(stream, [])
    const move = (partition: number, to: number) => {
      collector.drop(partition)
      collector.add(partition, to)
    }
    whenShown(collector, 0, at(3), () => move(0, at(1)))
    whenShown(collector, 1, at(3), () => move(1, at(8)))
    for (const partition of [0, 1]) collector.add(partition, at(0))
    await count(collector, 13 + 6)
    assert.deepEqual(collector.offsets(0), [...ats(0, 4), ...ats(1, 10)])
    assert.deepEqual(collector.offsets(1), [...ats(0, 4), ...ats(8, 10)])
    await eventually('each batch is through', () => [0, 1].every((p) => collector.ends.get(p)?.next === at(10)))
    collector.assertWellFormed()
  })

  test('a partition that is added again is read from its new offset, whatever was requested or answered for the old one', async () => {
    const stream = await created(2)
    await published(stream, [record('0', 0), record('0', 1)])
    const collector = tailed(stream, [at(0), at(0)])
    await count(collector, 2)
    for (let round = 1; round <= 12; round++) {
      const before = collector.offsets(0).length
      const publishing = published(stream, [record(`${round}`, 0), record(`${round}`, 1)])
      // At a different moment each time: before, while and after the answer arrives.
      for (let i = 0; i < round; i++) await new Promise(setImmediate)
      collector.drop(0)
      const shown = collector.offsets(0).length
      assert.ok(shown - before <= 1)
      collector.add(0, at(round - 1))
      await publishing
      await eventually('both records are shown', () => collector.offsets(0).length >= shown + 2)
      assert.deepEqual(collector.offsets(0).slice(shown), ats(round - 1, round + 1))
    }
    await eventually('the other one is shown', () => collector.offsets(1).length >= 13)
    assert.deepEqual(collector.offsets(1), ats(0, 13))
    assert.deepEqual([collector.states.at(-1), collector.losses], ['up', []])
    collector.assertWellFormed()
  })
}

function changedStreamFacts(run: ConformanceRun): void {
  const { at, ats, eventually, created, recreated, published, tailed, count } = run
  test('absent partitions of a re-created stream stay absent, and can be added', async () => {
    const old = await created(3)
    await published(old, [...letters(2, 0), ...letters(2, 1), ...letters(2, 2)])
    const collector = tailed(old, [at(0), at(0), undefined])
    await count(collector, 4)
    collector.drop(1)
    const anew = await recreated(old)
    await eventually('the tail tells of the new stream', () => collector.streams.length > 0)
    assert.deepEqual(collector.streams, [anew])
    await published(anew, [record('anew', 0), record('anew', 1), record('anew', 2)])
    await count(collector, 5)
    collector.add(2)
    await count(collector, 6)
    assert.deepEqual([0, 1, 2].map(collector.offsets, collector), [[...ats(0, 2), at(0)], ats(0, 2), ats(0, 1)])
    collector.assertWellFormed()
  })
}

type Grow = NonNullable<ConformanceRun['harness']['grow']>

function growthFacts(run: ConformanceRun, grow: Grow): void {
  const { at, ats, eventually, created, published, tailed, count } = run

  async function grown(stream: StreamInfo, partitions: number): Promise<StreamInfo> {
    await grow(run.source, stream.name, partitions)
    return eventually('the stream has grown', async () => {
      const now = await run.source.describe(stream.name)
      return now?.partitions === partitions && now
    })
  }

  test('new partitions are reported, and are read from their beginning once they are added', async () => {
    const stream = await created(2)
    const collector = tailed(stream, [at(0), at(0)])
    collector.grown = (info) => {
      TailCollector.prototype.grown.call(collector, info)
      collector.add(2)
    }
    await published(stream, [record('old', 0), record('old', 1)])
    await count(collector, 2)
    collector.drop(1)
    const now = await grown(stream, 4)
    assert.equal(now.incarnation, stream.incarnation)
    await published(now, [record('new', 0), record('new', 1), record('new', 2), record('new', 3)])
    await eventually('the new partition is read', () => collector.values(2).includes('new'))
    await eventually('the old one is read on', () => collector.values(0).includes('new'))
    assert.deepEqual(collector.growths.at(-1), now)
    assert.deepEqual([0, 1, 2, 3].map(collector.offsets, collector), [ats(0, 2), ats(0, 1), ats(0, 1), []])
    collector.assertWellFormed()
  })
}

type Outage = NonNullable<ConformanceRun['harness']['outage']>

function outageFacts(run: ConformanceRun, outage: Outage): void {
  const { at, ats, eventually, created, published, tailed, count } = run
  test('partitions can be added and dropped while the broker is away', async () => {
    const stream = await created(3)
    await published(stream, [record('a', 0), record('a', 1), record('a', 2)])
    const collector = tailed(stream, [at(0), at(0)])
    await count(collector, 2)
    await outage.begin()
    await eventually('the tail says that the broker is away', () => collector.states.at(-1) === 'away')
    collector.drop(1)
    collector.add(2, at(0))
    await outage.end()
    await published(stream, [record('b', 0), record('b', 1), record('b', 2)])
    for (const partition of [0, 2]) {
      await eventually('what came after is shown', () => collector.values(partition).includes('b'))
      assert.deepEqual(collector.offsets(partition), ats(0, collector.offsets(partition).length))
    }
    assert.deepEqual(collector.offsets(1), ats(0, 1))
    assert.equal(collector.states.at(-1), 'up')
    assert.deepEqual(collector.losses, [])
    collector.assertWellFormed()
  })
}

/** Calls `act` once, from within the sink, at this record. */
function whenShown(collector: TailCollector, partition: number, offset: number, act: () => void): void {
  const { record: keep } = collector
  let isDue = true
  collector.record = (shown) => {
    keep.call(collector, shown)
    if (!isDue || shown.partition !== partition || shown.offset !== offset) return
    isDue = false
    act()
  }
}
