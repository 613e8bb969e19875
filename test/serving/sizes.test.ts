import assert from 'node:assert/strict'
import test from 'node:test'
import { WindowPool } from '../../src/log/window-pool.ts'
import { chunkSizes, windowPool } from '../../src/serving/sizes.ts'
import { readBackDefaults } from '../../src/session/options.ts'

const mib = 1 << 20
const readBack = { ...readBackDefaults, cacheBytes: 64 * mib }

test('window budgets become whole slabs: of 1024 records, and large enough for any event', () => {
  const budgets = { payloadBytes: 512 * mib, indexBytes: 512 * mib }
  const epochs = windowPool(budgets, 1_000_000, 'ranges')
  assert.deepEqual([epochs.payloadSlabBytes, epochs.slabEntries, epochs.entries], [mib, 1024, 16 * mib])
  assert.equal(windowPool(budgets, 1_000_000, 'times').entries, Math.floor((512 * mib) / 36))
  assert.equal(windowPool(budgets, mib, 'ranges').payloadSlabBytes, 2 * mib)
})

test('a small pool has the slabs that it is given', () => {
  const small = { payloadBytes: 4096, indexBytes: 64 * 32, payloadSlabBytes: 1024, slabEntries: 8 }
  const { payload, index } = new WindowPool(windowPool(small, 512, 'ranges')).figures()
  assert.deepEqual([payload.limitBytes, index.limitBytes], [4096, 64 * 32])
})

test('a read-back chunk holds the result of one read, at least the largest event, in one slab of each tier', () => {
  const { options, pool } = chunkSizes(readBack, 1_000_000, 'times')
  assert.deepEqual([options.chunkBytes, options.chunks], [mib, 36])
  assert.deepEqual([pool.payloadBytes, pool.entries], [1.25 * mib + 65_536, 8192])
  assert.deepEqual([pool.payloadSlabBytes, pool.slabEntries], [pool.payloadBytes, pool.entries])
  assert.equal(pool.generations, 'times')
  const large = chunkSizes({ ...readBack, chunkBytes: 65_536 }, 8 * mib, 'ranges')
  assert.equal(large.options.chunkBytes, 8 * mib)
  assert.ok(large.pool.payloadBytes > 8 * mib)
})

test('all chunks, kept and being read, payloads and index, stay within their memory', () => {
  for (const generations of ['ranges', 'times'] as const) {
    for (const [cacheMiB, chunkBytes, concurrency] of [
      [64, mib, 4],
      [64, 65_536, 4],
      [1024, 8 * mib, 32],
    ] as const) {
      const cacheBytes = cacheMiB * mib
      const { options, pool } = chunkSizes({ ...readBack, cacheBytes, chunkBytes, concurrency }, 65_536, generations)
      const { payload, index } = new WindowPool(pool).figures()
      const chunk = payload.limitBytes + index.limitBytes
      const taken = (options.chunks + concurrency) * chunk
      assert.ok(taken <= cacheBytes && taken > cacheBytes - chunk, `${taken} bytes of ${cacheBytes}`)
    }
  }
})

test('there are at least two chunks, however small their memory', () => {
  assert.equal(chunkSizes({ ...readBack, cacheBytes: 0 }, 1024, 'ranges').options.chunks, 2)
})

test('explicit floors make a chunk as small as a test needs', () => {
  const floors = { chunkBytes: 0, entries: 32, payloadBytes: 1375, chunks: 4 }
  const { options, pool } = chunkSizes({ ...readBack, chunkBytes: 300, cacheBytes: 0, floors }, 1024, 'ranges')
  assert.deepEqual([options.chunkBytes, options.chunks, pool.payloadBytes, pool.entries], [300, 4, 1375, 32])
})
