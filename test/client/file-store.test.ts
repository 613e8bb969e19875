import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileStore } from '../../src/client/file-store.ts'

test('a file keeps positions for the next process, and is replaced as a whole', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'carillon-store-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'positions.json')
  const store = fileStore(path)
  assert.equal(store.load('a'), undefined)
  await store.save('a', 'T1')
  await store.save('b', 'T2')
  await store.save('a', 'T3')
  const again = fileStore(path)
  assert.deepEqual([again.load('a'), again.load('b'), again.load('c')], ['T3', 'T2', undefined])
  assert.deepEqual(readdirSync(folder), ['positions.json'])
  writeFileSync(path, '{"a": 1}')
  assert.throws(() => fileStore(path), /expected a JSON object of tokens/)
  writeFileSync(path, '{"a":')
  assert.throws(() => fileStore(path), SyntaxError)
})
