import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Followed, type Inflow } from '../../src/client/followed.ts'
import { lowestToken, type Move } from '../../src/client/place.ts'
import { type Delivery, type Gap, makeEvent } from '../../src/wire/frames.ts'
import { decodeToken, encodeToken, growthPosition, type Log, logOf, type Position } from '../../src/wire/token.ts'

const log = logOf('events', 'first')

const at = (offset: number, partition = 0, own = log, generation = 0): Position => ({
  ...own,
  partition,
  offset,
  generation,
})
const token = (...positions: Position[]) => encodeToken(positions)

/** As a WebSocket has it. */
function delivery(subject: string, offset: number, partition = 0): Delivery {
  const event = makeEvent({ subject })
  return { kind: 'delivery', after: token(at(offset + 1, partition)), partition, offset, event }
}

function gap(fields: Partial<Gap> & Pick<Gap, 'reason' | 'after'>): Gap {
  return { kind: 'gap', stream: 'events', partition: 0, from: 0, certain: true, ...fields }
}

/** A subscription and what it told. */
function following(subject: string, ...start: Position[]) {
  const told: unknown[] = []
  let room = true
  const inflow: Inflow = {
    event: ({ offset }: Delivery) => {
      told.push(offset)
      return room
    },
    gap: ({ reason }: Gap) => {
      told.push(reason)
      return room
    },
    moved: (_move: Move) => {},
    live: () => told.push('live'),
    state() {},
    refused() {},
  }
  const followed = new Followed(subject, [], inflow)
  if (start.length > 0) followed.subscribed(token(...start))
  const offsets = () => followed.place.positions.map(({ partition, offset }) => [partition, offset])
  const take = (each: Delivery) => followed.take(each, decodeToken(each.after)[0]!)
  const common = (each: Delivery) => followed.common(each, decodeToken(each.after)[0]!)
  const fill = () => {
    room = false
  }
  return { followed, told, offsets, take, common, fill }
}

test('it goes on behind the newest event, and each comes once', () => {
  const { followed, told, offsets, take } = following('a', at(3))
  for (const offset of [3, 5, 5, 4, 6]) take(delivery('a', offset))
  assert.deepEqual(told, [3, 5, 6])
  assert.deepEqual(offsets(), [[0, 7]])
  assert.deepEqual(followed.wish(9), { ref: 9, subject: 'a', after: [token(at(7))] })
})

test('before a position is known it asks for what its subscriber asked for', () => {
  const { inflow } = following('a').followed
  assert.deepEqual(new Followed('a', ['earliest'], inflow).wish(1).after, ['earliest'])
  assert.deepEqual(new Followed('a', [token(at(4))], inflow).wish(1).after, [token(at(4))])
  assert.throws(() => new Followed('a', ['nonsense'], inflow), { code: 'bad_token' })
})

test('a renewed position moves it on where it is live and known, and nowhere else', () => {
  const { followed } = following('a', at(3))
  followed.renewed([at(7)])
  assert.equal(followed.place.at(at(0))?.offset, 3, 'it is not live yet')
  followed.becameLive()
  followed.renewed([at(7), at(9, 4)])
  assert.deepEqual(followed.place.positions, [at(7)])
  followed.renewed([at(5)])
  assert.deepEqual(followed.place.positions, [at(7)], 'never back')
})

test('events that name no ref are for it once it is live, and move it where they do not match', () => {
  const { followed, told, offsets, common } = following('a', at(3))
  common(delivery('a', 4))
  assert.equal(followed.becameLive(), 'live')
  common(delivery('b', 7))
  assert.deepEqual(offsets(), [[0, 8]])
  common(delivery('a', 7))
  common(delivery('a', 8))
  common(delivery('b', 1, 5))
  assert.deepEqual(told, ['live', 8])
  assert.deepEqual(offsets(), [[0, 9]])
})

test('in several partitions, what named no ref before it was live is told then, in order, unless it came by name', () => {
  const { followed, told, take, common } = following('a.*', at(0, 0), at(0, 1))
  common(delivery('a.x', 10, 0))
  take(delivery('a.x', 4, 1))
  common(delivery('a.x', 9, 1))
  // Still behind in partition 1: its reader brings the ninth itself.
  take(delivery('a.x', 9, 1))
  common(delivery('b.x', 11, 0))
  common(delivery('a.x', 12, 0))
  assert.equal(followed.becameLive(), 'live')
  assert.deepEqual(told, [4, 9, 10, 12, 'live'])
})

