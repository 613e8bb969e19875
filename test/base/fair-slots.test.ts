import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FairSlots, type SlotHolder } from '../../src/base/fair-slots.ts'
import { ManualClock } from '../model/clock.ts'

const silentMs = 100

function places(size: number) {
  const clock = new ManualClock()
  const all = new FairSlots(size, silentMs, clock)
  const evicted: SlotHolder[] = []
  const place = (address: string): SlotHolder => {
    const own = { address, evicted: () => void evicted.push(own) }
    return own
  }
  const take = (address: string, count = 1) => Array.from({ length: count }, () => all.take(place(address)))
  return { clock, all, evicted, place, take }
}

test('when all slots are taken, an active holder keeps its slot, and its address gets no other', () => {
  const { all, evicted, take } = places(3)
  assert.deepEqual(take('192.0.2.1', 4), [true, true, true, false])
  assert.equal(all.taken, 3)
  assert.deepEqual(evicted, [])
})

test('the holder silent for longest gives way, to its own address only after the silence limit', async () => {
  const { all, clock, evicted, place, take } = places(2)
  const [first, second] = [place('192.0.2.1'), place('192.0.2.1')]
  all.take(first)
  await clock.advance(10)
  all.take(second)
  await clock.advance(10)
  all.heard(first)
  await clock.advance(silentMs - 11)
  assert.deepEqual(take('192.0.2.1'), [false])
  await clock.advance(1)
  assert.deepEqual(take('192.0.2.1'), [true])
  assert.deepEqual(evicted, [second])
  assert.equal(all.taken, 2)
})

test('an address that would still have fewer slots than another gets one at once', () => {
  const { evicted, take } = places(4)
  take('192.0.2.1', 4)
  assert.deepEqual(take('192.0.2.2', 3), [true, true, false])
  assert.deepEqual(
    evicted.map(({ address }) => address),
    ['192.0.2.1', '192.0.2.1'],
  )
})

test('the addresses of one IPv6 network share a count', () => {
  const { evicted, take } = places(3)
  take('2001:db8::1')
  take('2001:db8::2')
  take('192.0.2.1')
  assert.deepEqual(take('2001:db8::3'), [false])
  assert.deepEqual(evicted, [])
  assert.deepEqual(take('2001:db8:0:1::1'), [true])
  assert.equal(evicted.length, 1)
})

test('a holder that left or was evicted is not counted twice', () => {
  const { all, place, take } = places(2)
  const one = place('192.0.2.1')
  all.take(one)
  all.leave(one)
  all.leave(one)
  all.heard(one)
  assert.equal(all.taken, 0)
  assert.deepEqual(take('192.0.2.1', 3), [true, true, false])
})
