import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeToken, encodeToken, growthPosition, type Log, logOf, type Position } from '../../src/wire/token.ts'
import { settled } from '../model/clock.ts'
import { clientOf, tornMs } from './clients.ts'
import { delivery, refused, token } from './fake-transport.ts'

test('with one shared position, subscriptions with the same start begin together', async () => {
  const { net, clock, subscribe } = await clientOf({ kinds: 'sse' })
  subscribe('a', ['earliest'])
  subscribe('b', ['earliest'])
  await clock.advance(0)
  assert.deepEqual(
    net.last.wishes.map(({ subject, after }) => [subject, after]),
    [
      ['a', ['earliest']],
      ['b', ['earliest']],
    ],
  )
})

test('with one shared position, a new subscription finds its own first, then all continue from the lowest', async () => {
  const { net, clock, subscribe, told } = await clientOf({ kinds: 'sse' })
  subscribe('a')
  await clock.advance(0)
  net.last.handlers.position(token(4))
  net.last.handlers.frame({ ...delivery('a', 6), stream: 'events', after: '' })
  net.last.handlers.position(token(7))
  subscribe('a.b')
  subscribe('b')
  await clock.advance(0)
  assert.equal(net.opened[0]!.closed, true)
  assert.deepEqual(
    net.last.wishes.map(({ subject, after }) => [subject, after]),
    [
      ['a.b', []],
      ['b', []],
    ],
  )
  net.last.handlers.position(token(9))
  await clock.advance(0)
  assert.deepEqual(
    net.last.wishes.map(({ subject, after }) => [subject, after]),
    [
      ['a', [token(7)]],
      ['a.b', [token(7)]],
      ['b', [token(7)]],
    ],
  )
  net.last.handlers.frame({ ...delivery('b', 8), stream: 'events', after: '' })
  net.last.handlers.frame({ ...delivery('a', 8), stream: 'events', after: '' })
  net.last.handlers.frame({ ...delivery('b', 9), stream: 'events', after: '' })
  assert.deepEqual(told, { a: [6, 8], 'a.b': [], b: [9] })
})

test('with one shared position, a subscription at or past it in another history is requested separately, to receive the gap', async () => {
  const { net, clock, subscribe } = await clientOf({ kinds: 'sse' })
  subscribe('a', [token(28, 0)])
  subscribe('b', [token(0, -1)])
  await clock.advance(0)
  net.last.handlers.position(token(0, -1))
  await clock.advance(0)
  assert.equal(net.opened.length, 1, 'no history is said')
  net.last.handlers.position(token(28, 1))
  net.last.handlers.frame({ kind: 'live', ref: 0 })
  await clock.advance(tornMs)
  assert.deepEqual(
    net.last.wishes.map(({ subject, after }) => [subject, after]),
    [['a', [token(28, 0)]]],
  )
  net.last.handlers.frame({ kind: 'live', ref: 0 })
  await clock.advance(0)
  assert.deepEqual(
    net.last.wishes.map(({ subject }) => subject),
    ['b'],
  )
  net.last.handlers.frame({ kind: 'live', ref: 0 })
  await clock.advance(0)
  assert.equal(net.last.wishes.length, 2)
  net.last.handlers.position(token(6, 1))
  await clock.advance(0)
  assert.equal(net.opened.length, 4, 'each has been told all that there was to tell')
})