test('a gap that named no ref before it was live is told then, where it stands below', () => {
  const { followed, told, take } = following('a.*', at(0, 0), at(0, 1))
  followed.gapCommon(gap({ reason: 'retention', after: token(at(8, 0)) }))
  take(delivery('a.x', 20, 1))
  followed.gapCommon(gap({ reason: 'retention', partition: 1, after: token(at(8, 1)) }))
  followed.becameLive()
  assert.deepEqual(told, [20, 'retention', 'live'])
})

test('more than it can hold before it is live is asked for again', () => {
  const { followed, told, offsets, common } = following('a.*', at(0, 0), at(0, 1))
  for (let offset = 0; offset < 300; offset++) common(delivery('a.x', offset, 0))
  assert.equal(followed.becameLive(), 'again')
  assert.deepEqual(told, [])
  assert.deepEqual(offsets(), [
    [0, 0],
    [1, 0],
  ])
  assert.equal(followed.live, false)
})

test('after a gap that goes back, lower offsets are new again', () => {
  const { followed, told, offsets, common } = following('a', at(0))
  followed.becameLive()
  common(delivery('a', 9))
  followed.gapCommon(gap({ reason: 'rewritten', from: 5, to: 9, after: token(at(5)) }))
  assert.deepEqual(offsets(), [[0, 5]])
  common(delivery('a', 5))
  common(delivery('a', 5))
  assert.deepEqual(told, ['live', 9, 'rewritten', 5])
})

test('a re-created log replaces the positions of the one before', () => {
  const second = logOf('events', 'second')
  const { followed } = following('a', at(50))
  followed.gapNamed(gap({ reason: 'recreated', from: 50, after: token(at(0, 0, second)) }))
  assert.deepEqual(followed.place.positions, [at(0, 0, second)])
})

test('one whose partitions changed is behind until it is told to be live again', () => {
  const { followed, told, take, common } = following('a.*', at(0, 0))
  followed.becameLive()
  followed.gapNamed(gap({ reason: 'repartitioned', from: 5, partition: 4, after: token(at(5, 4)) }))
  common(delivery('a.b', 90, 4))
  common(delivery('a.b', 3, 0))
  take(delivery('a.c', 6, 4))
  followed.becameLive()
  assert.deepEqual(told, ['live', 'repartitioned', 6, 90, 3, 'live'])
})

test('a generation that the gateway does not know does not replace one that is known', () => {
  const { followed } = following('a', at(5, 0, log, 3))
  followed.subscribed(token(at(5, 0, log, -1)))
  assert.equal(followed.place.positions[0]!.generation, 3)
  followed.subscribed(token(at(6, 0, log, -1)))
  assert.equal(followed.place.positions[0]!.generation, -1)
})

test('over SSE, what is below its position or was given before is not new', () => {
  const { followed, told, offsets } = following('a.*', at(5, 0), at(0, 1))
  const sse = (offset: number, partition: number): Delivery => ({
    ...delivery('a.x', offset, partition),
    stream: 'events',
    after: '',
  })
  for (const each of [sse(4, 0), sse(7, 0), sse(7, 0), sse(1, 1), sse(8, 0)]) followed.shared(each)
  assert.deepEqual(told, [7, 1, 8])
  // The positions come by themselves, and may be of a reader that was further behind.
  followed.together([at(3, 0), at(2, 1), at(9, 7)], false)
  assert.deepEqual(offsets(), [
    [0, 5],
    [1, 2],
  ])
  followed.gapShared(gap({ reason: 'rewritten', from: 2, to: 5, after: token(at(2)) }))
  followed.shared(sse(2, 0))
  assert.deepEqual(told.slice(3), ['rewritten', 2])
})

test('what came over SSE without its position is not new over a WebSocket', () => {
  const { followed, told, take } = following('a.*', at(5, 0), at(0, 1))
  followed.shared({ ...delivery('a.x', 7), stream: 'events', after: '' })
  followed.disconnected()
  followed.subscribed(token(at(5, 0), at(0, 1)))
  take(delivery('a.x', 7))
  take(delivery('a.x', 8))
  assert.deepEqual(told, [7, 8])
})

