import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Delivery } from '../../src/wire/frames.ts'
import { growthPosition, type Log, logOf } from '../../src/wire/token.ts'
import { at, delivery, following, gap, log, token } from './following.ts'

const [second, another] = [logOf('events', 'second'), logOf('others', 'first')]

/** The gap of one partition after the log was re-created with three partitions. */
function recreated(partition: number) {
  const after = token(at(1, partition, second), growthPosition(second, 3))
  return gap({ reason: 'recreated', partition, from: 4, after })
}

test('over SSE, events below its position or received before are not new', () => {
  const { told, offsets, shared } = following('a.*', at(5, 0), at(0, 1))
  const sse = (offset: number, partition: number): Delivery => ({
    ...delivery('a.x', offset, partition),
    stream: 'events',
    after: '',
  })
  for (const each of [sse(4, 0), sse(7, 0), sse(7, 0), sse(1, 1), sse(8, 0)]) shared.delivery(each)
  assert.deepEqual(told, [7, 1, 8])
  // Positions arrive separately, and may be of a reader that was further behind.
  shared.stands(at(3, 0), at(2, 1), at(9, 7))
  assert.deepEqual(offsets(), [
    [0, 5],
    [1, 2],
  ])
  shared.gap(gap({ reason: 'rewritten', from: 2, to: 5, after: token(at(2)) }))
  shared.delivery(sse(2, 0))
  assert.deepEqual(told.slice(3), ['rewritten', 2])
})

test('an event received over SSE before its position is not new over a WebSocket', () => {
  const { followed, told, take, shared } = following('a.*', at(5, 0), at(0, 1))
  shared.delivery({ ...delivery('a.x', 7), stream: 'events', after: '' })
  followed.disconnected()
  followed.subscribed(token(at(5, 0), at(0, 1)))
  take(delivery('a.x', 7))
  take(delivery('a.x', 8))
  assert.deepEqual(told, [7, 8])
})

test('a poll sends its position after its events: until then the resume point does not have all partitions', () => {
  const { followed, told, shared } = following('a.*')
  shared.delivery(delivery('a.x', 4, 2))
  // A new start would leave out what is between; for partitions missing from its token, the
  // gateway sends a gap.
  assert.deepEqual([followed.hasResumePoint, followed.request(1).after], [false, [token(at(5, 2))]])
  shared.stands(at(9, 0), at(0, 1), at(5, 2))
  assert.deepEqual(followed.request(1).after, [token(at(9, 0), at(0, 1), at(5, 2))])
  shared.delivery(delivery('a.x', 4, 2))
  assert.deepEqual(told, [4])
})

test('over a shared connection a gap goes to subscriptions before its end', () => {
  const { told, shared } = following('a', at(50))
  shared.gap(gap({ reason: 'retention', from: 2, to: 40, after: token(at(41)) }))
  assert.deepEqual(told, [])
  shared.gap(gap({ reason: 'retention', from: 2, to: 60, after: token(at(61)) }))
  shared.gap(gap({ reason: 'unnamed', partition: 3, after: token(at(4, 3)) }))
  assert.deepEqual(told, ['retention', 'unnamed'])
})

test('over a shared connection a subscription further ahead in an earlier history leaves a connection that would not report the later one', () => {
  const inLater = (offset: number) => token(at(offset, 0, log, 1))
  const leaves = (kind: 'gap' | 'delivery', offset: number, after: string) => {
    const { told, shared } = following('a', at(5))
    if (kind === 'delivery') shared.delivery({ ...delivery('a', offset), after })
    else shared.gap(gap({ reason: 'budget', from: 2, to: offset, after }))
    return [shared.hasLeft(), told]
  }
  for (const kind of ['gap', 'delivery'] as const) {
    assert.deepEqual(leaves(kind, 3, inLater(4)), [true, []], kind)
    assert.deepEqual(leaves(kind, 4, inLater(5)), [true, []], kind)
    assert.deepEqual(leaves(kind, 3, token(at(4))), [false, []], kind)
    assert.deepEqual(leaves(kind, 5, inLater(6)), [false, [kind === 'gap' ? 'budget' : 5]], kind)
  }
  const { told, shared } = following('a', at(5))
  shared.gap(gap({ reason: 'rewritten', from: 3, to: 4, after: inLater(3) }))
  assert.deepEqual([shared.hasLeft(), told], [false, ['rewritten']], 'that tells it')
})

