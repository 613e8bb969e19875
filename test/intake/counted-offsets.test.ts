import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { CountedOffsets } from '../../src/intake/counted-offsets.ts'

/** A model of `CountedOffsets`: a set of offsets. */
class Offsets {
  readonly all = new Set<number>()
  tailFrom = Number.POSITIVE_INFINITY

  add(from: number, to: number): void {
    for (let offset = from; offset < to; offset++) this.all.add(offset)
  }

  has(offset: number): boolean {
    return offset >= this.tailFrom || this.all.has(offset)
  }
}

const offset = fc.integer({ min: 0, max: 60 })
const step = fc.oneof(
  fc.record({ kind: fc.constant('add' as const), from: offset, to: offset }),
  fc.record({ kind: fc.constant('tail' as const), from: offset }),
  fc.record({ kind: fc.constant('ends' as const), to: offset }),
  fc.record({ kind: fc.constant('rewritten' as const), from: offset }),
)

test('an offset is counted once its stretch was read or the tail reads there, until the log is rewritten from below it', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const judged = new CountedOffsets()
      const model = new Offsets()
      for (const each of steps) {
        if (each.kind === 'add') {
          judged.add(each.from, each.to)
          model.add(each.from, each.to)
        } else if (each.kind === 'tail') {
          judged.tailFrom = each.from
          model.tailFrom = each.from
        } else if (each.kind === 'ends') {
          judged.tailEnds(each.to)
          model.add(model.tailFrom, each.to)
          model.tailFrom = Number.POSITIVE_INFINITY
        } else {
          judged.rewritten(each.from)
          for (const offset of [...model.all]) if (offset >= each.from) model.all.delete(offset)
          model.tailFrom = Math.min(model.tailFrom, each.from)
        }
        for (let at = 0; at <= 61; at++) assert.equal(judged.has(at), model.has(at), `offset ${at}`)
      }
    }),
  )
})

test('beyond the maximum, the shortest stretches are forgotten', () => {
  const judged = new CountedOffsets()
  for (let i = 0; i < 64; i++) judged.add(100 * i, 100 * i + 10)
  judged.add(10_000, 10_001)
  assert.equal(judged.has(10_000), false)
  judged.add(20_000, 20_050)
  assert.equal(judged.has(20_049), true)
  const left = Array.from({ length: 64 }, (_, i) => judged.has(100 * i)).filter((has) => has)
  assert.equal(left.length, 63)
})
