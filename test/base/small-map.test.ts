import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SmallMap } from '../../src/base/small-map.ts'

const step = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constantFrom('set', 'delete'), fc.nat(3)) },
  { weight: 1, arbitrary: fc.constant(['clear', 0] as const) },
)

test('a small map behaves like a Map after any changes', () => {
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const [few, map] = [new SmallMap<number, string>(), new Map<number, string>()]
      for (const [i, [what, key]] of steps.entries()) {
        for (const each of [few, map]) {
          if (what === 'set') each.set(key, `${i}`)
          else if (what === 'delete') each.delete(key)
          else each.clear()
        }
        assert.deepEqual([[...few.keys()], [...few.values()], few.size], [[...map.keys()], [...map.values()], map.size])
        for (const other of [0, 1, 2, 3]) {
          assert.deepEqual([few.get(other), few.has(other)], [map.get(other), map.has(other)])
        }
      }
    }),
  )
})