test('a named gap below events received over SSE is delivered, since they may be of another history, and delivers nothing again', () => {
  const { told, take, separate, shared } = following('a', at(3))
  for (const offset of [3, 7]) shared.delivery({ ...delivery('a', offset), stream: 'events', after: '' })
  separate.gapNamed(gap({ reason: 'ttl', from: 5, to: 5, refs: [1], after: token(at(6)) }))
  take(delivery('a', 7))
  assert.deepEqual(told, [3, 7, 'ttl'])
})

test('over a shared connection a subscription that knows several incarnations receives the gap of a number of partitions that none of them has', () => {
  const [second, third] = [logOf('events', 'second'), logOf('events', 'third')]
  for (const [inLog, inSecond] of [
    [4, 3],
    [3, 4],
  ] as const) {
    const counts = [growthPosition(log, inLog), growthPosition(second, inSecond)]
    const { told, shared } = following('>', at(0, 0, second), at(2, 3), ...counts)
    const after = token(at(0, 3, third), growthPosition(third, 4))
    shared.gap(gap({ reason: 'repartitioned', partition: 3, after }))
    shared.delivery({ ...delivery('a', 0, 3), stream: 'events', after: '' })
    assert.deepEqual(told, ['repartitioned', 0])
  }
})

test('over a shared connection a known event is not new where the resume point has several incarnations', () => {
  const second = logOf('events', 'second')
  const { told, shared } = following('a', at(2))
  const event = { ...delivery('a', 2), stream: 'events', after: '' }
  shared.delivery(event)
  shared.standsAlone(at(0, 0, second))
  shared.delivery(event)
  shared.delivery({ ...delivery('a', 3), stream: 'events', after: '' })
  assert.deepEqual(told, [2, 3])
})

test('over a shared connection a log re-created with other partitions reports each of them to each subscription', () => {
  const second = logOf('events', 'second')
  const { told, shared } = following('a', at(4, 2), growthPosition(log, 3))
  const recreated = (partition: number) => {
    const after = token(at(1, partition, second), growthPosition(second, 4))
    return gap({ reason: 'recreated', partition, from: 4, after })
  }
  shared.gap(recreated(2))
  shared.gap(recreated(0))
  shared.gap(gap({ reason: 'collapsed', from: 1, to: 1, after: token(at(2, 0, second)) }))
  assert.deepEqual(told, ['recreated', 'recreated', 'collapsed'])
})

test('over a shared connection a subscription that does not know the number of partitions of a log receives a gap in each one of its successor', () => {
  const recreated = gap({ reason: 'recreated', after: token(at(0, 0, second), growthPosition(second, 2)) })
  const { told, offsets, shared } = following('a', at(5, 2))
  shared.gap(recreated)
  assert.deepEqual(told, ['recreated'])
  assert.deepEqual(offsets(), [
    [2, 5],
    [0, 0],
  ])
  const elsewhere = following('b', at(5, 2, another))
  elsewhere.shared.gap(recreated)
  assert.deepEqual(elsewhere.told, [], 'of a stream that it does not read it is told nothing')
})

test('over a shared connection a position of another stream does not change what is known of a re-created log', () => {
  const stood = [at(4), growthPosition(log, 1), at(7, 0, another), growthPosition(another, 1)]
  const { told, offsets, shared } = following('*', ...stood)
  shared.gap(recreated(0))
  shared.stands(at(8, 0, another), growthPosition(another, 1), at(1, 0, second))
  for (const partition of [1, 2]) shared.gap(recreated(partition))
  assert.deepEqual(told, ['recreated', 'recreated', 'recreated'])
  assert.deepEqual(offsets().sort(), [
    [0, 1],
    [0, 8],
    [1, 1],
    [2, 1],
  ])
})

test('over a shared connection a log re-created with as many partitions is reported once, also where another stream sends a position meanwhile', () => {
  const { told, shared } = following('*', at(4), growthPosition(log, 3), at(7, 0, another), growthPosition(another, 1))
  shared.gap(recreated(0))
  shared.stands(at(8, 0, another), growthPosition(another, 1), at(1, 0, second))
  for (const partition of [1, 2]) shared.gap(recreated(partition))
  assert.deepEqual(told, ['recreated'])
})

test('events received over SSE while the stream was known by name only are not new over a WebSocket', () => {
  const second = at(3, 0, logOf('events', 'second'))
  const { followed, told, take, shared } = following('a', at(9, 0), second)
  shared.delivery({ ...delivery('a', 4), stream: 'events', after: '' })
  followed.disconnected()
  followed.subscribed(token(at(9, 0), second))
  const over = (offset: number) => ({ ...delivery('a', offset), after: token({ ...second, offset: offset + 1 }) })
  take(over(4))
  take(over(5))
  assert.deepEqual(told, [4, 5])
})