for (const first of ['event', 'gap']) {
  test(`with one shared position, a poll whose ${first} is of a later history does not move a subscription that was further ahead`, async () => {
    const { net, clock, subscribe, told } = await clientOf({ kinds: 'poll' })
    const asked = () => net.last.wishes.map(({ subject, after }) => [subject, after])
    const further = subscribe('a', [token(16, 0)])
    subscribe('b', [token(10, 0)])
    await clock.advance(0)
    assert.deepEqual(asked(), [
      ['a', [token(10, 0)]],
      ['b', [token(10, 0)]],
    ])
    const gap = { kind: 'gap', stream: 'events', partition: 0, certain: false } as const
    const given = (offset: number) => net.last.handlers.frame({ ...delivery('a', offset), after: token(offset + 1, 1) })
    if (first === 'event') given(14)
    else net.last.handlers.frame({ ...gap, from: 10, to: 15, reason: 'budget', after: token(16, 1) })
    given(16)
    net.last.handlers.position(token(17, 1))
    assert.deepEqual([told.a, further.token], [[], token(16, 0)])
    await clock.advance(tornMs)
    assert.deepEqual(asked(), [['a', [token(16, 0)]]])
    net.last.handlers.frame({ ...gap, from: 14, to: 15, reason: 'rewritten', certain: true, after: token(14, 0) })
    for (const offset of [14, 15, 16]) given(offset)
    net.last.handlers.position(token(17, 1))
    assert.deepEqual(told.a, ['rewritten', 14, 15, 16])
    net.last.handlers.frame({ kind: 'live', ref: 0 })
    await clock.advance(0)
    assert.deepEqual(asked(), [
      ['a', [token(10, 0)]],
      ['b', [token(10, 0)]],
    ])
  })
}

const laterGap = {
  kind: 'gap',
  stream: 'events',
  partition: 0,
  from: 10,
  to: 10,
  reason: 'ttl',
  certain: true,
} as const

test('with one shared position, an SSE stream for a subscription further ahead in an earlier history is kept until it has reported the rewrite', async () => {
  const { net, clock, subscribe, told } = await clientOf({ kinds: 'sse' })
  const asked = () => net.last.wishes.map(({ subject }) => subject)
  subscribe('a', [token(16, 0)])
  subscribe('b', [token(10, 0)])
  await clock.advance(0)
  net.last.handlers.frame({ ...laterGap, after: token(11, 1) })
  await clock.advance(tornMs)
  assert.deepEqual(asked(), ['a'])
  net.last.handlers.position(token(16, 0))
  await clock.advance(0)
  net.last.handlers.frame({ ...laterGap, to: 15, reason: 'rewritten', after: token(10, 0) })
  assert.deepEqual(told.a, ['rewritten'])
  net.last.handlers.frame({ kind: 'live', ref: 0 })
  await clock.advance(0)
  assert.deepEqual(asked(), ['a', 'b'])
})

for (const kinds of ['sse', 'poll'] as const) {
  test(`with one shared position, a position of another history that no gateway reports on does not keep the others from their events, ${kinds}`, async () => {
    const { net, clock, subscribe, told } = await clientOf({ kinds })
    const asked = () => net.last.wishes.map(({ subject }) => subject)
    const carried = subscribe('a', [token(16, 0)])
    subscribe('b', [token(10, 0)])
    await clock.advance(0)
    for (const time of [1, 2, 3]) {
      assert.deepEqual(asked(), ['a', 'b'])
      net.last.handlers.frame({ ...laterGap, after: token(11, 1) })
      await clock.advance(2 ** time * tornMs)
      assert.deepEqual(asked(), ['a'], `${time}`)
      net.last.handlers.position(token(16, 0))
      net.last.handlers.frame({ kind: 'live', ref: 0 })
      await clock.advance(0)
    }
    assert.deepEqual(asked(), ['a', 'b'])
    net.last.handlers.frame({ ...laterGap, after: token(11, 1) })
    net.last.handlers.frame({
      ...delivery('b', 11),
      ...(kinds === 'sse' ? { stream: 'events', after: '' } : { after: token(12, 1) }),
    })
    assert.deepEqual([told.a, told.b, carried.token], [[], ['ttl', 11], token(16, 0)])
  })
}

