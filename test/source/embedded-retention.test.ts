import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { type EmbeddedOptions, embeddedDefaults } from '../../src/source/embedded/options.ts'
import { EmbeddedSource } from '../../src/source/embedded/source.ts'
import { Store } from '../../src/source/embedded/store.ts'
import type { StreamInfo } from '../../src/source/source.ts'
import { ManualClock, settled } from '../model/clock.ts'
import { RangeCollector, TailCollector } from './collector.ts'
import { MemoryDisk } from './memory-disk.ts'

const { sweepIntervalMs } = embeddedDefaults
/** Store id of the stream that `open` creates. */
const id = 1

/** A log on a disk without delay: once the clock has advanced, every due sweep is done. */
class Log {
  readonly disk: MemoryDisk
  readonly clock: ManualClock
  readonly source: EmbeddedSource
  stream!: StreamInfo

  constructor(options: Partial<EmbeddedOptions>, disk: MemoryDisk, clock: ManualClock) {
    this.disk = disk
    this.clock = clock
    let incarnations = 0
    this.source = new EmbeddedSource(
      { ...embeddedDefaults, dir: disk.dir, ...options },
      {
        store: new Store(disk, clock),
        clock,
        log: () => {},
        newIncarnation: () => `incarnation ${++incarnations}`,
        release: async () => {},
      },
    )
  }

  /** Publishes with one commit a record, so that each has a separate block. */
  async publish(...bytes: readonly number[]): Promise<void> {
    for (const length of bytes) {
      await this.source.publish(this.stream, [{ partition: 0, key: null, value: Buffer.alloc(length) }])
    }
  }

  sweep(): Promise<void> {
    return this.clock.advance(sweepIntervalMs)
  }

  bases(stream = id): number[] {
    return this.disk.basesFrom(stream, 0, 0, 1000)
  }

  async first(): Promise<number> {
    return (await this.source.offsets(this.stream, 0)).first
  }
}

async function open(t: TestContext, options: Partial<EmbeddedOptions> = {}): Promise<Log> {
  const log = new Log(options, new MemoryDisk(), new ManualClock())
  t.after(() => log.source.close())
  await log.source.create('stream', 1)
  log.stream = (await log.source.describe('stream'))!
  return log
}

const thousands = (count: number): number[] => new Array(count).fill(1000)

