import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openEmbedded } from '../../src/source/embedded/open.ts'
import type { Source, StreamInfo } from '../../src/source/source.ts'
import { TailCollector } from '../source/collector.ts'
import { until } from '../support/until.ts'

const patienceMs = 10_000
const mountable = process.platform === 'linux' && process.getuid?.() === 0
const skip = mountable ? false : 'mounting a small file system needs root on Linux'

/** A file system of so many MiB, which ends with the test. */
function smallDisk(t: TestContext, mebibytes: number): { dir: string; resize(mebibytes: number): void } {
  const dir = mkdtempSync(join(tmpdir(), 'carillon-full-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', dir])
  t.after(() => {
    execFileSync('umount', ['--lazy', dir])
    rmSync(dir, { recursive: true })
  })
  return { dir, resize: (size) => execFileSync('mount', ['-o', `remount,size=${size}m`, dir]) }
}

const record = (letter: string) => ({ partition: 0, key: null, value: Buffer.alloc(100_000, letter) })

/** Publishes until the disk is full; returns how many records were acknowledged. */
async function fill(source: Source, stream: StreamInfo): Promise<number> {
  for (let n = 0; n < 1000; n++) {
    try {
      await source.publish(stream, [record('a')])
    } catch (error) {
      assert.equal((error as { code: string }).code, 'storage_full', String(error))
      return n
    }
  }
  return assert.fail('the disk did not get full')
}

test('a full disk refuses publishes, keeps what it acknowledged, and goes on when there is space', {
  skip,
}, async (t) => {
  const disk = smallDisk(t, 4)
  const unhandled: unknown[] = []
  const note = (error: unknown) => unhandled.push(error)
  process.on('unhandledRejection', note)
  t.after(() => process.off('unhandledRejection', note))
  // LMDB's binding prints each failed commit.
  t.mock.method(console, 'error', () => {})

  const dir = join(disk.dir, 'log')
  const source = await openEmbedded({ dir }, { log() {} })
  await source.create('stream', 1)
  const stream = (await source.describe('stream'))!
  const collector = new TailCollector()
  source.tail(stream, [0], collector)
  const acknowledged = await fill(source, stream)
  assert.ok(acknowledged > 10, `${acknowledged} records fit`)

  const refusals = await Promise.allSettled([1, 2, 3].map(() => source.publish(stream, [record('b')])))
  for (const refusal of refusals) {
    assert.equal(refusal.status, 'rejected')
    assert.equal(refusal.reason.code, 'storage_full')
    assert.match(refusal.reason.message, new RegExp(`free bytes .* ${dir}, found \\d+`))
  }
  await until('what was acknowledged is shown', patienceMs, () => collector.records.length === acknowledged)
  assert.deepEqual(await source.offsets(stream, 0), { first: 0, head: acknowledged })

  disk.resize(16)
  assert.deepEqual(await source.publish(stream, [record('c')]), [{ partition: 0, offset: acknowledged }])
  await until('the next record is shown', patienceMs, () => collector.records.length === acknowledged + 1)
  assert.equal(collector.values().at(-1)![0], 'c')
  collector.assertWellFormed()
  await source.close()

  const again = await openEmbedded({ dir }, { log() {} })
  assert.deepEqual(await again.offsets((await again.describe('stream'))!, 0), { first: 0, head: acknowledged + 1 })
  await again.close()
  assert.deepEqual(unhandled, [])
})

test('a full disk takes records again when retention dropped others', { skip }, async (t) => {
  const disk = smallDisk(t, 4)
  t.mock.method(console, 'error', () => {})
  const source = await openEmbedded({ dir: join(disk.dir, 'log') }, { log() {} })
  t.after(() => source.close())
  await source.create('stream', 1)
  const stream = (await source.describe('stream'))!
  const acknowledged = await fill(source, stream)
  await until('the older half is dropped', patienceMs, async () => {
    await source.dropBefore(stream, 0, Math.floor(acknowledged / 2))
    return true
  })
  const [ack] = await until('records are taken again', patienceMs, () => source.publish(stream, [record('d')]))
  assert.equal(ack!.offset, acknowledged)
})