test('over SSE, events of one incarnation do not affect another one', () => {
  const second = logOf('events', 'second')
  const { told, shared } = following('a', at(3))
  const recreated = (own: Log) => gap({ reason: 'recreated', from: 4, after: token(at(0, 0, own)) })
  shared.delivery({ ...delivery('a', 3), stream: 'events', after: '' })
  shared.gap(recreated(second))
  shared.gap(recreated(log))
  shared.delivery({ ...delivery('a', 3), stream: 'events', after: '' })
  assert.deepEqual(told, [3, 'recreated', 'recreated', 3])
})

test('over a shared connection a gap in a partition of others goes to a subject that may be there by now', () => {
  const expired = gap({ reason: 'ttl', partition: 1, from: 8, to: 8, n: 1, after: token(at(9, 1)) })
  const still = following('a', at(5))
  still.shared.gap(expired)
  assert.deepEqual([still.told, still.offsets()], [[], [[0, 5]]])
  const moved = following('a', at(5))
  moved.shared.gap(gap({ reason: 'repartitioned', partition: 2, after: token(at(0, 2)) }))
  moved.shared.gap(expired)
  assert.deepEqual(moved.told, ['repartitioned', 'ttl'])
  const came = following('a', at(5))
  came.shared.delivery({ ...delivery('a', 7, 1), stream: 'events' })
  came.shared.gap(expired)
  assert.deepEqual(came.told, [7, 'ttl'])
  assert.deepEqual(moved.offsets(), [
    [0, 5],
    [2, 0],
  ])
})

test('events received over SSE before the resume point has their partition are known once it does', () => {
  const { told, shared } = following('a', at(5))
  const event = { ...delivery('a', 7, 2), stream: 'events' }
  shared.delivery(event)
  shared.standsAlone(at(5), at(6, 2))
  shared.delivery(event)
  assert.deepEqual(told, [7])
})

test("over a shared connection a partition that has delivered events becomes the subscription's own", () => {
  const { offsets, shared } = following('a', at(5))
  shared.delivery({ ...delivery('a', 7, 2), stream: 'events' })
  shared.stands(at(5), at(4, 1), at(8, 2))
  assert.deepEqual(offsets(), [
    [0, 5],
    [2, 8],
  ])
})

test('events of a log that is gone do not make the gap that reports its end old', () => {
  const { told, shared } = following('a', at(5))
  const fresh = logOf('events', 'second')
  shared.delivery({ ...delivery('a', 7, 1), stream: 'events' })
  shared.standsAlone(at(5), at(8, 1))
  shared.gap(gap({ reason: 'recreated', partition: 1, from: 8, after: token(at(0, 1, fresh)) }))
  assert.deepEqual(told, [7, 'recreated'])
})

test('until it is live, all positions of a connection that started without one are its own', () => {
  const { followed, told, offsets, shared } = following('a')
  followed.request(1)
  shared.stands()
  assert.equal(followed.hasResumePoint, false)
  shared.stands(at(0, 1))
  shared.gap(gap({ reason: 'budget', from: 0, to: 3, after: token(at(4)) }))
  shared.stands(at(4), at(0, 1))
  assert.deepEqual(
    [told, offsets()],
    [
      ['budget'],
      [
        [1, 0],
        [0, 4],
      ],
    ],
  )
  shared.becameLive()
  shared.stands(at(9), at(7, 1), at(5, 2))
  assert.deepEqual(offsets(), [
    [1, 7],
    [0, 9],
  ])
})

test('it knows new partitions once it is live in them, and tells them apart from positions', () => {
  const { followed, offsets, separate, shared } = following('>', at(3), growthPosition(log, 2))
  const known = () => followed.resumePoint.counts.map(({ count }) => count)
  separate.becameLive()
  separate.gapNamed(gap({ reason: 'repartitioned', partition: 2, after: token(at(0, 2), growthPosition(log, 3)) }))
  assert.deepEqual(
    [offsets(), known(), followed.resumePoint.size],
    [
      [
        [0, 3],
        [2, 0],
      ],
      [2],
      2,
    ],
  )
  separate.becameLive()
  assert.deepEqual(known(), [3])
  shared.stands(at(4), at(9, 1), growthPosition(log, 4))
  assert.deepEqual(
    [offsets(), known()],
    [
      [
        [0, 4],
        [2, 0],
      ],
      [4],
    ],
  )
})

