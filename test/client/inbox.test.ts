import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Inbox, type InboxOptions } from '../../src/client/inbox.ts'
import type { Received } from '../../src/client/received.ts'
import { type PositionChange, ResumePoint } from '../../src/client/resume-point.ts'
import { type Delivery, makeEvent } from '../../src/wire/frames.ts'
import { saidBy } from '../../src/wire/partition-counts.ts'
import { growthPosition, isSameLog, keyOf, type Log, type Position } from '../../src/wire/token.ts'
import { settled } from '../model/clock.ts'

const at = (offset: number): Position => ({ nameHash: 1, incarnationHash: 1, partition: 0, offset, generation: 0 })
const on = (offset: number) => ({ how: 'on', positions: [at(offset)] }) as const

function delivery(offset: number, size = 0): Delivery {
  const event = makeEvent({ subject: 'a', data: new Uint8Array(size) })
  return { kind: 'delivery', after: '', partition: 0, offset, event }
}

/** An inbox whose consumer does as `handle` says. */
function inboxOf(handle: (offset: number) => unknown, options: InboxOptions = { maxEvents: 4, maxBytes: 100_000 }) {
  const told: unknown[] = []
  const inbox: Inbox<unknown> = new Inbox(
    {
      item: (item: Received) => {
        told.push(item.kind === 'event' ? item.offset : item.reason)
        return handle(item.kind === 'event' ? item.offset : -1)
      },
      live: () => told.push('live'),
      state() {},
      refused() {},
      handled: () => {},
      room: () => told.push('room'),
      failed: (error) => told.push(String(error)),
    },
    options,
  )
  const stands = () => inbox.handled.positions[0]?.offset
  const give = (offset: number, size?: number) => inbox.event(delivery(offset, size), on(offset + 1))
  return { inbox, told, stands, give }
}

/** Handlers that the test settles, in order. */
function slowly() {
  const waiting: PromiseWithResolvers<void>[] = []
  const handle = () => {
    const one = Promise.withResolvers<void>()
    waiting.push(one)
    return one.promise
  }
  return { handle, waiting }
}

