import assert from 'node:assert/strict'
import test from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { shortened } from '../../src/base/shortened.ts'
import { RejectedRing } from '../../src/intake/rejected.ts'

const mib = 1 << 20

function heldBytes(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

test('a rejected record keeps only what is shown of it in memory, however large it was', () => {
  const ring = new RejectedRing(32)
  const before = heldBytes()
  for (let offset = 0; offset < 32; offset++) {
    const text = Buffer.alloc(mib, `key ${offset} `).toString()
    const detail = `its attribute ${shortened(text)} is none`
    ring.add({ stream: 's', partition: 0, offset, timeMs: 0, reason: 'no_subject', key: text.slice(0, 255), detail })
  }
  assert.ok(heldBytes() - before < 8 * mib)
  assert.deepEqual([ring.list()[0]!.key.slice(0, 14), ring.list()[0]!.key.length], ['key 31 key 31 ', 255])
  assert.equal(ring.list()[0]!.detail.slice(0, 24), 'its attribute key 31 key')
})