test('a poll says its position after its events: until then the place does not name all partitions', () => {
  const { followed, told } = following('a.*')
  followed.shared(delivery('a.x', 4, 2))
  // A new start would leave out what lies between; for partitions that its token does not name, the gateway tells a gap.
  assert.deepEqual([followed.placed, followed.wish(1).after], [false, [token(at(5, 2))]])
  followed.together([at(9, 0), at(0, 1), at(5, 2)], false)
  assert.deepEqual(followed.wish(1).after, [token(at(9, 0), at(0, 1), at(5, 2))])
  followed.shared(delivery('a.x', 4, 2))
  assert.deepEqual(told, [4])
})

test('over a shared connection a gap is told to those who stand before its end', () => {
  const { followed, told } = following('a', at(50))
  followed.gapShared(gap({ reason: 'retention', from: 2, to: 40, after: token(at(41)) }))
  assert.deepEqual(told, [])
  followed.gapShared(gap({ reason: 'retention', from: 2, to: 60, after: token(at(61)) }))
  followed.gapShared(gap({ reason: 'unnamed', partition: 3, after: token(at(4, 3)) }))
  assert.deepEqual(told, ['retention', 'unnamed'])
})

test('it says when its subscriber wants no more', () => {
  const { take, fill } = following('a', at(0))
  assert.equal(take(delivery('a', 0)), true)
  fill()
  assert.equal(take(delivery('a', 1)), false)
})

test('what it is told by name lets go what named no ref below it', () => {
  const { followed, told, common } = following('a', at(3), at(0, 1))
  common(delivery('a', 3))
  common(delivery('a', 9))
  followed.gapNamed(gap({ reason: 'ttl', from: 5, to: 5, refs: [1], after: token(at(6)) }))
  assert.deepEqual(told, [3, 'ttl'])
  followed.becameLive()
  assert.deepEqual(told, [3, 'ttl', 'live'], 'its own reader brings the ninth by name')
})

test('what it is told by name shows that what named no ref from there on was not for it', () => {
  for (const byName of ['delivery', 'gap'] as const) {
    const { followed, told, common } = following('a', at(3), at(0, 1))
    common(delivery('a', 9))
    if (byName === 'delivery') followed.named(delivery('a', 4), at(5))
    else followed.gapNamed(gap({ reason: 'ttl', from: 4, to: 4, refs: [1], after: token(at(5)) }))
    followed.becameLive()
    const first = byName === 'delivery' ? 4 : 'ttl'
    assert.deepEqual(told, [first, 'live'])
    common(delivery('a', 6))
    assert.deepEqual(told, [first, 'live', 6], 'the log was rewritten below the ninth')
  }
})

test('a gap that named no ref and leads back to where it is told something by name comes before that', () => {
  for (const [reason, own] of [
    ['rewritten', log],
    ['recreated', logOf('events', 'second')],
  ] as const) {
    const { followed, told } = following('a', at(9), at(0, 1))
    const from = reason === 'rewritten' ? 4 : 0
    followed.gapCommon(gap({ reason, from, after: token(at(from, 0, own, 1)) }))
    const after = token(at(from + 1, 0, own, 1))
    followed.gapNamed(gap({ reason: 'ttl', from, to: from, refs: [1], after }))
    followed.becameLive()
    assert.deepEqual(told, [reason, 'ttl', 'live'])
  }
})

test('what is held of a history that was rewritten does not stay its place once it is live', () => {
  const { followed, told, offsets, common } = following('a', at(3), at(0, 1))
  common(delivery('a', 9))
  followed.gapCommon(gap({ reason: 'rewritten', from: 5, to: 9, after: token(at(5, 0, log, 1)) }))
  followed.becameLive()
  assert.deepEqual(told, [9, 'rewritten', 'live'])
  assert.deepEqual(offsets().sort(), [
    [0, 5],
    [1, 0],
  ])
})

