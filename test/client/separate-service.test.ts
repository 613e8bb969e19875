import assert from 'node:assert/strict'
import { test } from 'node:test'
import { growthPosition, logOf } from '../../src/wire/token.ts'
import { at, delivery, following, gap, log, token } from './following.ts'

test('a renewed position advances it where it is live and known, and nowhere else', () => {
  const { followed, separate } = following('a', at(3))
  separate.stands(at(7))
  assert.equal(followed.resumePoint.at(at(0))?.offset, 3, 'it is not live yet')
  separate.becameLive()
  separate.stands(at(7), at(9, 4))
  assert.deepEqual(followed.resumePoint.positions, [at(7)])
  separate.stands(at(5))
  assert.deepEqual(followed.resumePoint.positions, [at(7)], 'never back')
})

test('events without refs are for it once it is live, and advance it where they do not match', () => {
  const { told, offsets, separate } = following('a', at(3))
  separate.delivery(delivery('a', 4))
  assert.equal(separate.becameLive(), 'live')
  separate.delivery(delivery('b', 7))
  assert.deepEqual(offsets(), [[0, 8]])
  separate.delivery(delivery('a', 7))
  separate.delivery(delivery('a', 8))
  separate.delivery(delivery('b', 1, 5))
  assert.deepEqual(told, ['live', 8])
  assert.deepEqual(offsets(), [[0, 9]])
})

test('in several partitions, frames without refs from before `live` are delivered then, in order, unless they came with a ref', () => {
  const { told, take, separate } = following('a.*', at(0, 0), at(0, 1))
  separate.delivery(delivery('a.x', 10, 0))
  take(delivery('a.x', 4, 1))
  separate.delivery(delivery('a.x', 9, 1))
  // Still behind in partition 1: its reader delivers offset 9 itself.
  take(delivery('a.x', 9, 1))
  separate.delivery(delivery('b.x', 11, 0))
  separate.delivery(delivery('a.x', 12, 0))
  assert.equal(separate.becameLive(), 'live')
  assert.deepEqual(told, [4, 9, 10, 12, 'live'])
})

test('a gap without refs from before `live` is delivered then, where the position is below it', () => {
  const { told, take, separate } = following('a.*', at(0, 0), at(0, 1))
  separate.gap(gap({ reason: 'retention', after: token(at(8, 0)) }))
  take(delivery('a.x', 20, 1))
  separate.gap(gap({ reason: 'retention', partition: 1, after: token(at(8, 1)) }))
  separate.becameLive()
  assert.deepEqual(told, [20, 'retention', 'live'])
})

test('more frames than it can hold before `live` are requested again', () => {
  const { followed, told, offsets, separate } = following('a.*', at(0, 0), at(0, 1))
  for (let offset = 0; offset < 300; offset++) separate.delivery(delivery('a.x', offset, 0))
  assert.equal(separate.becameLive(), 'again')
  assert.deepEqual(told, [])
  assert.deepEqual(offsets(), [
    [0, 0],
    [1, 0],
  ])
  assert.equal(followed.live, false)
})

/** More frames than it can hold, in partition 0, from the offset on. */
function discard({ separate }: ReturnType<typeof following>, from: number): void {
  for (let offset = from; offset < from + 300; offset++) separate.delivery(delivery('a.x', offset))
}

/** A gap for what the main reader left out. */
const leftOut = (offset: number, partition = 0, own = log) =>
  gap({ reason: 'ttl', partition, from: offset, to: offset, after: token(at(offset + 1, partition, own, 1)) })

test('a frame with a ref does not move the position past discarded frames', () => {
  const each = following('a.*', at(5, 0), at(0, 1))
  const { told, offsets, separate } = each
  separate.named(delivery('a.x', 5))
  discard(each, 100)
  separate.gapNamed(leftOut(402))
  separate.named(delivery('a.x', 403))
  separate.gapNamed(leftOut(7, 1))
  assert.deepEqual(told, [5, 'ttl'], 'of the other partition')
  assert.deepEqual(offsets(), [
    [0, 6],
    [1, 8],
  ])
  assert.equal(separate.becameLive(), 'again')
})

test('its own reader delivers discarded frames with the ref, until it joins the main reader', () => {
  const each = following('a.*', at(5, 0), at(0, 1))
  const { told, offsets, separate } = each
  discard(each, 100)
  separate.named(delivery('a.x', 50))
  separate.named(delivery('a.x', 100))
  separate.gapNamed(leftOut(101))
  separate.named(delivery('a.x', 399))
  separate.delivery(delivery('a.x', 400))
  separate.gapNamed(leftOut(401))
  assert.deepEqual(told, [50, 100, 'ttl', 399])
  assert.deepEqual(offsets().sort(), [
    [0, 400],
    [1, 0],
  ])
})