test('with one shared position, a subscription that is up to date with another log than the gateway reads is requested separately again', async () => {
  const { net, clock, subscribe } = await clientOf({ kinds: 'sse' })
  const [old, made] = [logOf('events', 'one'), logOf('events', 'two')]
  const at = (log: Log, offset: number) => ({ ...log, partition: 0, offset, generation: -1 })
  const stands = (log: Log, offset: number) => encodeToken([at(log, offset), growthPosition(log, 1)])
  const says = (log: Log, offset: number) => encodeToken([at(log, offset), growthPosition(log, 1, 0)])
  const asked = () => net.last.wishes.map(({ subject }) => subject)
  const isTold = async (token: string) => {
    net.last.handlers.position(token)
    net.last.handlers.frame({ kind: 'live', ref: 0 })
    await clock.advance(0)
  }
  subscribe('a', [stands(old, 5)])
  subscribe('b', [stands(made, 3)])
  await clock.advance(0)
  assert.deepEqual(asked(), ['a'])
  await isTold(says(old, 5))
  assert.deepEqual(asked(), ['b'])
  await isTold(says(made, 3))
  assert.deepEqual(asked(), ['a', 'b'])
  await isTold(stands(old, 5))
  assert.deepEqual(asked(), ['a', 'b'], 'a stream that is only carried through says nothing of its logs')
  net.last.handlers.position(says(made, 3))
  await clock.advance(tornMs)
  assert.deepEqual(net.last.wishes, [{ ref: 1, subject: 'a', after: [says(old, 5)] }])
  const gap = { kind: 'gap', stream: 'events', partition: 0, from: 5, reason: 'recreated', certain: false } as const
  net.last.handlers.frame({ ...gap, after: stands(made, 0) })
  await isTold(says(made, 0))
  assert.deepEqual(asked(), ['a', 'b'])
  await isTold(says(made, 0))
  assert.equal(net.opened.length, 5, 'each has been told all of that log')
})

for (const first of ['event', 'gap']) {
  test(`with one shared position, a poll whose first ${first} is of another log than its subscriptions know moves none of them`, async () => {
    const { net, clock, subscribe, told } = await clientOf({ kinds: 'poll' })
    const [old, made] = [logOf('events', 'one'), logOf('events', 'two')]
    const at = (log: Log, partition: number, offset: number) => ({ ...log, partition, offset, generation: -1 })
    const inOld = [at(old, 0, 5), at(old, 1, 2), growthPosition(old, 2, 0)]
    const inBoth = [at(old, 1, 2), at(made, 0, 3), growthPosition(old, 2, 0)]
    const asked = () => net.last.wishes.map(({ subject }) => subject)
    const answers = async (...positions: Position[]) => {
      net.last.handlers.position(encodeToken(positions))
      net.last.handlers.frame({ kind: 'live', ref: 0 })
      await clock.advance(0)
    }
    const all = subscribe('*', [encodeToken(inOld)])
    subscribe('b', [encodeToken(inBoth)])
    await clock.advance(0)
    await answers(...inOld)
    assert.deepEqual(asked(), ['b'], 'its subject is in the other partition of the old log')
    await answers(...inBoth)
    assert.deepEqual(asked(), ['*', 'b'])
    assert.deepEqual(decodeToken(net.last.wishes[0]!.after[0]!), [...inOld, at(made, 0, 3)])
    const gap = { kind: 'gap', stream: 'events', partition: 0, certain: true } as const
    const after = encodeToken([at(made, 0, 4)])
    if (first === 'event') net.last.handlers.frame({ ...delivery('a', 3), after })
    else net.last.handlers.frame({ ...gap, from: 3, to: 3, n: 1, reason: 'ttl', after })
    assert.deepEqual(told, { '*': [], b: [] })
    assert.equal(all.token, encodeToken(inOld))
    await clock.advance(tornMs)
    assert.deepEqual(net.last.wishes, [{ ref: 1, subject: '*', after: [encodeToken(inOld)] }])
    net.last.handlers.frame({ ...gap, from: 5, reason: 'recreated', after: encodeToken([at(made, 0, 0)]) })
    net.last.handlers.frame({ ...delivery('a', 3), after })
    assert.deepEqual(told, { '*': ['recreated', 3], b: [] })
  })
}

