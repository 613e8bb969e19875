import assert from 'node:assert/strict'
import test from 'node:test'
import type { ChunkStart } from '../../src/fanout/chunk-load.ts'
import { Chunks } from '../../src/fanout/chunks.ts'
import type { Feeds } from '../../src/fanout/feeds.ts'
import type { PartitionFeed } from '../../src/fanout/partition-feed.ts'
import type { Window } from '../../src/log/window.ts'
import type { ReadBackOptions } from '../../src/session/options.ts'
import { ReadBack, type ReadBackWaiter } from '../../src/session/read-back.ts'
import { StreamInstruments } from '../../src/telemetry/instruments.ts'
import { ManualClock } from '../model/clock.ts'
import { quiet } from './harness.ts'

/** Number of offsets in one read. */
const perRead = 100
const readMs = 20

/**
 * Read-back of an endless log with reads that take time. A waiter moves from `next` to `until` by
 * the chunks that it gets.
 */
class Bench {
  readonly clock = new ManualClock()
  /** Start offset of each read. */
  readonly reads: number[] = []
  readonly instruments = new StreamInstruments('events')
  readonly readBack: ReadBack
  bytesPerRead = 1000
  failing = false
  readonly #feed = { stream: 'events', partition: 0, incarnationHash: 1, rewrites: 0, instruments: this.instruments }

  constructor(options: Partial<ReadBackOptions> = {}) {
    const load = async ({ from }: ChunkStart, window: Window): Promise<number> => {
      this.reads.push(from)
      await new Promise<void>((resolve) => this.clock.after(readMs, resolve))
      if (this.failing) throw new Error('the broker is away')
      window.start(from, -1)
      window.advance(from + perRead)
      return this.bytesPerRead
    }
    const limits = { chunkBytes: 1000, chunks: 1, concurrency: 2, ...options }
    const chunk = { payloadBytes: 4096, payloadSlabBytes: 4096, entries: 2, slabEntries: 2 }
    const { clock } = this
    const chunks = new Chunks(limits, chunk, { load } as unknown as Feeds, clock)
    this.readBack = new ReadBack(limits, chunks, { clock, logger: quiet })
  }

  wait(from: number, until: number): { next: number } {
    const { readBack } = this
    const go = (): void => {
      for (;;) {
        const chunk = readBack.find(waiter.feed, waiter.next)
        if (chunk === undefined || waiter.next >= until) break
        waiter.next = chunk.head
      }
      if (waiter.next < until) readBack.want(waiter)
    }
    const feed = this.#feed as unknown as PartitionFeed
    // If the chunk does not help, its turn comes later.
    const resume = () => (this.failing ? void this.clock.after(0, go) : go())
    const waiter = { feed, next: from, resume, passTo() {} } satisfies ReadBackWaiter
    go()
    return waiter
  }
}

const upTo = (from: number, to: number) => {
  const froms = []
  for (let at = from; at < to; at += perRead) froms.push(at)
  return froms
}

test('a sweep continues upwards, and waiters that arrive below it get the next one', async () => {
  const bench = new Bench()
  bench.wait(1000, 3000)
  await bench.clock.advance(200)
  const before = bench.reads.length
  bench.wait(0, 500)
  await bench.clock.advance(1000)
  assert.ok(before > 5)
  assert.deepEqual(bench.reads, [...upTo(1000, 3000), ...upTo(0, 500)])
})

test('waiters that arrive below a sweep that has just begun are served by it', async () => {
  const bench = new Bench()
  bench.wait(1000, 2000)
  await bench.clock.advance(25)
  bench.wait(0, 2000)
  await bench.clock.advance(1000)
  assert.deepEqual(bench.reads, [1000, 1100, ...upTo(0, 2000)])
})

test('a crowd that keeps arriving has a sweep a second, and a single waiter does not wait', async () => {
  const readsOf = async (clients: number) => {
    const bench = new Bench()
    for (let i = 0; i < clients; i++) {
      bench.wait(0, 300)
      await bench.clock.advance(2000 / clients)
    }
    const { length } = bench.reads
    await bench.clock.advance(1500)
    assert.equal(bench.instruments.readBackWaiting, 0)
    return length
  }
  const [few, many] = [await readsOf(20), await readsOf(2000)]
  assert.ok(few > 50, `${few} reads for twenty clients, a tenth of a second after each other: each has its own`)
  assert.ok(
    many > 10 && many < 30,
    `${many} reads for two thousand: two or three sweeps, whose first reads are for who comes`,
  )
})

test('the next read is for a waiter that has waited for two seconds, and the sweep continues from there', async () => {
  const bench = new Bench()
  bench.wait(1000, 100_000)
  await bench.clock.advance(500)
  const late = bench.wait(0, 500)
  await bench.clock.advance(1900)
  assert.equal(late.next, 0)
  await bench.clock.advance(300)
  assert.equal(late.next, 500)
  const at = bench.reads.indexOf(0)
  assert.deepEqual(bench.reads.slice(at, at + 5), upTo(0, 500))
  assert.ok(bench.reads[at + 5]! > 5000, 'and then on, where it was')
})

test('a read is charged its actual bytes, not its maximum', async () => {
  const bench = new Bench({ bytesPerSecond: 1000 })
  bench.bytesPerRead = 100
  bench.wait(0, 100_000)
  await bench.clock.advance(10_000)
  const { length } = bench.reads
  assert.ok(length > 95 && length < 125, `${length} reads of 100 bytes in ten seconds of 1,000 bytes and one saved up`)
})

test('a read that fails is charged nothing', async () => {
  const bench = new Bench({ bytesPerSecond: 1000 })
  bench.failing = true
  bench.wait(0, 100_000)
  await bench.clock.advance(10_000)
  const { length } = bench.reads
  assert.ok(length > 15, `${length} reads in ten seconds, with half a second after each`)
})