test('nothing below its position is missing, also where a discarded gap starts there', () => {
  const each = following('a.*', at(500, 0), at(0, 1))
  const { told, separate } = each
  discard(each, 100)
  separate.named(delivery('a.x', 600))
  separate.gap(gap({ reason: 'retention', from: 100, to: 700, after: token(at(701)) }))
  separate.gapNamed(gap({ reason: 'retention', from: 601, to: 700, after: token(at(701)) }))
  separate.named(delivery('a.x', 701))
  assert.deepEqual(told, [600, 'retention', 701])
})

test('after a discarded gap that leads back, no frame with a ref is taken before that gap', () => {
  for (const [reason, own] of [
    ['rewritten', log],
    ['recreated', logOf('events', 'second')],
  ] as const) {
    const each = following('a.*', at(50, 0), at(0, 1))
    const { told, separate } = each
    discard(each, 100)
    const back = gap({ reason, from: 20, after: token(at(20, 0, own, 1)) })
    separate.gap(back)
    separate.gapNamed(leftOut(50, 0, own))
    separate.gapNamed(leftOut(30, 0, own))
    assert.deepEqual(told, [])
    separate.gapNamed(back)
    separate.gapNamed(leftOut(30, 0, own))
    assert.deepEqual(told, [reason, 'ttl'])
  }
})

test('after a gap that leads back, lower offsets are new again', () => {
  const { told, offsets, separate } = following('a', at(0))
  separate.becameLive()
  separate.delivery(delivery('a', 9))
  separate.gap(gap({ reason: 'rewritten', from: 5, to: 9, after: token(at(5)) }))
  assert.deepEqual(offsets(), [[0, 5]])
  separate.delivery(delivery('a', 5))
  separate.delivery(delivery('a', 5))
  assert.deepEqual(told, ['live', 9, 'rewritten', 5])
})

test('a re-created log replaces the positions of the previous one', () => {
  const second = logOf('events', 'second')
  const { followed, separate } = following('a', at(50))
  separate.gapNamed(gap({ reason: 'recreated', from: 50, after: token(at(0, 0, second)) }))
  assert.deepEqual(followed.resumePoint.positions, [at(0, 0, second)])
})

test('a subscription whose partitions changed is behind until it receives `live` again', () => {
  const { told, take, separate } = following('a.*', at(0, 0))
  separate.becameLive()
  separate.gapNamed(gap({ reason: 'repartitioned', from: 5, partition: 4, after: token(at(5, 4)) }))
  separate.delivery(delivery('a.b', 90, 4))
  separate.delivery(delivery('a.b', 3, 0))
  take(delivery('a.c', 6, 4))
  separate.becameLive()
  assert.deepEqual(told, ['live', 'repartitioned', 6, 90, 3, 'live'])
})

test('a frame with a ref releases the held frames without refs below it', () => {
  const { told, separate } = following('a', at(3), at(0, 1))
  separate.delivery(delivery('a', 3))
  separate.delivery(delivery('a', 9))
  separate.gapNamed(gap({ reason: 'ttl', from: 5, to: 5, refs: [1], after: token(at(6)) }))
  assert.deepEqual(told, [3, 'ttl'])
  separate.becameLive()
  assert.deepEqual(told, [3, 'ttl', 'live'], 'its own reader brings the ninth by name')
})

test('a frame with a ref shows that held frames without refs from its offset on were not for it', () => {
  for (const byName of ['delivery', 'gap'] as const) {
    const { told, separate } = following('a', at(3), at(0, 1))
    separate.delivery(delivery('a', 9))
    if (byName === 'delivery') separate.named(delivery('a', 4))
    else separate.gapNamed(gap({ reason: 'ttl', from: 4, to: 4, refs: [1], after: token(at(5)) }))
    separate.becameLive()
    const first = byName === 'delivery' ? 4 : 'ttl'
    assert.deepEqual(told, [first, 'live'])
    separate.delivery(delivery('a', 6))
    assert.deepEqual(told, [first, 'live', 6], 'the log was rewritten below the ninth')
  }
})

test('a gap without refs that leads back to the offset of a frame with a ref is delivered before that frame', () => {
  for (const [reason, own] of [
    ['rewritten', log],
    ['recreated', logOf('events', 'second')],
  ] as const) {
    const { told, separate } = following('a', at(9), at(0, 1))
    const from = reason === 'rewritten' ? 4 : 0
    separate.gap(gap({ reason, from, after: token(at(from, 0, own, 1)) }))
    const after = token(at(from + 1, 0, own, 1))
    separate.gapNamed(gap({ reason: 'ttl', from, to: from, refs: [1], after }))
    separate.becameLive()
    assert.deepEqual(told, [reason, 'ttl', 'live'])
  }
})

