import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Positions } from '../../src/client/positions.ts'
import { type Delivery, type Gap, makeEvent } from '../../src/wire/frames.ts'
import { decodeToken, encodeToken, type Position, streamHash } from '../../src/wire/token.ts'

const log = streamHash('events', 'first')

const at = (offset: number, partition = 0, hash = log): Position => ({
  streamHash: hash,
  partition,
  offset,
  generation: 0,
})
const token = (...positions: Position[]) => encodeToken(positions)
const offsets = (text: string | undefined) => {
  return text === undefined ? undefined : decodeToken(text).map(({ partition, offset }) => [partition, offset])
}

/** As a WebSocket has it. */
function delivery(subject: string, offset: number, refs?: number[], partition = 0): Delivery {
  const event = makeEvent({ subject })
  return { kind: 'delivery', after: token(at(offset + 1, partition)), partition, offset, event, refs }
}

function gap(fields: Partial<Gap> & Pick<Gap, 'reason' | 'after'>): Gap {
  return { kind: 'gap', stream: 'events', partition: 0, from: 0, certain: true, ...fields }
}

/** Subscriptions of one connection, told where they start. */
function following(subjects: readonly string[], offset: number): Positions {
  const positions = new Positions(subjects)
  positions.connecting(false)
  subjects.forEach((_, i) => {
    positions.subscribed(i + 1, token(at(offset)))
  })
  return positions
}

test('nothing is known before the gateway has told a position', () => {
  const positions = new Positions(['a'])
  assert.equal(positions.token(), undefined)
  assert.equal(positions.after(1), undefined)
})

test('a subscription goes on behind the newest delivery', () => {
  const positions = following(['a'], 3)
  positions.live(1)
  assert.equal(positions.take(delivery('a', 5)), true)
  assert.deepEqual(offsets(positions.after(1)), [[0, 6]])
})

test('a delivery is new once, whatever subscription it comes for', () => {
  const positions = following(['a.b', 'a.*'], 0)
  assert.equal(positions.take(delivery('a.b', 0, [1])), true)
  assert.equal(positions.take(delivery('a.b', 0, [2])), false)
  assert.equal(positions.take(delivery('a.c', 1, [2])), true)
})

test('a delivery to all live subscriptions moves none that is still behind', () => {
  const positions = following(['a.b', 'a.*'], 0)
  positions.live(1)
  assert.equal(positions.take(delivery('a.b', 9)), true)
  assert.deepEqual(offsets(positions.after(2)), [[0, 0]])
  // What the second one missed is new all the same.
  assert.equal(positions.take(delivery('a.c', 4, [2])), true)
  assert.equal(positions.take(delivery('a.b', 9, [2])), false)
})

test('once it is live, a subscription stands where deliveries to all have come meanwhile', () => {
  const positions = following(['a.b', 'a.*'], 0)
  positions.live(1)
  positions.take(delivery('a.b', 9))
  positions.live(2)
  assert.deepEqual(offsets(positions.after(2)), [[0, 10]])
})

test('what was handed over while a subscription was behind is not new after a reconnect', () => {
  const positions = following(['a.b', 'a.*'], 0)
  // The first is live here, the second has joined in this partition and is behind in another one.
  positions.live(1)
  assert.equal(positions.take(delivery('a.c', 7)), true)
  positions.connecting(false)
  assert.deepEqual(offsets(positions.after(2)), [[0, 0]])
  assert.equal(positions.take(delivery('a.c', 7, [2])), false)
  assert.equal(positions.take(delivery('a.c', 8, [2])), true)
})

test('a delivery to all live subscriptions moves those on that it does not match, where they are in its partition', () => {
  const positions = following(['a', 'b'], 0)
  positions.live(1)
  positions.live(2)
  positions.take(delivery('a', 9))
  assert.deepEqual(offsets(positions.after(2)), [[0, 10]])
  positions.take(delivery('a', 4, undefined, 7))
  assert.deepEqual(offsets(positions.after(2)), [[0, 10]])
  positions.take(delivery('a', 12, [1]))
  assert.deepEqual(offsets(positions.after(2)), [[0, 10]])
})

