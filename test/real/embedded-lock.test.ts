import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { openEmbedded } from '../../src/source/embedded/open.ts'
import type { StreamInfo } from '../../src/source/source.ts'
import { RangeCollector } from '../source/collector.ts'

function freshDir(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'carillon-lock-'))
  t.after(() => rmSync(dir, { recursive: true }))
  return dir
}

/** Another process that opens the log in `dir`, publishes records one by one and prints each acknowledged offset. */
async function publisher(t: TestContext, dir: string): Promise<{ child: ChildProcess; offsets: number[] }> {
  const script = `
    import { openEmbedded } from ${JSON.stringify(resolve('src/source/embedded/open.ts'))}
    const source = await openEmbedded({ dir: ${JSON.stringify(dir)} }, { log() {} })
    await source.create('stream', 1)
    const stream = await source.describe('stream')
    for (let n = 0; ; n++) {
      const [ack] = await source.publish(stream, [{ partition: 0, key: null, value: Buffer.from('value ' + n) }])
      console.log(ack.offset)
    }`
  const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  const offsets: number[] = []
  const lines = createInterface({ input: child.stdout! })
  lines.on('line', (line) => offsets.push(Number(line)))
  await once(lines, 'line')
  return { child, offsets }
}

test('a log that another process has open is refused, naming the directory and the process', async (t) => {
  const dir = freshDir(t)
  const { child } = await publisher(t, dir)
  for (let attempt = 0; attempt < 2; attempt++) {
    await assert.rejects(openEmbedded({ dir }, { log() {} }), {
      code: 'storage_locked',
      message: new RegExp(`${dir}.*process ${child.pid} `),
    })
  }
})

test('a killed process leaves no lock, and every record that was acknowledged to it', async (t) => {
  const dir = freshDir(t)
  const { child, offsets } = await publisher(t, dir)
  child.kill('SIGKILL')
  await once(child, 'close')
  const source = await openEmbedded({ dir }, { log() {} })
  t.after(() => source.close())
  const stream = (await source.describe('stream')) as StreamInfo
  const { head } = await source.offsets(stream, 0)
  assert.ok(head > offsets.at(-1)!, `head ${head} after offset ${offsets.at(-1)}`)
  const range = new RangeCollector()
  for (let next = 0; next < head; )
    next = (await source.range(stream, { partition: 0, from: next, to: head, maxBytes: 1 << 20 }, range)).next
  assert.deepEqual(range.losses, [])
  assert.deepEqual(
    range.records.map((record) => record.value),
    Array.from({ length: head }, (_, n) => `value ${n}`),
  )
})