describe('retention of the embedded log', () => {
  test('drops the oldest blocks beyond its size, and keeps the newest', async (t) => {
    const log = await open(t, { retentionBytes: 5000, sweepBlocks: 2 })
    await log.publish(...thousands(12))
    assert.equal(await log.first(), 0)
    await log.sweep()
    assert.equal(await log.first(), 8)
    await log.sweep()
    assert.deepEqual([await log.first(), log.bases()], [8, [8, 9, 10, 11]])
    await log.publish(9000)
    await log.sweep()
    await log.sweep()
    assert.deepEqual([await log.first(), log.bases()], [12, [12]])
  })

  test('drops what is too old, even all of it, and not a millisecond earlier', async (t) => {
    const log = await open(t, { retentionMs: 50, sweepIntervalMs: 1 })
    await log.publish(10)
    await log.clock.advance(20)
    await log.publish(10)
    await log.clock.advance(30)
    assert.equal(await log.first(), 0)
    await log.clock.advance(1)
    assert.equal(await log.first(), 1)
    await log.clock.advance(19)
    assert.equal(await log.first(), 1)
    await log.clock.advance(1)
    assert.deepEqual([await log.first(), log.bases()], [2, []])
    await log.publish(10)
    await log.clock.advance(50)
    assert.deepEqual([await log.first(), log.bases()], [2, [2]])
  })

  test('keeps records that are exactly at the age limit at the first sweep', async (t) => {
    const log = await open(t, { retentionMs: sweepIntervalMs })
    await log.publish(10)
    await log.sweep()
    assert.equal(await log.first(), 0)
    await log.sweep()
    assert.equal(await log.first(), 1)
  })

  test('drops what grows too old in a partition that had been emptied before', async (t) => {
    const log = await open(t, { retentionMs: 10_000 })
    for (const gone of [1, 2]) {
      await log.publish(10)
      await log.clock.advance(12_000)
      assert.equal(await log.first(), gone)
    }
  })

  test('takes turns with publishes: a commit drops at most its share, and a publish waits for one commit', async (t) => {
    const log = await open(t, { retentionBytes: 1000, sweepBlocks: 2 })
    await log.publish(...thousands(8))
    const telling = Promise.withResolvers<void>()
    log.disk.telling = telling.promise
    log.disk.commits.length = 0
    await log.sweep()
    const published = log.publish(10)
    await settled()
    assert.deepEqual(log.disk.commits, [{ dropped: 2, written: 0 }])
    log.disk.telling = undefined
    telling.resolve()
    await published
    await settled()
    assert.deepEqual(
      log.disk.commits.map(({ dropped, written }) => [dropped, written]),
      [
        [2, 0],
        [0, 1],
        [2, 0],
        [2, 0],
        [2, 0],
      ],
    )
    assert.deepEqual(log.bases(), [8])
  })

  test('sweeps the blocks of a deleted stream, and then forgets it', async (t) => {
    const log = await open(t, { sweepBlocks: 2 })
    await log.publish(...thousands(5))
    await log.source.delete('stream')
    assert.deepEqual(log.bases(), [0, 1, 2, 3, 4])
    log.disk.commits.length = 0
    await log.sweep()
    assert.deepEqual(log.bases(), [])
    assert.deepEqual(
      log.disk.commits.map(({ dropped }) => dropped),
      [2, 2, 1, 0],
    )
    assert.deepEqual([...log.disk.image.facts], [['last-id', id]])
  })

  test('sweeps damaged blocks by size like others', async (t) => {
    const log = await open(t, { retentionBytes: 1500 })
    await log.publish(...thousands(3))
    log.disk.harm(id, 0, 1, log.disk.block(id, 0, 1)!.subarray(0, 20))
    await log.sweep()
    assert.deepEqual([await log.first(), log.bases()], [2, [2]])
  })

  test('keeps a damaged block, whose age is unknown, as long as it may be young', async (t) => {
    const log = await open(t, { retentionMs: 10_000 })
    await log.publish(10)
    log.disk.harm(id, 0, 0, log.disk.block(id, 0, 0)!.subarray(0, 20))
    await log.clock.advance(9000)
    await log.publish(10)
    await log.clock.advance(10_000)
    assert.equal(await log.first(), 0)
    await log.sweep()
    assert.equal(await log.first(), 2)
  })

  test('a partition that was emptied keeps as much as before, whatever its damaged blocks lacked', async (t) => {
    const log = await open(t, { retentionMs: 10_000, retentionBytes: 3500 })
    await log.publish(1000, 1000)
    log.disk.harm(id, 0, 0, undefined)
    log.disk.harm(id, 0, 1, log.disk.block(id, 0, 1)!.subarray(0, 20))
    await log.clock.advance(11_000)
    assert.equal(await log.first(), 2)
    await log.publish(...thousands(3))
    await log.sweep()
    assert.equal(await log.first(), 2)
  })

  test('dropped records are never reported as damaged, not even before this process learns that the drop is durable', async (t) => {
    const log = await open(t)
    await log.publish(...thousands(6))
    const telling = Promise.withResolvers<void>()
    await log.source.dropBefore(log.stream, 0, 1)
    log.disk.telling = telling.promise
    const dropping = log.source.dropBefore(log.stream, 0, 3)
    await settled()
    // The bounds are durable already; the commit drops the blocks next.
    log.disk.harm(id, 0, 1, undefined)
    log.disk.harm(id, 0, 2, undefined)
    assert.equal(await log.first(), 1)

    const whole = new RangeCollector()
    assert.deepEqual(await log.source.range(log.stream, { partition: 0, from: 0, to: 5, maxBytes: 1 << 20 }, whole), {
      next: 5,
      offsets: { first: 3, head: 6 },
    })
    assert.deepEqual([whole.offsets(), whole.losses], [[3, 4], []])

    const tail = new TailCollector()
    log.source.tail(log.stream, [0], tail)
    await settled()
    tail.assertWellFormed()
    assert.deepEqual(
      tail.losses.map(({ from, to, reason }) => [from, to, reason]),
      [
        [0, 0, 'retention'],
        [1, 2, 'retention'],
      ],
    )
    assert.deepEqual(tail.ends.get(0)?.offsets.first, 3)
    telling.resolve()
    await dropping
  })

  test('blocks that the disk failed to delete after a manual drop go with the next sweep', async (t) => {
    const log = await open(t)
    await log.publish(...thousands(6))
    await log.sweep()
    const { write } = log.disk
    log.disk.write = async function (batch) {
      if (batch.blocks.length > 0) throw new Error('I/O error')
      await write.call(this, batch)
    }
    await assert.rejects(log.source.dropBefore(log.stream, 0, 3))
    assert.deepEqual([await log.first(), log.bases()], [3, [0, 1, 2, 3, 4, 5]])
    log.disk.write = write
    await log.sweep()
    assert.deepEqual(log.bases(), [3, 4, 5])
  })

  test('a chunk ends where the following records were dropped meanwhile', async (t) => {
    const log = await open(t)
    await log.publish(...thousands(6))
    const range = new RangeCollector()
    const { record: keep } = RangeCollector.prototype
    let dropped = false
    range.record = (record) => {
      keep.call(range, record)
      if (dropped) return
      dropped = true
      const facts = new Map(log.disk.image.facts)
      facts.set(`bounds/${id}/0`, { base: 3, first: 3, head: 6, bytes: 0, timeMs: 0 })
      log.disk.image = { ...log.disk.image, facts }
      for (const base of [0, 1, 2]) log.disk.harm(id, 0, base, undefined)
    }
    const end = await log.source.range(log.stream, { partition: 0, from: 0, to: 6, maxBytes: 1 << 20 }, range)
    assert.deepEqual([range.offsets(), end], [[0], { next: 1, offsets: { first: 3, head: 6 } }])
  })
})