test('a gap of a reader that was further on does not carry it along', () => {
  const { followed, told, offsets, common } = following('a', at(3), at(0, 1))
  followed.gapCommon(gap({ reason: 'ttl', from: 4, to: 4, after: token(at(20)) }))
  followed.named(delivery('a', 7), at(8))
  assert.deepEqual(told, ['ttl', 7])
  assert.deepEqual(offsets(), [
    [1, 0],
    [0, 8],
  ])
  common(delivery('a', 12))
  followed.becameLive()
  assert.deepEqual(told, ['ttl', 7, 12, 'live'])
})

test('what names no ref is not for it in a partition that it has not been told of', () => {
  const { followed, told, offsets, common } = following('a', at(3))
  followed.becameLive()
  followed.gapCommon(gap({ reason: 'rewritten', from: 0, to: 0, partition: 1, after: token(at(0, 1)) }))
  common(delivery('a', 5, 1))
  assert.deepEqual([told, offsets()], [['live'], [[0, 3]]])
})

test('a gap by name below what came over SSE is told, for that may have been of another history, and brings nothing back', () => {
  const { followed, told, take } = following('a', at(3))
  for (const offset of [3, 7]) followed.shared({ ...delivery('a', offset), stream: 'events', after: '' })
  followed.gapNamed(gap({ reason: 'ttl', from: 5, to: 5, refs: [1], after: token(at(6)) }))
  take(delivery('a', 7))
  assert.deepEqual(told, [3, 7, 'ttl'])
})

test('over a shared connection who knows several incarnations is told of another number of partitions than in any of them', () => {
  const [second, third] = [logOf('events', 'second'), logOf('events', 'third')]
  for (const [inLog, inSecond] of [
    [4, 3],
    [3, 4],
  ] as const) {
    const counts = [growthPosition(log, inLog), growthPosition(second, inSecond)]
    const { followed, told } = following('>', at(0, 0, second), at(2, 3), ...counts)
    const after = token(at(0, 3, third), growthPosition(third, 4))
    followed.gapShared(gap({ reason: 'repartitioned', partition: 3, after }))
    followed.shared({ ...delivery('a', 0, 3), stream: 'events', after: '' })
    assert.deepEqual(told, ['repartitioned', 0])
  }
})

test('over a shared connection an event that came is not new where its place names several incarnations', () => {
  const second = logOf('events', 'second')
  const { followed, told } = following('a', at(2))
  const event = { ...delivery('a', 2), stream: 'events', after: '' }
  followed.shared(event)
  followed.together([at(0, 0, second)], true)
  followed.shared(event)
  followed.shared({ ...delivery('a', 3), stream: 'events', after: '' })
  assert.deepEqual(told, [2, 3])
})

test('over a shared connection a log made anew with other partitions tells each of all of them', () => {
  const second = logOf('events', 'second')
  const { followed, told } = following('a', at(4, 2), growthPosition(log, 3))
  const recreated = (partition: number) => {
    const after = token(at(1, partition, second), growthPosition(second, 4))
    return gap({ reason: 'recreated', partition, from: 4, after })
  }
  followed.gapShared(recreated(2))
  followed.gapShared(recreated(0))
  followed.gapShared(gap({ reason: 'collapsed', from: 1, to: 1, after: token(at(2, 0, second)) }))
  assert.deepEqual(told, ['recreated', 'recreated', 'collapsed'])
})

test('over a shared connection who does not know how many partitions a log had is told in each of the one that took its place', () => {
  const [second, another] = [logOf('events', 'second'), logOf('others', 'first')]
  const recreated = gap({ reason: 'recreated', after: token(at(0, 0, second), growthPosition(second, 2)) })
  const { followed, told, offsets } = following('a', at(5, 2))
  followed.gapShared(recreated)
  assert.deepEqual(told, ['recreated'])
  assert.deepEqual(offsets(), [
    [2, 5],
    [0, 0],
  ])
  const elsewhere = following('b', at(5, 2, another))
  elsewhere.followed.gapShared(recreated)
  assert.deepEqual(elsewhere.told, [], 'of a stream that it does not read it is told nothing')
})

