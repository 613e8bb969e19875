import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, test } from 'node:test'
import { maxLineBytes } from '../../src/cli/lines.ts'
import { payloadOf } from '../../src/cli/payload.ts'

const dir = mkdtempSync(join(tmpdir(), 'carillon-payload-'))
after(() => rmSync(dir, { recursive: true }))
const file = join(dir, 'bytes')
const payload = async (text: string, stdin: readonly Uint8Array[] = []) =>
  Buffer.from(await payloadOf(text, Readable.from(stdin)))

test('a payload is the argument itself, the content of a file, or all of stdin', async () => {
  writeFileSync(file, Buffer.from([0, 255, 10, 13]))
  assert.equal((await payload('open')).toString(), 'open')
  assert.deepEqual([...(await payload(`@${file}`))], [0, 255, 10, 13])
  assert.equal((await payload('@-', [Buffer.from('a\nb'), Buffer.from('\nc')])).toString(), 'a\nb\nc')
  assert.equal((await payload('@@home')).toString(), '@home')
})

test("a file that can't be read, and a payload that no gateway accepts, are refused by name", async () => {
  await assert.rejects(payload(`@${dir}/none`), {
    code: 'bad_request',
    message: /@.*none: expected a readable file .*@@/,
  })
  await assert.rejects(payload(`@${dir}`), { code: 'bad_request' })
  writeFileSync(file, '')
  truncateSync(file, maxLineBytes + 1)
  await assert.rejects(payload(`@${file}`), { code: 'bad_request', message: /at most 67108864 bytes/ })
  // Its reported size is 0, and it never ends.
  await assert.rejects(payload('@/dev/zero'), { code: 'bad_request', message: /zero: expected at most 67108864 bytes/ })
  const mib = Buffer.alloc(1 << 20)
  await assert.rejects(payload('@-', Array(65).fill(mib)), { code: 'bad_request', message: /@-: expected at most/ })
})
