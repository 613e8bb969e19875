import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, type TestContext, test } from 'node:test'
import { type LoopClock, loopClock } from '../../src/base/clock.ts'
import { LmdbDisk } from '../../src/source/embedded/lmdb.ts'
import { openEmbedded } from '../../src/source/embedded/open.ts'
import { type EmbeddedOptions, embeddedDefaults } from '../../src/source/embedded/options.ts'
import type { EmbeddedSource } from '../../src/source/embedded/source.ts'
import { Store } from '../../src/source/embedded/store.ts'
import type { Source, StreamInfo } from '../../src/source/source.ts'
import { ManualClock } from '../model/clock.ts'
import { until } from '../support/until.ts'
import { RangeCollector, TailCollector } from './collector.ts'
import { conformance } from './conformance.ts'

const root = mkdtempSync(join(tmpdir(), 'carillon-embedded-'))
/** A busy host may take long: this only ends a test that waits in vain. */
const patienceMs = 30_000
const dirs = new Map<Source, string>()
let opened = 0
const freshDir = () => join(root, String(opened++))

async function openIn(dir: string): Promise<Source> {
  const source = await openEmbedded({ dir }, { log() {} })
  dirs.set(source, dir)
  return source
}

conformance(
  'embedded',
  {
    open: () => openIn(freshDir()),
    async reopen(source) {
      await source.close()
      return openIn(dirs.get(source)!)
    },
    delete: (source, stream) => (source as EmbeddedSource).delete(stream),
    retain: (source, stream, partition, from) => (source as EmbeddedSource).dropBefore(stream, partition, from),
    grow: (source, stream, partitions) => (source as EmbeddedSource).grow(stream, partitions),
  },
  { patienceMs },
)

interface Opened {
  readonly source: EmbeddedSource
  readonly dir: string
  readonly logged: string[]
}

/** Opens a source that is closed at the end of the test. */
async function openOwn(
  t: TestContext,
  options: Partial<EmbeddedOptions> = {},
  clock: LoopClock = loopClock(),
): Promise<Opened> {
  const dir = options.dir ?? freshDir()
  const logged: string[] = []
  const log = (_level: string, message: string) => logged.push(message)
  const source = await openEmbedded({ ...options, dir }, { log, clock })
  t.after(() => source.close())
  return { source, dir, logged }
}

async function created(source: Source, partitions = 1): Promise<StreamInfo> {
  await source.create('stream', partitions)
  return (await source.describe('stream'))!
}

const record = (value: string | Uint8Array, partition = 0) => ({ partition, key: null, value: Buffer.from(value) })

/** Publishes with one commit a record, so that each has a separate block. */
async function publishSingly(source: Source, stream: StreamInfo, values: readonly (string | Uint8Array)[]) {
  for (const value of values) await source.publish(stream, [record(value)])
}

/** Collects everything that a tail from offset 0 reports until it has read up to `head`. */
async function tailed(source: Source, stream: StreamInfo, head: number): Promise<TailCollector> {
  const collector = new TailCollector()
  const tail = source.tail(stream, [0], collector)
  await until(`${head} is read`, patienceMs, () => collector.ends.get(0)?.next === head)
  await tail.close()
  collector.assertWellFormed()
  return collector
}

/** Returns the contents of the store in `dir`, while no source is open on it. */
async function inspected<T>(dir: string, look: (store: Store) => T): Promise<Awaited<T>> {
  const store = new Store(new LmdbDisk(dir, loopClock()), loopClock())
  try {
    return await look(store)
  } finally {
    await store.close()
  }
}

const streamId = (store: Store) => store.streams()[0]![1].id
const bases = (store: Store, id = streamId(store)) => store.basesFrom(id, 0, 0, 1000)