test('a subscription whose partitions changed is behind there until it is live again', () => {
  const positions = following(['a.b', 'a.*'], 0)
  positions.live(1)
  positions.live(2)
  positions.gap(gap({ reason: 'repartitioned', from: 5, partition: 4, after: token(at(5, 4)), refs: [2] }))
  positions.take(delivery('a.b', 90, undefined, 4))
  assert.equal(positions.take(delivery('a.c', 6, [2], 4)), true)
  positions.live(2)
  assert.deepEqual(offsets(positions.after(2)), [
    [0, 0],
    [4, 91],
  ])
})

test('a renewed position moves what is live and known there, and nothing else', () => {
  const positions = following(['a', 'b'], 0)
  positions.live(1)
  positions.renew(encodeToken([at(7), at(9, 4)]))
  assert.deepEqual(offsets(positions.after(1)), [[0, 7]])
  assert.deepEqual(offsets(positions.after(2)), [[0, 0]])
  positions.renew(token(at(3)))
  assert.deepEqual(offsets(positions.after(1)), [[0, 7]], 'never back')
})

test('the token of all is the lowest position of each partition', () => {
  const positions = following(['a', 'b'], 0)
  positions.take(delivery('a', 4, [1]))
  positions.take(delivery('b', 2, [2]))
  positions.take(delivery('b', 6, [2], 3))
  assert.deepEqual(offsets(positions.token()), [
    [0, 3],
    [3, 7],
  ])
})

test('after a gap that goes back, lower offsets are new again', () => {
  const positions = following(['a'], 0)
  positions.live(1)
  positions.take(delivery('a', 9))
  positions.gap(gap({ reason: 'rewritten', from: 5, to: 9, after: token(at(5)) }))
  assert.deepEqual(offsets(positions.after(1)), [[0, 5]])
  assert.equal(positions.take(delivery('a', 5)), true)
  assert.equal(positions.take(delivery('a', 5, [1])), false)
})

test('a rewritten log is rewritten for subscriptions that are not live as well', () => {
  const positions = following(['a.b', 'a.*'], 0)
  positions.take(delivery('a.b', 9, [2]))
  positions.live(1)
  positions.gap(gap({ reason: 'rewritten', from: 5, to: 9, after: token(at(5)) }))
  assert.equal(positions.take(delivery('a.b', 6)), true)
})

test('a gap of another subscription moves this one no further', () => {
  const positions = following(['a', 'b'], 2)
  positions.gap(gap({ reason: 'retention', from: 2, to: 7, after: token(at(8)), refs: [2] }))
  assert.deepEqual(offsets(positions.after(1)), [[0, 2]])
  assert.deepEqual(offsets(positions.after(2)), [[0, 8]])
})

test('a re-created log replaces the positions of the one before', () => {
  const second = streamHash('events', 'second')
  const positions = following(['a'], 50)
  positions.live(1)
  positions.gap(gap({ reason: 'recreated', from: 50, after: token(at(0, 0, second)) }))
  const known = decodeToken(positions.after(1)!)
  assert.deepEqual(known, [at(0, 0, second)])
})

test('over SSE, deliveries below the newest of their partition are not new', () => {
  const positions = new Positions(['a'])
  positions.connecting(true)
  const sse = (offset: number, partition: number): Delivery => ({
    ...delivery('a', offset, [], partition),
    stream: 'events',
  })
  assert.deepEqual(
    [sse(4, 0), sse(1, 1), sse(4, 0), sse(3, 0), sse(5, 0)].map((each) => positions.take(each)),
    [true, true, false, false, true],
  )
  positions.gap(gap({ reason: 'rewritten', from: 2, to: 5, after: token(at(2)) }))
  assert.equal(positions.take(sse(2, 0)), true)
})

test('over SSE, the position that comes with a delivery is known when the delivery is told', () => {
  const positions = new Positions(['a'])
  positions.connecting(true)
  positions.take({ ...delivery('a', 4), stream: 'events', after: token(at(5), at(8, 1)) })
  assert.equal(positions.token(), token(at(5), at(8, 1)))
  positions.take({ ...delivery('a', 5), stream: 'events', after: '' })
  assert.equal(positions.token(), token(at(5), at(8, 1)))
})

test('over SSE and poll, all subscriptions stand at the one token', () => {
  const positions = new Positions(['a', 'b'])
  positions.connecting(true)
  positions.together(token(at(3, 0), at(9, 1)))
  assert.deepEqual(offsets(positions.token()), [
    [0, 3],
    [1, 9],
  ])
  assert.equal(positions.take(delivery('a', 2)), false)
  assert.equal(positions.take(delivery('a', 3)), true)
})