test('over a shared connection a position of another stream takes nothing from what is known of a log that was made anew', () => {
  const [second, another] = [logOf('events', 'second'), logOf('others', 'first')]
  const stood = [at(4), growthPosition(log, 1), at(7, 0, another), growthPosition(another, 1)]
  const { followed, told, offsets } = following('*', ...stood)
  const recreated = (partition: number) => {
    const after = token(at(1, partition, second), growthPosition(second, 3))
    return gap({ reason: 'recreated', partition, from: 4, after })
  }
  followed.gapShared(recreated(0))
  followed.together([at(8, 0, another), growthPosition(another, 1), at(1, 0, second)], false)
  for (const partition of [1, 2]) followed.gapShared(recreated(partition))
  assert.deepEqual(told, ['recreated', 'recreated', 'recreated'])
  assert.deepEqual(offsets().sort(), [
    [0, 1],
    [0, 8],
    [1, 1],
    [2, 1],
  ])
})

test('what came over SSE while the stream was known by name only is not new over a WebSocket', () => {
  const second = at(3, 0, logOf('events', 'second'))
  const { followed, told, take } = following('a', at(9, 0), second)
  followed.shared({ ...delivery('a', 4), stream: 'events', after: '' })
  followed.disconnected()
  followed.subscribed(token(at(9, 0), second))
  const over = (offset: number) => ({ ...delivery('a', offset), after: token({ ...second, offset: offset + 1 }) })
  take(over(4))
  take(over(5))
  assert.deepEqual(told, [4, 5])
})

test('over SSE what came of one incarnation says nothing of another', () => {
  const second = logOf('events', 'second')
  const { followed, told } = following('a', at(3))
  const recreated = (own: Log) => gap({ reason: 'recreated', from: 4, after: token(at(0, 0, own)) })
  followed.shared({ ...delivery('a', 3), stream: 'events', after: '' })
  followed.gapShared(recreated(second))
  followed.gapShared(recreated(log))
  followed.shared({ ...delivery('a', 3), stream: 'events', after: '' })
  assert.deepEqual(told, [3, 'recreated', 'recreated', 3])
})

test('over a shared connection a gap in a partition of others is told to a subject that may be there by now', () => {
  const expired = gap({ reason: 'ttl', partition: 1, from: 8, to: 8, n: 1, after: token(at(9, 1)) })
  const still = following('a', at(5))
  still.followed.gapShared(expired)
  assert.deepEqual([still.told, still.offsets()], [[], [[0, 5]]])
  const moved = following('a', at(5))
  moved.followed.gapShared(gap({ reason: 'repartitioned', partition: 2, after: token(at(0, 2)) }))
  moved.followed.gapShared(expired)
  assert.deepEqual(moved.told, ['repartitioned', 'ttl'])
  const came = following('a', at(5))
  came.followed.shared({ ...delivery('a', 7, 1), stream: 'events' })
  came.followed.gapShared(expired)
  assert.deepEqual(came.told, [7, 'ttl'])
  assert.deepEqual(moved.offsets(), [
    [0, 5],
    [2, 0],
  ])
})

test('what is held of a log that is gone is not given behind the gap that tells of it', () => {
  const { followed, told, common } = following('a.*', at(0), at(0, 1))
  common(delivery('a.x', 3))
  common(delivery('a.y', 4, 1))
  const fresh = logOf('events', 'second')
  followed.gapNamed(gap({ reason: 'recreated', from: 0, after: token(at(0, 0, fresh)), refs: [1] }))
  followed.gapNamed(gap({ reason: 'rewritten', partition: 1, from: 2, to: 4, after: token(at(2, 1)), refs: [1] }))
  followed.becameLive()
  assert.deepEqual(told, ['recreated', 'rewritten', 'live'])
})

test('what came over SSE before its place named the partition is known once it does', () => {
  const { followed, told } = following('a', at(5))
  const event = { ...delivery('a', 7, 2), stream: 'events' }
  followed.shared(event)
  followed.together([at(5), at(6, 2)], true)
  followed.shared(event)
  assert.deepEqual(told, [7])
})

test('over a shared connection a partition that brought events is a place of its own from then on', () => {
  const { followed, offsets } = following('a', at(5))
  followed.shared({ ...delivery('a', 7, 2), stream: 'events' })
  followed.together([at(5), at(4, 1), at(8, 2)], false)
  assert.deepEqual(offsets(), [
    [0, 5],
    [2, 8],
  ])
})

