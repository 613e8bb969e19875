import assert from 'node:assert/strict'
import test from 'node:test'
import { Chains } from '../../src/log/chains.ts'
import { EntryArena } from '../../src/log/entry-arena.ts'

test('dropped entries leave nothing in the table of newest entries, where they would use up places', () => {
  const allocated: ArrayBuffer[] = []
  const arena = new EntryArena({ entries: 16, slabEntries: 4, withTimes: false }, (bytes) => {
    const memory = new ArrayBuffer(bytes)
    allocated.push(memory)
    return memory
  })
  const table = new Uint32Array(allocated.at(-1)!)
  const chains = new Chains(arena)
  const hashOf = (subject: number) => Math.imul(subject, 0x9e3779b1) >>> 0
  for (let ordinal = 0; ordinal < 16; ordinal++) {
    if (!chains.isOpen) chains.open(ordinal / 4, 0)
    chains.add(ordinal, hashOf(ordinal % 8), 0)
  }
  for (const [ordinal, subjects] of [
    [8, 8],
    [11, 5],
    [16, 0],
  ] as const) {
    chains.dropBelow(ordinal)
    assert.equal(table.filter((place) => place !== 0).length, subjects)
  }
})