test('with one shared position, and gateways that alternate and read different logs, requests are delayed until all are live together', async () => {
  const { net, clock, states, subscribe } = await clientOf({ kinds: 'sse' })
  const [old, made] = [logOf('events', 'one'), logOf('events', 'two')]
  const at = (log: Log, offset: number) => ({ ...log, partition: 0, offset, generation: -1 })
  const stands = (log: Log, offset: number) => encodeToken([at(log, offset), growthPosition(log, 1)])
  const isTold = (log: Log, offset: number) => {
    net.last.handlers.position(encodeToken([at(log, offset), growthPosition(log, 1, 0)]))
    net.last.handlers.frame({ kind: 'live', ref: 0 })
  }
  subscribe('a', [stands(old, 5)])
  subscribe('b', [stands(made, 3)])
  await clock.advance(0)
  isTold(old, 5)
  await clock.advance(0)
  isTold(made, 3)
  await clock.advance(0)
  /** Returns the time until the next request, once this one was left, ms. */
  const waitMs = async () => {
    const { length } = net.opened
    const sinceMs = clock.monotonicMs()
    while (net.opened.length === length) await clock.advance(1)
    return clock.monotonicMs() - sinceMs
  }
  const waits: number[] = []
  for (let i = 0; i < 4; i++) {
    assert.equal(net.last.wishes.length, 2)
    isTold(old, 5)
    assert.equal(states.at(-1), 'catching-up')
    waits.push(await waitMs())
    isTold(made, 3)
    await clock.advance(0)
  }
  assert.deepEqual(waits, [tornMs, 2 * tornMs, 4 * tornMs, 8 * tornMs])
  isTold(made, 3)
  await waitMs()
  const gap = { kind: 'gap', stream: 'events', partition: 0, from: 5, reason: 'recreated', certain: false } as const
  net.last.handlers.frame({ ...gap, after: stands(made, 0) })
  isTold(made, 0)
  await clock.advance(0)
  isTold(made, 0)
  assert.equal(states.at(-1), 'live')
  subscribe('c', [stands(logOf('events', 'three'), 1)])
  await clock.advance(0)
  isTold(made, 3)
  await clock.advance(0)
  isTold(logOf('events', 'three'), 1)
  await clock.advance(0)
  assert.equal(net.last.wishes.length, 3)
  isTold(made, 3)
  assert.equal(await waitMs(), tornMs, 'all had been told together')
})

test('with one shared position, an SSE stream that would carry a subscription into a new log is left also while as many others join', async () => {
  const { net, clock, subscribe, told } = await clientOf({ kinds: 'sse' })
  const [old, made] = [logOf('events', 'one'), logOf('events', 'two')]
  const stands = (log: Log, offset: number, generation = -1) =>
    encodeToken([{ ...log, partition: 0, offset, generation: -1 }, growthPosition(log, 1, generation)])
  const isTold = async (log: Log, offset: number) => {
    net.last.handlers.position(stands(log, offset, 0))
    net.last.handlers.frame({ kind: 'live', ref: 0 })
    await clock.advance(0)
  }
  subscribe('a', [stands(old, 5)])
  subscribe('b', [stands(made, 3)])
  await clock.advance(0)
  await isTold(old, 5)
  await isTold(made, 3)
  assert.equal(net.last.wishes.length, 2)
  subscribe('c')
  subscribe('d')
  net.last.handlers.position(stands(made, 3, 0))
  net.last.handlers.frame({ ...delivery('a', 7), stream: 'events', after: '' })
  assert.deepEqual([net.last.closed, told.a], [true, []])
})

test('with one shared position, a refused request is repeated for each alone, and only the one at fault ends; if there is none, the newest', async () => {
  const { net, clock, subscribe, told } = await clientOf({ kinds: 'sse' })
  subscribe('a', [token(1)])
  subscribe('b', [token(1)])
  subscribe('c', [token(1)])
  await clock.advance(0)
  const asked = () => net.last.wishes.map(({ subject }) => subject)
  net.last.handlers.closed(refused('no_route', 0, 'no'))
  await clock.advance(0)
  assert.deepEqual(asked(), ['a'])
  net.last.handlers.position(token(2))
  await clock.advance(0)
  assert.deepEqual(asked(), ['b'])
  net.last.handlers.closed(refused('no_route', 0, 'no'))
  await clock.advance(0)
  assert.deepEqual(asked(), ['c'])
  net.last.handlers.position(token(2))
  await clock.advance(0)
  assert.deepEqual(asked(), ['a', 'c'])
  assert.deepEqual(told, { a: [], b: ['closed no_route'], c: [] })
  // Each succeeds alone: together they are too many.
  net.last.handlers.closed(refused('bad_request', 0, 'no'))
  await clock.advance(0)
  assert.deepEqual(told, { a: [], b: ['closed no_route'], c: ['closed bad_request'] })
  assert.deepEqual(asked(), ['a'])
})