test('a consumer without promises receives everything at once, and its position follows', () => {
  const { told, stands, give } = inboxOf(() => undefined)
  for (let offset = 0; offset < 10; offset++) assert.equal(give(offset), true)
  assert.deepEqual(told, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  assert.equal(stands(), 10)
})

test('the next item waits until the promise of the previous one has settled, and only then that one counts', async () => {
  const { handle, waiting } = slowly()
  const { inbox, told, stands, give } = inboxOf(handle)
  give(0)
  give(1)
  inbox.live()
  await settled()
  assert.deepEqual([told, stands()], [[0], undefined])
  assert.equal(inbox.inHand.positions[0]!.offset, 1)
  waiting[0]!.resolve()
  await settled()
  assert.deepEqual([told, stands()], [[0, 1], 1])
  waiting[1]!.resolve()
  await settled()
  assert.deepEqual([told, stands()], [[0, 1, 'live'], 2])
})

test('a `live` mark from before a lost connection has no effect', async () => {
  const { handle, waiting } = slowly()
  const { inbox, told, give } = inboxOf(handle)
  give(0)
  inbox.live()
  inbox.state({ name: 'catching-up' })
  give(1)
  inbox.live()
  for (const i of [0, 1]) {
    waiting[i]!.resolve()
    await settled()
  }
  assert.deepEqual(told, [0, 1, 'live'])
})

test('a position that moves without an event waits for the items before it', async () => {
  const { handle, waiting } = slowly()
  const { inbox, stands, give } = inboxOf(handle)
  inbox.moved(on(3))
  assert.equal(stands(), 3)
  give(5)
  inbox.moved(on(9))
  inbox.moved({ how: 'to', positions: [at(4)] })
  assert.equal(stands(), 3)
  waiting[0]!.resolve()
  await settled()
  assert.equal(stands(), 4)
})

test('waiting moves have the same result as if each had been applied at once', async () => {
  const [single, ...twice] = [
    [2, 1],
    [1, 1],
    [1, 2],
  ].map(([nameHash, incarnationHash]) => ({ nameHash: nameHash!, incarnationHash: incarnationHash! }))
  const logs = [single!, ...twice]
  // Two streams, one of them in two incarnations; in a log generations rise with offsets.
  const at = fc
    .record({ log: fc.constantFrom(...logs), partition: fc.nat(1), offset: fc.nat(6) })
    .chain(({ log, ...at }) =>
      fc.constantFrom(at.offset, -1).map((generation): Position => ({ ...log, ...at, generation })),
    )
  // The number of partitions comes with a position in the stream, here of the one that is never
  // re-created: a resume point forgets the number with the last position in an incarnation.
  const told = fc.oneof(
    at.map((position) => [position]),
    fc.tuple(at, fc.nat(3)).map(([position, count]) => {
      const inStream = { ...position, ...single! }
      return [inStream, growthPosition(inStream, count)]
    }),
  )
  const move = fc.oneof(
    {
      weight: 1,
      arbitrary: fc.array(told, { maxLength: 3 }).map((all): PositionChange => ({ ...saidBy(all.flat()), how: 'all' })),
    },
    {
      weight: 8,
      arbitrary: fc.array(told, { maxLength: 3 }).map((all): PositionChange => ({ ...saidBy(all.flat()), how: 'on' })),
    },
    { weight: 2, arbitrary: at.map((position): PositionChange => ({ how: 'to', positions: [position] })) },
  )
  const offsets = ({ positions, counts }: ResumePoint) => {
    const isRead = (log: Log) => positions.some((each) => isSameLog(each, log))
    const said = counts.filter(isRead).map((each) => growthPosition(each, each.count))
    return Object.fromEntries([...positions, ...said].map((each) => [keyOf(each), each.offset]))
  }
  await fc.assert(
    fc.asyncProperty(fc.array(move, { maxLength: 8 }), fc.array(move, { maxLength: 12 }), async (before, waiting) => {
      const slow = slowly()
      const { inbox } = inboxOf(slow.handle)
      const place = new ResumePoint()
      for (const each of before) {
        inbox.moved(each)
        place.move(each)
      }
      inbox.event(delivery(0), undefined)
      for (const each of waiting) {
        inbox.moved(each)
        place.move(each)
      }
      assert.deepEqual(offsets(inbox.inHand), offsets(place))
      slow.waiting[0]!.resolve()
      await settled()
      assert.deepEqual(offsets(inbox.handled), offsets(place))
    }),
    { numRuns: 500 },
  )
})

test('it is full at its bound of events, and takes more again at a quarter of it', async () => {
  const { handle, waiting } = slowly()
  const { told, give } = inboxOf(handle)
  // One item is in hand, four wait.
  assert.deepEqual(
    [0, 1, 2, 3, 4].map((offset) => give(offset)),
    [true, true, true, true, false],
  )
  for (let i = 0; i < 4; i++) {
    assert.ok(!told.includes('room'))
    waiting[i]!.resolve()
    await settled()
  }
  assert.deepEqual(told, [0, 1, 2, 3, 'room', 4])
})

test('it is full at its bound of bytes', () => {
  const { give } = inboxOf(slowly().handle, { maxEvents: 100, maxBytes: 10_000 })
  assert.deepEqual(
    [0, 1, 2].map((offset) => give(offset, 6000)),
    [true, true, false],
  )
})

test('an item whose handler throws or rejects was not handled, and nothing follows it', async () => {
  for (const handle of [
    () => {
      throw new Error('broken')
    },
    () => Promise.reject(new Error('broken')),
  ]) {
    const { told, stands, give } = inboxOf(handle)
    give(0)
    give(1)
    await settled()
    assert.deepEqual([told, stands()], [[0, 'Error: broken'], undefined])
  }
})

test('once closed it hands over nothing, and the item in hand still counts', async () => {
  const { handle, waiting } = slowly()
  const { inbox, told, stands, give } = inboxOf(handle)
  give(0)
  give(1)
  inbox.close()
  waiting[0]!.resolve()
  await settled()
  assert.equal(give(2), false)
  assert.deepEqual([told, stands()], [[0], 1])
})