test('what came of a log that is gone does not make the gap that tells of it old', () => {
  const { followed, told } = following('a', at(5))
  const fresh = logOf('events', 'second')
  followed.shared({ ...delivery('a', 7, 1), stream: 'events' })
  followed.together([at(5), at(8, 1)], true)
  followed.gapShared(gap({ reason: 'recreated', partition: 1, from: 8, after: token(at(0, 1, fresh)) }))
  assert.deepEqual(told, [7, 'recreated'])
})

test('until it is live, all positions of a connection that began at its start are its own', () => {
  const { followed, told, offsets } = following('a')
  followed.wish(1)
  followed.together([], false)
  assert.equal(followed.placed, false)
  followed.together([at(0, 1)], false)
  followed.gapShared(gap({ reason: 'budget', from: 0, to: 3, after: token(at(4)) }))
  followed.together([at(4), at(0, 1)], false)
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
  followed.becameLive()
  followed.together([at(9), at(7, 1), at(5, 2)], false)
  assert.deepEqual(offsets(), [
    [1, 7],
    [0, 9],
  ])
})

test('it knows of new partitions once it is live in them, and tells them apart from positions', () => {
  const { followed, offsets } = following('>', at(3), growthPosition(log, 2))
  const known = () => followed.place.growth.map(({ offset }) => offset)
  followed.becameLive()
  followed.gapNamed(gap({ reason: 'repartitioned', partition: 2, after: token(at(0, 2), growthPosition(log, 3)) }))
  assert.deepEqual(
    [offsets(), known(), followed.place.size],
    [
      [
        [0, 3],
        [2, 0],
      ],
      [2],
      2,
    ],
  )
  followed.becameLive()
  assert.deepEqual(known(), [3])
  followed.together([at(4), at(9, 1), growthPosition(log, 4)], false)
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

test('several know together what the least of them knows, and nothing where one does not say it', () => {
  const knowing = (count: number) => token(at(3), growthPosition(log, count))
  assert.deepEqual(decodeToken(lowestToken([knowing(3), knowing(2)])!), decodeToken(knowing(2)))
  assert.deepEqual(decodeToken(lowestToken([knowing(3), token(at(2))])!), [at(2)])
})

test('a subject, which has one partition, knows of new ones as soon as it is told', () => {
  const { followed } = following('a', at(3), growthPosition(log, 2))
  followed.gapNamed(gap({ reason: 'repartitioned', partition: 2, after: token(at(0, 2), growthPosition(log, 3)) }))
  assert.deepEqual(
    followed.place.growth.map(({ offset }) => offset),
    [3],
  )
})

test('over a shared connection who knows of fewer partitions is told, and goes back nowhere', () => {
  const { followed, told, offsets } = following('a', at(3), at(5, 1), growthPosition(log, 2))
  const grown = (count: number) =>
    gap({ reason: 'repartitioned', partition: 1, after: token(at(0, 1), growthPosition(log, count)) })
  followed.gapShared(grown(2))
  followed.gapShared(grown(3))
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

for (const reason of ['repartitioned', 'unnamed', 'recreated'] as const) {
  test(`over a shared connection a gap of another log is told to who stands in the old one, whatever its reason: ${reason}`, () => {
    const second = logOf('events', 'second')
    const stood = [at(9, 1), growthPosition(log, 2), at(0, 0, second), growthPosition(second, 2)]
    const { followed, told, offsets } = following('a', ...stood)
    followed.shared({ ...delivery('a', 11, 1), stream: 'events', after: '' })
    followed.gapShared(gap({ reason, partition: 1, after: token(at(0, 1, second), growthPosition(second, 2)) }))
    followed.shared({ ...delivery('a', 4, 1), stream: 'events', after: '' })
    assert.deepEqual(told, [11, reason, 4])
    assert.deepEqual(offsets(), [
      [0, 0],
      [1, 0],
    ])
  })
}

test('what a tab has had is not new behind a repartitioned gap that moves nothing', () => {
  const { followed, told } = following('>', at(12, 2))
  const shared = (offset: number) =>
    followed.shared({ ...delivery('a', offset, 2), after: token(at(12, 2)), stream: 'events' })
  shared(12)
  shared(13)
  followed.gapNamed(gap({ reason: 'repartitioned', partition: 2, from: 12, after: '' }))
  shared(12)
  shared(13)
  shared(14)
  assert.deepEqual(told, [12, 13, 'repartitioned', 14])
})
