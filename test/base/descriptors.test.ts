import assert from 'node:assert/strict'
import test from 'node:test'
import { keptDescriptors, mostKept, openFileLimits } from '../../src/base/descriptors.ts'

test('a process keeps a quarter of its open files, at most a thousand, and never less than it needs', () => {
  assert.equal(keptDescriptors(1024, 40), 256)
  assert.equal(keptDescriptors(20_000, 40), mostKept)
  assert.equal(keptDescriptors(Number.POSITIVE_INFINITY, 40), mostKept)
  assert.equal(keptDescriptors(300, 40), 136)
  assert.equal(keptDescriptors(20_000, 2000), 2096)
})

test('the limits of open files are read as the kernel writes them', () => {
  const line = (soft: string, hard: string) =>
    `Limit  Soft Limit  Hard Limit  Units\nMax open files   ${soft}   ${hard}   files\n`
  assert.deepEqual(openFileLimits(line('1024', '524288')), { soft: 1024, hard: 524_288 })
  assert.deepEqual(openFileLimits(line('1024', 'unlimited')), { soft: 1024, hard: Number.POSITIVE_INFINITY })
  assert.equal(openFileLimits('Max processes 1 1'), undefined)
})
