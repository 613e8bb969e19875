import assert from 'node:assert/strict'
import test from 'node:test'
import { Pump, type Runnable } from '../../src/session/pump.ts'

/** A pump whose turns a test runs, on a clock that slices advance. */
class Bench {
  nowMs = 0
  readonly ran: string[] = []
  readonly pump = new Pump({
    turn: (task) => {
      this.#next = task
    },
    monotonicMs: () => this.nowMs,
  })
  #next: (() => void) | undefined

  /** Adds work of `slices` slices of `sliceMs` each. */
  work(name: string, slices: number, sliceMs: number): void {
    let left = slices
    const item: Runnable = {
      queued: false,
      run: () => {
        this.ran.push(name)
        this.nowMs += sliceMs
        return --left > 0
      },
    }
    this.pump.add(item)
  }

  /** Returns the items that ran. */
  turn(): string {
    this.ran.length = 0
    const task = this.#next
    this.#next = undefined
    task?.()
    return this.ran.join('')
  }
}

test('a turn ends after half a millisecond, even with items left, and these have the next turns', () => {
  const bench = new Bench()
  for (const name of ['a', 'b', 'c']) bench.work(name, 2, 0.3)
  assert.deepEqual([bench.turn(), bench.turn(), bench.turn(), bench.turn()], ['ab', 'ca', 'bc', ''])
})

test('a long slice ends its turn', () => {
  const bench = new Bench()
  bench.work('a', 1, 50)
  bench.work('b', 1, 0)
  assert.deepEqual([bench.turn(), bench.turn()], ['a', 'b'])
})

test('a turn is bounded in slices if the clock stands still, and no item is skipped', () => {
  const bench = new Bench()
  for (let i = 0; i < 5000; i++) bench.work('x', 1, 0)
  let ran = 0
  for (let turns = 0; turns < 5000 / 64; turns++) {
    const { length } = bench.turn()
    assert.ok(length <= 64)
    ran += length
  }
  assert.equal(ran, 5000)
  assert.equal(bench.pump.length, 0)
})

test('a round is over when everything queued has had a slice, and not before', () => {
  const bench = new Bench()
  for (const name of ['a', 'b', 'c']) bench.work(name, 9, 0.3)
  bench.pump.afterRound(() => bench.ran.push('!'))
  bench.work('d', 1, 0)
  assert.deepEqual([bench.turn(), bench.turn()], ['ab', 'c!da'])
})
