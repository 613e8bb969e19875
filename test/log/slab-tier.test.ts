import assert from 'node:assert/strict'
import test from 'node:test'
import { SlabQueue } from '../../src/log/slab-queue.ts'
import { type SlabHolder, SlabTier } from '../../src/log/slab-tier.ts'

/** A window that only fills slabs. */
class Filler implements SlabHolder {
  readonly slabs = new SlabQueue()
  isSealed = false
  gaveUp = 0
  readonly #tier: SlabTier

  constructor(tier: SlabTier) {
    this.#tier = tier
    tier.join(this)
  }

  /** Starts another slab; the previous one is full. */
  next(nowMs: number): void {
    const slab = this.#tier.take(this, nowMs)
    this.slabs.push(slab, this.slabs.first + this.slabs.count)
  }

  giveUpOldest(): void {
    this.gaveUp++
    this.#tier.giveBack(this.slabs.shift())
  }
}

test('the slab that was filled first is taken, not the one that was opened first', () => {
  const tier = new SlabTier(4)
  const [slow, quick] = [new Filler(tier), new Filler(tier)]
  slow.next(0)
  quick.next(1)
  quick.next(5)
  slow.next(10)
  slow.next(20)
  assert.deepEqual([slow.gaveUp, quick.gaveUp, tier.taken], [0, 1, 1])
})

test('a slab that is being filled is spared while another window has more than one', () => {
  const tier = new SlabTier(3)
  const [slow, quick] = [new Filler(tier), new Filler(tier)]
  slow.next(0)
  for (let nowMs = 1; nowMs < 10; nowMs++) quick.next(nowMs)
  assert.deepEqual([slow.gaveUp, quick.gaveUp], [0, 7])
})

test('where each window has one slab only, a window without slabs takes the oldest', () => {
  const tier = new SlabTier(2)
  const [first, second, third] = [new Filler(tier), new Filler(tier), new Filler(tier)]
  first.next(0)
  second.next(1)
  third.next(2)
  assert.deepEqual([first.gaveUp, second.gaveUp, third.slabs.count], [1, 0, 1])
})

test('the newest slab of a window that is added to no more is taken as any other', () => {
  for (const isSealed of [false, true]) {
    const tier = new SlabTier(3)
    const [old, busy] = [new Filler(tier), new Filler(tier)]
    old.next(0)
    old.isSealed = isSealed
    for (const nowMs of [1, 2, 3]) busy.next(nowMs)
    assert.deepEqual([old.gaveUp, busy.gaveUp], isSealed ? [1, 0] : [0, 1])
  }
})