test('held frames of a rewritten history do not set its position once it is live', () => {
  const { told, offsets, separate } = following('a', at(3), at(0, 1))
  separate.delivery(delivery('a', 9))
  separate.gap(gap({ reason: 'rewritten', from: 5, to: 9, after: token(at(5, 0, log, 1)) }))
  separate.becameLive()
  assert.deepEqual(told, [9, 'rewritten', 'live'])
  assert.deepEqual(offsets().sort(), [
    [0, 5],
    [1, 0],
  ])
})

test('a gap of a reader that was further ahead does not carry it along', () => {
  const { told, offsets, separate } = following('a', at(3), at(0, 1))
  separate.gap(gap({ reason: 'ttl', from: 4, to: 4, after: token(at(20)) }))
  separate.named(delivery('a', 7))
  assert.deepEqual(told, ['ttl', 7])
  assert.deepEqual(offsets(), [
    [1, 0],
    [0, 8],
  ])
  separate.delivery(delivery('a', 12))
  separate.becameLive()
  assert.deepEqual(told, ['ttl', 7, 12, 'live'])
})

test('frames without refs are not for it in a partition without a position', () => {
  const { told, offsets, separate } = following('a', at(3))
  separate.becameLive()
  separate.gap(gap({ reason: 'rewritten', from: 0, to: 0, partition: 1, after: token(at(0, 1)) }))
  separate.delivery(delivery('a', 5, 1))
  assert.deepEqual([told, offsets()], [['live'], [[0, 3]]])
})

test('a gap without refs, in a partition that its subject has left, only advances its position there', () => {
  for (const reason of ['retention', 'budget', 'ttl', 'corrupt'] as const) {
    const { followed, told, separate } = following('a', at(4), at(0, 3))
    separate.becameLive()
    const tell = (to: number) =>
      separate.gap(gap({ reason, from: 2, to, after: token({ ...at(to + 1), generation: -1 }) }))
    for (const to of [2, 3]) tell(to)
    assert.deepEqual(followed.resumePoint.at(at(0)), at(4), reason)
    tell(4)
    assert.equal(followed.resumePoint.at(at(0))?.offset, 5, reason)
    assert.deepEqual(told, ['live', reason])
  }
})

test('a gap without refs that leads to its position or beyond does not move it', () => {
  const fresh = logOf('events', 'second')
  for (const [back, own] of [
    [gap({ reason: 'rewritten', from: 7, to: 9, after: token(at(7)) }), at(4)],
    [gap({ reason: 'recreated', from: 9, after: token(at(0, 0, fresh)) }), at(4, 0, fresh)],
  ] as const) {
    const { followed, told, separate } = following('a', own, at(0, 3))
    separate.becameLive()
    separate.gap(back)
    assert.deepEqual([followed.resumePoint.at(own), told], [own, ['live']], back.reason)
  }
})

test('held frames of a log that is gone are not delivered after the gap that reports its end', () => {
  const { told, separate } = following('a.*', at(0), at(0, 1))
  separate.delivery(delivery('a.x', 3))
  separate.delivery(delivery('a.y', 4, 1))
  const fresh = logOf('events', 'second')
  separate.gapNamed(gap({ reason: 'recreated', from: 0, after: token(at(0, 0, fresh)), refs: [1] }))
  separate.gapNamed(gap({ reason: 'rewritten', partition: 1, from: 2, to: 4, after: token(at(2, 1)), refs: [1] }))
  separate.becameLive()
  assert.deepEqual(told, ['recreated', 'rewritten', 'live'])
})

test('a subject knows new partitions once it receives something after their gaps, or is live, because it may be in several', () => {
  for (const next of ['an event', 'live'] as const) {
    const { followed, separate } = following('a', at(3), growthPosition(log, 2))
    const known = () => followed.resumePoint.counts.map(({ count }) => count)
    for (const partition of [2, 3]) {
      const after = token(at(0, partition), growthPosition(log, 4))
      separate.gapNamed(gap({ reason: 'repartitioned', partition, after }))
      assert.deepEqual(known(), [2])
    }
    if (next === 'live') separate.becameLive()
    else separate.delivery({ ...delivery('a', 0, 2), refs: [1] })
    assert.deepEqual(known(), [4], next)
  }
})

test('a pattern knows new partitions once it is live again, whatever it receives in one of them, and whether it was live', () => {
  const fresh = logOf('events', 'second')
  for (const isLive of [false, true]) {
    for (const reason of ['recreated', 'repartitioned'] as const) {
      const { followed, separate } = following('a.*', at(3), at(5, 1), growthPosition(log, 2))
      if (isLive) separate.becameLive()
      const known = () => followed.resumePoint.counts.map(({ count }) => count)
      separate.gapNamed(gap({ reason, partition: 2, after: token(at(0, 2, fresh), growthPosition(fresh, 4)) }))
      assert.deepEqual(known(), [2], reason)
      separate.gapNamed(gap({ reason, partition: 3, after: token(at(0, 3, fresh), growthPosition(fresh, 4)) }))
      separate.becameLive()
      assert.deepEqual(known(), [2, 4], reason)
    }
  }
})