test('over a shared connection a subscription that knows fewer partitions receives the gap, and moves back nowhere', () => {
  const { told, offsets, shared } = following('a', at(3), at(5, 1), growthPosition(log, 2))
  const grown = (count: number) =>
    gap({ reason: 'repartitioned', partition: 1, after: token(at(0, 1), growthPosition(log, count)) })
  shared.gap(grown(2))
  shared.gap(grown(3))
  assert.deepEqual(
    [told, offsets()],
    [
      ['repartitioned'],
      [
        [0, 3],
        [1, 5],
      ],
    ],
  )
})

test('over a shared connection a subscription receives the gap of a partition once, however often connections repeat it', () => {
  const { told, shared } = following('a', at(3), at(5, 1), growthPosition(log, 2))
  const grown = (offset: number, partition: number, count = 4) =>
    gap({ reason: 'repartitioned', partition, after: token(at(offset, partition), growthPosition(log, count)) })
  const isTold = (...gaps: ReturnType<typeof grown>[]) => {
    const { length } = told
    for (const each of gaps) shared.gap(each)
    return told.length - length
  }
  assert.equal(isTold(grown(5, 1), grown(0, 2), grown(2, 0)), 3)
  assert.equal(isTold(grown(5, 1), grown(0, 2), grown(2, 0)), 0)
  assert.equal(isTold(grown(5, 1), grown(0, 2), grown(1, 0), grown(0, 3)), 2, 'from another place, and of another one')
  assert.equal(isTold(grown(5, 1, 5)), 1, 'there are more of them')
  shared.stands(at(8, 1), growthPosition(log, 2))
  assert.equal(isTold(grown(5, 1, 5)), 1, 'a position that may be another one’s has moved it')
})

for (const reason of ['repartitioned', 'unnamed', 'recreated'] as const) {
  test(`over a shared connection a gap of another log goes to a subscription in the old one, whatever its reason: ${reason}`, () => {
    const second = logOf('events', 'second')
    const stood = [at(9, 1), growthPosition(log, 2), at(0, 0, second), growthPosition(second, 2)]
    const { told, offsets, shared } = following('a', ...stood)
    shared.delivery({ ...delivery('a', 11, 1), stream: 'events', after: '' })
    shared.gap(gap({ reason, partition: 1, after: token(at(0, 1, second), growthPosition(second, 2)) }))
    shared.delivery({ ...delivery('a', 4, 1), stream: 'events', after: '' })
    assert.deepEqual(told, [11, reason, 4])
    assert.deepEqual(offsets(), [
      [0, 0],
      [1, 0],
    ])
  })
}

test('events that a tab has received are not new after a repartitioned gap that moves nothing', () => {
  const { told, separate, shared } = following('>', at(12, 2))
  const tab = (offset: number) =>
    shared.delivery({ ...delivery('a', offset, 2), after: token(at(12, 2)), stream: 'events' })
  tab(12)
  tab(13)
  separate.gapNamed(gap({ reason: 'repartitioned', partition: 2, from: 12, after: '' }))
  tab(12)
  tab(13)
  tab(14)
  assert.deepEqual(told, [12, 13, 'repartitioned', 14])
})

test('events received over SSE are not new after a repartitioned gap that ends below them', () => {
  const { told, offsets, shared } = following('>', at(0), at(18, 2), growthPosition(log, 3))
  const came = (...offsets: number[]) => {
    for (const offset of offsets) shared.delivery({ ...delivery('a', offset, 2), stream: 'events', after: '' })
  }
  came(18, 19, 20, 22)
  // The next connection starts at the last position, and the stream grows before it reaches these
  // events.
  came(18, 19)
  shared.gap(gap({ reason: 'repartitioned', partition: 2, after: token(at(20, 2), growthPosition(log, 4)) }))
  came(20, 21, 22, 23)
  assert.deepEqual(told, [18, 19, 20, 22, 'repartitioned', 21, 23])
  assert.deepEqual(offsets(), [
    [0, 0],
    [2, 20],
  ])
})

test('events received over SSE are not new over a WebSocket after a repartitioned gap, unless that leads back', () => {
  const { told, separate, shared } = following('a', at(18, 2))
  const again = (offset: number) => separate.named(delivery('a', offset, 2))
  for (const offset of [18, 19]) shared.delivery({ ...delivery('a', offset, 2), stream: 'events', after: '' })
  separate.gapNamed(gap({ reason: 'repartitioned', partition: 2, after: token(at(18, 2)) }))
  again(18)
  separate.gapNamed(gap({ reason: 'repartitioned', partition: 2, after: token(at(0, 2)) }))
  again(19)
  assert.deepEqual(told, [18, 19, 'repartitioned', 'repartitioned', 19])
})