describe('the embedded log', () => {
  after(() => rmSync(root, { recursive: true }))

  test('has every acknowledged record with its time after a reopen', async (t) => {
    const { source, dir } = await openOwn(t)
    const stream = await created(source)
    await publishSingly(source, stream, ['a', 'b', 'c'])
    const before = await tailed(source, stream, 3)
    await source.close()
    const { source: again } = await openOwn(t, { dir })
    assert.deepEqual((await tailed(again, stream, 3)).records, before.records)
  })

  test('closes only after earlier publishes are stored', async (t) => {
    const { source, dir } = await openOwn(t, { maxCommitBytes: 1 })
    const stream = await created(source)
    const publishes = ['a', 'b', 'c'].map((value) => source.publish(stream, [record(value)]))
    await source.close()
    assert.deepEqual(
      (await Promise.all(publishes)).map(([ack]) => ack!.offset),
      [0, 1, 2],
    )
    const { source: again } = await openOwn(t, { dir })
    assert.deepEqual((await tailed(again, stream, 3)).values(), ['a', 'b', 'c'])
  })

  test('refuses work after it was closed', async (t) => {
    const { source } = await openOwn(t)
    const stream = await created(source)
    await source.close()
    const closed = { code: 'broker_unavailable' }
    await assert.rejects(source.publish(stream, [record('a')]), closed)
    await assert.rejects(
      source.range(stream, { partition: 0, from: 0, to: 1, maxBytes: 100 }, new RangeCollector()),
      closed,
    )
    await assert.rejects(source.describe('stream'), closed)
    assert.throws(() => source.tail(stream, [0], new TailCollector()), closed)
  })

  test('collects publishes during a commit into one next commit', async (t) => {
    const { source, dir } = await openOwn(t)
    const stream = await created(source)
    const first = source.publish(stream, [record('first')])
    await Promise.resolve()
    const rest = Array.from({ length: 50 }, (_, i) => source.publish(stream, [record(`${i}`)]))
    await Promise.all([first, ...rest])
    await source.close()
    const blocks = await inspected(dir, bases)
    assert.ok(blocks.length <= 2, `${blocks.length} blocks for 51 publishes`)
  })

  test('refuses a publish that would exceed the queue limit, and accepts it later', async (t) => {
    const { source } = await openOwn(t, { maxQueuedBytes: 1000 })
    const stream = await created(source)
    const first = source.publish(stream, [record(new Uint8Array(900))])
    await assert.rejects(source.publish(stream, [record(new Uint8Array(200))]), { code: 'overloaded' })
    await first
    assert.deepEqual(await source.publish(stream, [record(new Uint8Array(200))]), [{ partition: 0, offset: 1 }])
  })

  test('stores a publish that is larger than a commit in one piece, and others after it', async (t) => {
    const { source } = await openOwn(t, { maxCommitBytes: 1000 })
    const stream = await created(source)
    const large = source.publish(
      stream,
      Array.from({ length: 10 }, () => record(new Uint8Array(300))),
    )
    const small = source.publish(stream, [record('after')])
    assert.equal((await large).at(-1)!.offset, 9)
    assert.deepEqual(await small, [{ partition: 0, offset: 10 }])
  })

  test('refuses a publish to a stream that is deleted before it is stored', async (t) => {
    const { source } = await openOwn(t)
    const stream = await created(source)
    const deletion = source.delete('stream')
    const publish = source.publish(stream, [record('late')])
    await assert.rejects(publish, { code: 'stream_missing' })
    await deletion
    assert.equal(await source.describe('stream'), undefined)
  })

  test('refuses partitions that the stream does not have', async (t) => {
    const { source } = await openOwn(t)
    const stream = await created(source, 2)
    await assert.rejects(source.publish(stream, [record('a', 2)]), {
      code: 'stream_missing',
      message: /below 2.*got 2/,
    })
    await assert.rejects(source.offsets(stream, -1), { code: 'stream_missing' })
  })

  test('refuses stream names and partition counts that it could not keep', async (t) => {
    const { source } = await openOwn(t)
    for (const name of ['', 'a/b', 'a b', 'x'.repeat(250)]) {
      await assert.rejects(source.create(name, 1), { code: 'bad_request' })
    }
    for (const partitions of [0, 1.5, 5000]) {
      await assert.rejects(source.create('stream', partitions), { code: 'bad_request' })
    }
  })

  test('gives records times that never go back, not even when the clock does or between two openings', async (t) => {
    let nowMs = 1000
    const clock: LoopClock = { ...loopClock(), nowUs: () => nowMs * 1000 + 999 }
    const { source, dir } = await openOwn(t, {}, clock)
    const stream = await created(source)
    for (const ms of [1000, 1005, 900, 1006]) {
      nowMs = ms
      await source.publish(stream, [record(String(ms))])
    }
    await source.close()
    nowMs = 500
    const { source: again } = await openOwn(t, { dir }, clock)
    await again.publish(stream, [record('500')])
    const { records } = await tailed(again, stream, 5)
    assert.deepEqual(
      records.map((r) => r.timeMs),
      [1000, 1005, 1005, 1006, 1006],
    )
    assert.equal(await again.offsetAt(stream, 0, 1005), 1)
    assert.equal(await again.offsetAt(stream, 0, 1006), 3)
    assert.equal(await again.offsetAt(stream, 0, 1007), 5)
  })

  test('finds a time within a block and never before the first retained offset', async (t) => {
    let nowMs = 1000
    const clock: LoopClock = { ...loopClock(), nowUs: () => nowMs * 1000 }
    const { source } = await openOwn(t, {}, clock)
    const stream = await created(source)
    const publishes: Promise<unknown>[] = []
    for (nowMs = 1000; nowMs < 1100; nowMs++) publishes.push(source.publish(stream, [record(String(nowMs))]))
    await Promise.all(publishes)
    assert.equal(await source.offsetAt(stream, 0, 1042), 42)
    assert.equal(await source.offsetAt(stream, 0, 1042.5), 43)
    await source.dropBefore(stream, 0, 60)
    assert.equal(await source.offsetAt(stream, 0, 1042), 60)
    assert.equal(await source.offsetAt(stream, 0, 1070), 70)
  })

  test('sweeps the blocks of a deleted stream, also one that was deleted before a reopen', async (t) => {
    const clock = new ManualClock()
    const { source, dir } = await openOwn(t, { sweepBlocks: 2 }, clock)
    const stream = await created(source, 2)
    await publishSingly(source, stream, ['a', 'b', 'c', 'd', 'e'])
    await source.delete('stream')
    await source.close()
    const id = await inspected(dir, (store) => store.doomed()[0]![0])
    assert.equal((await inspected(dir, (store) => bases(store, id))).length, 5)
    const { source: again } = await openOwn(t, { dir, sweepBlocks: 2 }, clock)
    const anew = await created(again)
    assert.deepEqual(await again.offsets(anew, 0), { first: 0, head: 0 })
    await clock.advance(embeddedDefaults.sweepIntervalMs)
    await again.close()
    await until('the blocks are gone', patienceMs, async () => {
      const { source: later } = await openOwn(t, { dir, sweepBlocks: 2 }, clock)
      await clock.advance(embeddedDefaults.sweepIntervalMs)
      await later.close()
      return inspected(dir, (store) => store.doomed().length === 0)
    })
    assert.deepEqual(await inspected(dir, (store) => bases(store, id)), [])
  })

  /** Writes three blocks of two records each; readers find what `harm` does to the middle one. */
  async function damaged(t: TestContext, harm: (block: Buffer) => Buffer | null) {
    const { source, dir } = await openOwn(t)
    const stream = await created(source)
    for (const pair of ['ab', 'cd', 'ef']) await source.publish(stream, [record(pair[0]!), record(pair[1]!)])
    await source.close()
    await inspected(dir, async (store) => {
      const id = streamId(store)
      const block = harm(Buffer.from(store.block(id, 0, 2)!))
      await store.commit((batch) => {
        if (block === null) batch.dropBlock(id, 0, 2)
        else batch.putBlock(id, 0, 2, block)
        return () => {}
      })
    })
    return { ...(await openOwn(t, { dir })), stream }
  }

  const harms: [string, (block: Buffer) => Buffer | null][] = [
    ['a flipped bit', (block) => Buffer.from(block.map((byte, i) => (i === block.length - 1 ? byte ^ 4 : byte)))],
    ['a cut', (block) => block.subarray(0, 20)],
    ['no block at all', () => null],
  ]
  for (const [what, harm] of harms) {
    test(`tells ${what} as corrupt with the exact bounds, and goes on behind it`, async (t) => {
      const { source, stream, logged } = await damaged(t, harm)
      const collector = await tailed(source, stream, 6)
      assert.deepEqual(collector.losses, [{ partition: 0, from: 2, to: 3, reason: 'corrupt' }])
      assert.deepEqual(collector.values(), ['a', 'b', 'e', 'f'])
      assert.equal(logged.length, 1)
      const range = new RangeCollector()
      const end = await source.range(stream, { partition: 0, from: 1, to: 5, maxBytes: 1 << 20 }, range)
      assert.deepEqual(range.losses, [{ from: 2, to: 3, reason: 'corrupt' }])
      assert.deepEqual(range.offsets(), [1, 4])
      assert.equal(end.next, 5)
    })
  }

  test('reports only the requested part of a damaged block as lost', async (t) => {
    const { source, stream } = await damaged(t, () => null)
    const range = new RangeCollector()
    await source.range(stream, { partition: 0, from: 3, to: 4, maxBytes: 1 << 20 }, range)
    assert.deepEqual(range.losses, [{ from: 3, to: 3, reason: 'corrupt' }])
  })

  for (const [bytes, most] of [
    [300, 15],
    [3000, 5],
  ] as const)
    test(`lets the event loop turn between batches of a long backlog of ${bytes} bytes each`, async (t) => {
      const { source } = await openOwn(t, { turnRecords: 10, blockBytes: 1000 })
      const stream = await created(source)
      await source.publish(
        stream,
        Array.from({ length: 100 }, () => record(new Uint8Array(bytes))),
      )
      const collector = new TailCollector()
      const sizes: number[] = []
      let shown = 0
      const { end } = TailCollector.prototype
      collector.end = (...told) => {
        end.apply(collector, told)
        sizes.push(collector.records.length - shown)
        shown = collector.records.length
      }
      source.tail(stream, [0], collector)
      await until('the backlog is read', patienceMs, () => collector.records.length === 100)
      assert.ok(Math.max(...sizes) < most, `batches of ${sizes.join(', ')} records`)
    })

  test('a busy partition does not starve another', async (t) => {
    const { source } = await openOwn(t, { turnRecords: 10, blockBytes: 1000 })
    const stream = await created(source, 2)
    const busy = Array.from({ length: 200 }, () => record(new Uint8Array(300)))
    await source.publish(stream, [...busy, record('other', 1)])
    const collector = new TailCollector()
    source.tail(stream, [0, 0], collector)
    await until('the other partition is read', patienceMs, () => collector.values(1).includes('other'))
    const before = collector.records.findIndex((r) => r.partition === 1)
    assert.ok(before < 50, `${before} records of the busy one came first`)
  })

  test('a chunk ends within a block when it is full', async (t) => {
    const { source } = await openOwn(t)
    const stream = await created(source)
    await source.publish(
      stream,
      Array.from({ length: 20 }, () => record(new Uint8Array(1000))),
    )
    const range = new RangeCollector()
    const { next } = await source.range(stream, { partition: 0, from: 2, to: 20, maxBytes: 2500 }, range)
    assert.deepEqual([range.offsets(), next], [[2, 3, 4], 5])
  })

  test('keeps offsets beyond 32 bits apart and in order', async () => {
    await inspected(freshDir(), async (store) => {
      const offsets = [5, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 5, 2 ** 45]
      await store.commit((batch) => {
        for (const [i, offset] of offsets.entries()) batch.putBlock(1, 2, offset, Buffer.from([i]))
        batch.putBlock(1, 3, 7, Buffer.from('other partition'))
        return () => {}
      })
      assert.deepEqual(store.basesFrom(1, 2, 0, 100), offsets)
      assert.equal(store.baseAtOrBelow(1, 2, 2 ** 32 + 4), 2 ** 32)
      assert.equal(store.baseAtOrBelow(1, 2, 4), undefined)
      assert.deepEqual([...store.block(1, 2, 2 ** 32 + 5)!], [3])
    })
  })

  test('a range requested from within a sink leaves the current record intact', async (t) => {
    const { source } = await openOwn(t)
    const stream = await created(source)
    await publishSingly(source, stream, ['aaaa', 'bbbb'])
    const ranged = new RangeCollector()
    const collector = new TailCollector()
    const { record: keep } = TailCollector.prototype
    const ranges: Promise<unknown>[] = []
    collector.record = (shown) => {
      ranges.push(
        source.range(stream, { partition: 0, from: 1, to: 2, maxBytes: 100 }, ranged),
        source.offsetAt(stream, 0, Date.now() + 1e6),
      )
      keep.call(collector, shown)
    }
    source.tail(stream, [0], collector)
    await until('both are shown', patienceMs, () => collector.records.length === 2)
    await Promise.all(ranges)
    assert.deepEqual(collector.values(), ['aaaa', 'bbbb'])
    assert.deepEqual(ranged.offsets(), [1, 1])
  })

  test('a directory that is already open is refused, naming it and the process', async (t) => {
    const { dir } = await openOwn(t)
    await assert.rejects(openEmbedded({ dir }, { log() {} }), {
      code: 'storage_locked',
      message: new RegExp(`${dir}.*process ${process.pid} `),
    })
  })

  test('a directory that cannot be created is refused by name', async () => {
    await assert.rejects(openEmbedded({ dir: '/dev/null/log' }, { log() {} }), {
      code: 'broker_unavailable',
      message: /\/dev\/null\/log/,
    })
  })
})