test('with one shared position, the rest of a refused request is requested alone, whichever was at fault', async () => {
  const { net, clock, subscribe, told } = await clientOf({ kinds: 'sse' })
  subscribe('a', [token(1)])
  const leaving = subscribe('b', [token(1)])
  await clock.advance(0)
  leaving.close()
  net.last.handlers.closed(refused('no_route', 0, 'no'))
  await clock.advance(0)
  assert.deepEqual(
    net.last.wishes.map(({ subject }) => subject),
    ['a'],
  )
  assert.deepEqual(told.a, [])
})

for (const leaves of ['is closed', 'has no room']) {
  test(`with one shared position, no position of a subscription that ${leaves} passes to the one that is left`, async () => {
    const log = logOf('events', 'one')
    const after = (count: number, ...offsets: number[]) =>
      encodeToken([
        ...offsets.map((offset, partition) => ({ ...log, partition, offset, generation: 0 })),
        growthPosition(log, count, 0),
      ])
    const { client, net, clock, subscribe, told } = await clientOf({
      kinds: 'poll',
      inbox: { maxEvents: 1, maxBytes: 1e6 },
    })
    const slow = client.subscribe('b', { after: after(2, 5, 2), onEvent: () => new Promise(() => {}), onGap: () => {} })
    const left = subscribe('a', [after(1, 5)])
    await clock.advance(0)
    assert.deepEqual(
      net.last.wishes.map((wish) => wish.after),
      [[after(1, 5, 2)], [after(1, 5, 2)]],
    )
    const { handlers } = net.last
    if (leaves === 'is closed') slow.close()
    else for (const offset of [5, 6]) handlers.frame(delivery('b', offset))
    handlers.position(after(1, 7, 2))
    await clock.advance(0)
    assert.deepEqual(
      net.last.wishes.map((wish) => [wish.subject, ...wish.after]),
      [['a', after(1, 7)]],
    )
    assert.equal(left.token, after(1, 7))
    const gap = { kind: 'gap', stream: 'events', partition: 1, certain: true } as const
    const at = (offset: number) => encodeToken([{ ...log, partition: 1, offset, generation: 0 }])
    net.last.handlers.frame({ ...gap, from: 0, reason: 'repartitioned', after: after(2, 7, 0) })
    net.last.handlers.frame({ ...delivery('a', 0), partition: 1, after: at(1) })
    net.last.handlers.frame({ ...gap, from: 1, to: 1, n: 1, reason: 'ttl', after: at(2) })
    assert.deepEqual(told.a, ['repartitioned', 0, 'ttl'])
  })
}

test('with one shared position, an inbox with less room than a stream has new partitions receives the gaps of all of them', async () => {
  const log = logOf('events', 'one')
  const after = (count: number, ...partitions: number[]) =>
    encodeToken([
      ...partitions.map((partition) => ({ ...log, partition, offset: 0, generation: -1 })),
      growthPosition(log, count, 0),
    ])
  const { client, net, clock } = await clientOf({ kinds: 'poll', inbox: { maxEvents: 2, maxBytes: 1e6 } })
  const told: number[] = []
  const handler = async ({ partition }: { partition: number }) => void told.push(partition)
  const subscription = client.subscribe('*', { after: after(1, 0), onEvent: handler, onGap: handler })
  const gap = { kind: 'gap', stream: 'events', from: 0, reason: 'repartitioned', certain: false } as const
  const partitions = [1, 2, 3, 4, 5, 6, 7]
  for (let answers = 0; answers < 5 && subscription.state.name !== 'live'; answers++) {
    await clock.advance(0)
    const { handlers } = net.last
    for (const partition of partitions) {
      if (!net.last.closed) handlers.frame({ ...gap, partition, after: after(8, partition) })
    }
    handlers.position(after(8, 0, ...partitions))
    handlers.frame({ kind: 'live', ref: 0 })
    await settled()
  }
  assert.deepEqual([subscription.state.name, told], ['live', partitions])
})
