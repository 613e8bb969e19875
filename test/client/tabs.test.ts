import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { Client } from '../../src/client/client.ts'
import { inboxDefaults } from '../../src/client/inbox.ts'
import type { ReceivedEvent, ReceivedGap } from '../../src/client/received.ts'
import type { SubscribeOptions } from '../../src/client/subscription.ts'
import { decodeSaid } from '../../src/wire/partition-counts.ts'
import { decodeToken, encodeToken, growthPosition, logOf } from '../../src/wire/token.ts'
import { ManualClock, settled } from '../model/clock.ts'
import { FakeBrowser } from './fake-browser.ts'
import { delivery, FakeEnvironment, FakeNet, refused, token } from './fake-transport.ts'

/** A token of one partition, with the count that a gateway reports. */
function withGrowth(offset: number, count: number): string {
  const position = decodeToken(token(offset))[0]!
  return encodeToken([position, growthPosition(position, count)])
}

/** The group of the tabs in these tests. */
const group = JSON.stringify(['carillon', 'app', ['http://one'], null, null, null, null, null])

/** Tabs of one browser and their network. */
async function tabs(count: number, separate = true, hiddenMs = Number.POSITIVE_INFINITY) {
  const browser = new FakeBrowser()
  const net = new FakeNet()
  const clock = new ManualClock()
  const random = seededRandom(1)
  const all = Array.from({ length: count }, () => {
    const tab = browser.open()
    const environment = new FakeEnvironment(tab)
    const ways = [net.transport(separate ? 'ws' : 'sse', separate)]
    const client = new Client(['http://one'], { tabs: 'app', ways, clock, random, environment, hiddenMs })
    const told: unknown[] = []
    const gaps: ReceivedGap[] = []
    const follow = (subject: string, options: SubscribeOptions = {}) => {
      return client.subscribe(subject, {
        ...options,
        onEvent: ({ offset }) => told.push(offset),
        onGap: (gap) => {
          told.push(gap.reason)
          gaps.push(gap)
        },
        onClosed: ({ code }) => told.push(code),
      })
    }
    return { client, told, gaps, follow, tab, environment }
  })
  await settled()
  return { all, net, clock, browser }
}

async function live(net: FakeNet, clock: ManualClock, offset = 3): Promise<void> {
  for (let i = 0; i < 4; i++) await clock.advance(1)
  const wishes = [...net.last.wishes, ...net.last.asked.filter((each) => typeof each === 'object')]
  for (const { ref } of wishes as { ref: number }[]) {
    net.last.handlers.frame({ kind: 'subscribed', ref, after: token(offset) })
    net.last.handlers.frame({ kind: 'live', ref })
  }
  await settled()
}

test('all tabs share the connection of one', async () => {
  const { all, net, clock } = await tabs(3)
  const subscriptions = all.map(({ follow }, i) => follow(i === 2 ? 'b' : 'a'))
  await live(net, clock)
  assert.equal(net.opened.length, 1)
  net.last.handlers.frame(delivery('a', 5))
  net.last.handlers.frame(delivery('b', 6))
  await settled()
  assert.deepEqual(
    all.map(({ told }) => told),
    [[5], [5], [6]],
  )
  assert.deepEqual(
    subscriptions.map(({ state }) => state.name),
    ['live', 'live', 'live'],
  )
  assert.equal(subscriptions[1]!.token, token(6))
})

test('gaps and refusals reach the tab that they concern', async () => {
  const { all, net, clock } = await tabs(2)
  all[0]!.follow('a')
  const other = all[1]!.follow('b')
  await live(net, clock)
  const ref = (net.last.asked.find((each) => typeof each === 'object') as { ref: number }).ref
  const gap = { kind: 'gap', stream: 's', partition: 0, from: 6, to: 7, reason: 'retention', certain: true } as const
  net.last.handlers.frame({ ...gap, after: token(8), refs: [ref] })
  net.last.handlers.frame({ kind: 'error', ref, code: 'no_route', message: '', retry: 'no', retryAfterMs: 0 })
  await settled()
  assert.deepEqual([all[0]!.told, all[1]!.told], [[], ['retention', 'no_route']])
  assert.equal((await other.closed).code, 'no_route')
})

test('`last` and `policy` go through the leader tab, and counts come back', async () => {
  const { all, net, clock } = await tabs(2)
  all[0]!.follow('a')
  const counts: unknown[] = []
  const onGap = ({ reason, n }: ReceivedGap) => void counts.push([reason, n])
  all[1]!.client.subscribe('b', { last: 3, policy: 'latest', onEvent() {}, onGap })
  await live(net, clock)
  const asked = () => [...net.last.wishes, ...net.last.asked].filter((each) => typeof each === 'object')
  assert.deepEqual(asked().at(-1), { ref: 2, subject: 'b', after: [], last: 3, policy: 'latest' })
  const gap = { kind: 'gap', stream: 's', partition: 0, from: 6, to: 7, n: 2, reason: 'latest', certain: true } as const
  net.last.handlers.frame({ ...gap, after: token(8), refs: [2] })
  await settled()
  assert.deepEqual(counts, [['latest', 2]])
  await all[0]!.client.close()
  for (let i = 0; i < 4; i++) await clock.advance(1)
  assert.deepEqual(asked(), [{ ref: 1, subject: 'b', after: [token(8)], policy: 'latest' }])
})

test('when the leader tab closes, another one connects, and each resumes where it was', async () => {
  const { all, net, clock } = await tabs(3)
  const [first, second, third] = all
  for (const { follow } of all) follow('a')
  await live(net, clock)
  net.last.handlers.frame(delivery('a', 5))
  await settled()
  await first!.client.close()
  await settled()
  await live(net, clock, 6)
  assert.equal(net.opened.length, 2)
  const asked = [...net.last.wishes, ...net.last.asked] as { subject: string; after: string[] }[]
  assert.deepEqual(
    asked.map(({ subject, after }) => [subject, after]),
    [
      ['a', [token(6)]],
      ['a', [token(6)]],
    ],
  )
  net.last.handlers.frame(delivery('a', 5))
  net.last.handlers.frame(delivery('a', 7))
  await settled()
  assert.deepEqual(
    [second!.told, third!.told],
    [
      [5, 7],
      [5, 7],
    ],
  )
})

test('a tab that closes removes its subscriptions', async () => {
  const { all, net, clock } = await tabs(2)
  all[0]!.follow('a')
  all[1]!.follow('b')
  await live(net, clock)
  await all[1]!.client.close()
  await settled()
  assert.deepEqual(net.last.asked.at(-1), 2)
})

test('tabs wait together while there is no connection, and continue together', async () => {
  const { all, net, clock } = await tabs(2)
  const [, other] = all.map(({ follow }) => follow('a'))
  await live(net, clock)
  net.last.handlers.closed(refused('lost'))
  await settled()
  assert.equal(other!.state.name, 'waiting')
  await clock.advance(20_000)
  await live(net, clock)
  await live(net, clock)
  net.last.handlers.frame(delivery('a', 9))
  await settled()
  assert.deepEqual([all[0]!.told, all[1]!.told], [[9], [9]])
})

test('a leader whose connection does not send positions with each event passes them on as they arrive', async () => {
  const { all, net, clock } = await tabs(2, false)
  const [, other] = all.map(({ follow }) => follow('a'))
  for (let i = 0; i < 4; i++) await clock.advance(1)
  net.last.handlers.position(token(3))
  for (let i = 0; i < 4; i++) await clock.advance(1)
  assert.equal(net.last.wishes.length, 2)
  net.last.handlers.frame({ ...delivery('a', 5), stream: 'events', after: '' })
  net.last.handlers.frame({ kind: 'live', ref: 0 })
  net.last.handlers.position(token(8))
  await settled()
  assert.deepEqual([all[1]!.told, other!.token, other!.state.name], [[5], token(8), 'live'])
})

test('a follower that takes nothing is dropped, and resumes after what it had', async () => {
  const { all, net, clock, browser } = await tabs(2)
  const [first, second] = all
  first!.follow('a')
  second!.follow('b')
  await live(net, clock)
  browser.frozen = true
  for (let offset = 3; offset < 4110; offset++) net.last.handlers.frame(delivery('b', offset))
  await settled()
  assert.equal(net.last.asked.at(-1), 2)
  browser.frozen = false
  await settled()
  // Three frames came before: the answer, its start, `live`.
  assert.equal(second!.told.length, 4093)
  await clock.advance(20_000)
  assert.deepEqual(net.last.asked.at(-1), { ref: 3, subject: 'b', after: [token(4096)] })
})

test('a follower that takes its events is served, however many they are', async () => {
  const { all, net, clock } = await tabs(2)
  const [first, second] = all
  first!.follow('a')
  second!.follow('b')
  await live(net, clock)
  const asked = net.last.asked.length
  for (let offset = 3; offset < 6003; offset++) {
    net.last.handlers.frame(delivery('b', offset))
    if (offset % 200 === 0) await settled()
  }
  await settled()
  assert.deepEqual([second!.told.length, net.last.asked.length], [6000, asked])
})

test('a follower that was dropped as gone learns it with its next message', async () => {
  const { all, net, clock, browser } = await tabs(1)
  all[0]!.follow('a')
  await live(net, clock)
  const heard: object[] = []
  const channel = browser.open().join(group, (message) => heard.push(message as object))
  const say = async (kind: string) => {
    channel.post({ kind: 'to-host', from: 'x', asks: { kind } })
    await settled()
    return heard.splice(0).map((message) => ({ ...message, by: 'the first' }))
  }
  const nobody = { kind: 'to-guest', by: 'the first', to: 'x', frame: undefined }
  assert.deepEqual(await say('alive'), [nobody])
  assert.equal((await say('open')).length, 1)
  await clock.advance(100_000)
  assert.notDeepEqual(await say('alive'), [nobody])
  await clock.advance(500_000)
  assert.deepEqual(await say('alive'), [nobody])
})

/** Closes the leader tab. Returns the request on the next connection. */
async function askedAfterHandOver({ all, net, clock }: Awaited<ReturnType<typeof tabs>>) {
  await all[0]!.client.close()
  await settled()
  for (let i = 0; i < 10; i++) await clock.advance(100)
  return net.last.wishes.map(({ subject, after, last }) => ({ subject, after, last }))
}

test('a follower without events knows its position as soon as the shared connection sends it, before it is live', async () => {
  for (const start of [{}, { last: 2 }]) {
    const group = await tabs(2, false)
    const { all, net, clock } = group
    all[1]!.follow('b', start)
    for (let i = 0; i < 4; i++) await clock.advance(1)
    net.last.handlers.position(token(3))
    await settled()
    assert.deepEqual(await askedAfterHandOver(group), [{ subject: 'b', after: [token(3)], last: undefined }])
  }
})

test('a follower whose first events have positions resumes after them when the leader tab closes', async () => {
  const group = await tabs(2, false)
  const { all, net, clock } = group
  all[1]!.follow('b', { last: 3 })
  for (let i = 0; i < 4; i++) await clock.advance(1)
  net.last.handlers.frame(delivery('b', 5))
  net.last.handlers.frame(delivery('b', 6))
  net.last.handlers.position(token(9))
  await settled()
  assert.deepEqual(all[1]!.told, [5, 6])
  assert.deepEqual(await askedAfterHandOver(group), [{ subject: 'b', after: [token(9)], last: undefined }])
})

test('a follower that holds events resumes after them, though nothing has reported its position', async () => {
  const group = await tabs(2, false)
  const { all, net, clock } = group
  all[1]!.follow('b')
  for (let i = 0; i < 4; i++) await clock.advance(1)
  net.last.handlers.frame(delivery('b', 5))
  await settled()
  assert.deepEqual(await askedAfterHandOver(group), [{ subject: 'b', after: [token(6)], last: undefined }])
})

test('a follower that can not keep up before it knows its position resumes after what it took', async () => {
  const { all, net, clock } = await tabs(2, false)
  let finish = () => {}
  const taken = new Promise<void>((resolve) => {
    finish = resolve
  })
  const told: unknown[] = []
  const onEvent = ({ offset }: ReceivedEvent) => {
    told.push(offset)
    return taken
  }
  all[1]!.client.subscribe('b', { onEvent, onGap() {} })
  for (let i = 0; i < 4; i++) await clock.advance(1)
  for (let offset = 0; offset < 2 * inboxDefaults.maxEvents; offset++) net.last.handlers.frame(delivery('b', offset))
  await settled()
  net.last.handlers.position(token(5000))
  await settled()
  finish()
  for (let i = 0; i < 10; i++) await clock.advance(100)
  assert.equal(told.length, 2 * inboxDefaults.maxEvents)
  assert.deepEqual(net.last.wishes[0]?.after, [token(5000)])
})

test('a quiet subscription of a follower stays near the head, in one message however often the gateway sends the position', async () => {
  const { all, net, clock, browser } = await tabs(2)
  const [, guest] = all.map(({ follow }, i) => follow(i === 0 ? 'a' : 'b'))
  await live(net, clock)
  const heard: unknown[] = []
  browser.open().join(group, (message) => heard.push(message))
  for (let i = 1; i <= 100; i++) net.last.handlers.frame({ kind: 'pong', t: 0, nowUs: 0, after: token(1000 * i) })
  await clock.advance(25_000)
  assert.equal(guest!.token, token(100_000))
  assert.equal(heard.length, 3)
  for (let i = 0; i < 100; i++) net.last.handlers.frame(delivery('a', 200_000 + i))
  await clock.advance(25_000)
  assert.equal(guest!.token, token(200_100))
  assert.equal(heard.length, 6)
  await clock.advance(25_000)
  assert.equal(heard.length, 8)
})

test('a follower with many quiet subscriptions receives their positions as rarely as with one, however many events others have', async () => {
  const { all, net, clock, browser } = await tabs(2)
  const quiet = 600
  all[0]!.follow('a')
  const subscriptions = Array.from({ length: quiet }, (_, i) => all[1]!.follow(`b.${i}`))
  await live(net, clock)
  let offset = 10
  const event = () => net.last.handlers.frame(delivery('a', offset++))
  browser.frozen = true
  event()
  await clock.advance(21_000)
  // The answer to its sign of life is a position for each of them. Meanwhile others have an event
  // for every 50 messages.
  let messages = 0
  for (
    let batch = browser.posted.splice(0);
    batch.length > 0 && messages < 10 * quiet;
    batch = browser.posted.splice(0)
  )
    for (const deliver of batch) {
      if (++messages % 50 === 0) event()
      deliver()
    }
  assert.ok(messages < 1.1 * quiet, `${messages} messages`)
  const offsets = subscriptions.map((each) => decodeToken(each.token!)[0]!.offset)
  assert.equal(Math.min(...offsets), 11)
})

test('over a shared connection, a quiet subscription of a follower stays near the head as well, live or not', async () => {
  for (const isLive of [false, true]) {
    const { all, net, clock } = await tabs(2, false)
    const [, guest] = all.map(({ follow }, i) => follow(i === 0 ? 'a' : 'b'))
    for (let i = 0; i < 4; i++) await clock.advance(1)
    net.last.handlers.position(token(3))
    for (let i = 0; i < 4; i++) await clock.advance(1)
    if (isLive) net.last.handlers.frame({ kind: 'live', ref: 0 })
    net.last.handlers.frame(delivery('a', 70))
    net.last.handlers.position(token(71))
    await clock.advance(25_000)
    assert.equal(guest!.token, token(71))
  }
})

test('the leader tab sends the positions of its followers before it closes, and before it waits', async () => {
  for (const closes of [true, false]) {
    const { all, net, clock } = await tabs(2)
    const [, guest] = all.map(({ follow }, i) => follow(i === 0 ? 'a' : 'b'))
    await live(net, clock)
    net.last.handlers.frame({ kind: 'pong', t: 0, nowUs: 0, after: token(1000) })
    if (closes) await all[0]!.client.close()
    else net.last.handlers.closed(refused('lost'))
    await settled()
    assert.equal(guest!.token, token(1000))
  }
})

test('the position of a follower is never ahead of what it received', async () => {
  const { all, net, clock, browser } = await tabs(2)
  const [, guest] = all.map(({ follow }, i) => follow(i === 0 ? 'a' : 'b'))
  await live(net, clock)
  browser.frozen = true
  net.last.handlers.frame(delivery('b', 5))
  net.last.handlers.frame({ kind: 'pong', t: 0, nowUs: 0, after: token(1000) })
  net.last.handlers.closed(refused('lost'))
  assert.equal(guest!.token, token(3))
  const seen: unknown[] = []
  for (const deliver of browser.posted.splice(0)) {
    deliver()
    seen.push([all[1]!.told.length, guest!.token])
  }
  assert.deepEqual(seen.slice(0, 2), [
    [1, token(6)],
    [1, token(1000)],
  ])
})

test('a follower with an event every few seconds does not count as gone', async () => {
  const { all, net, clock } = await tabs(2)
  all.map(({ follow }) => follow('a'))
  await live(net, clock)
  for (let i = 0; i < 60; i++) {
    net.last.handlers.frame(delivery('a', 5 + i))
    await clock.advance(10_000)
  }
  assert.equal(all[1]!.told.length, 60)
  assert.deepEqual(net.last.asked, [{ ref: 2, subject: 'a', after: [] }])
})

test('a gap that does not move the resume point of the leader does not move that of the follower', async () => {
  const { all, net, clock } = await tabs(2, false)
  const [, guest] = all.map(({ follow }, i) => follow(i === 0 ? 'a' : 'b'))
  for (let i = 0; i < 4; i++) await clock.advance(1)
  net.last.handlers.position(withGrowth(50, 4))
  for (let i = 0; i < 4; i++) await clock.advance(1)
  net.last.handlers.frame({ kind: 'live', ref: 0 })
  const gap = { kind: 'gap', stream: 'events', partition: 0, from: 2, certain: false } as const
  net.last.handlers.frame({ ...gap, reason: 'repartitioned', after: withGrowth(20, 6) })
  await settled()
  assert.deepEqual([all[1]!.told, guest!.state.name], [['repartitioned'], 'live'])
  assert.equal(guest!.token, withGrowth(50, 4))
  assert.equal(all[1]!.client.state.name, 'live')
  const [own, others] = all.map(({ gaps }) => gaps)
  assert.equal(others![0]!.after, withGrowth(20, 6))
  assert.deepEqual(others, own)
})

for (const reason of ['recreated', 'repartitioned'] as const) {
  test(`over a shared connection, a follower knows the number of partitions once all are reported: ${reason}`, async () => {
    const { all, net, clock } = await tabs(2, false)
    const guests = ['b', 'b.*'].map((subject) => all[1]!.follow(subject))
    for (let i = 0; i < 4; i++) await clock.advance(1)
    net.last.handlers.position(withGrowth(50, 2))
    for (let i = 0; i < 4; i++) await clock.advance(1)
    net.last.handlers.frame({ kind: 'live', ref: 0 })
    await settled()
    const known = () => guests.map(({ token }) => decodeSaid(token!).counts.map(({ count }) => count))
    const now = reason === 'recreated' ? logOf('events', 'two') : logOf('events', 'one')
    const at = (partition: number) => ({ ...now, partition, offset: 0, generation: -1 })
    for (const partition of [1, 2, 3]) {
      const after = encodeToken([at(partition), growthPosition(now, 4)])
      const gap = { kind: 'gap', stream: 'events', partition, from: 0, certain: false, reason, after } as const
      net.last.handlers.frame(gap)
      await settled()
      assert.deepEqual(known(), [[2], [2]], `of partition ${partition}`)
      assert.equal(all[1]!.gaps.at(-1)!.after, after)
    }
    net.last.handlers.position(encodeToken([at(0), at(1), at(2), at(3), growthPosition(now, 4, 0)]))
    await settled()
    assert.deepEqual(
      known().map((counts) => counts.at(-1)),
      [4, 4],
    )
  })
}

test('a subject of a follower knows new partitions once the leader tab does', async () => {
  const { all, net, clock } = await tabs(2)
  const [, guest] = all.map(({ follow }, i) => follow(i === 0 ? 'a' : 'b'))
  await live(net, clock)
  const gap = { kind: 'gap', stream: 'events', partition: 0, from: 3, certain: false, reason: 'repartitioned' } as const
  net.last.handlers.frame({ ...gap, after: withGrowth(3, 6), refs: [2] })
  await settled()
  assert.equal(guest!.token, token(3))
  net.last.handlers.frame({ ...delivery('b', 3), refs: [2] })
  await settled()
  assert.equal(guest!.token, withGrowth(4, 6))
})

test('while the leader tab is frozen, another one connects by itself, and comes back once the leader answers', async () => {
  const { all, net, clock } = await tabs(2)
  const [leader, guest] = all
  leader!.follow('a')
  const subscription = guest!.follow('b')
  await live(net, clock)
  const shared = net.last
  shared.handlers.frame(delivery('b', 5))
  await settled()
  leader!.tab.frozen = true
  await clock.advance(30_000)
  const own = net.last
  assert.deepEqual(
    own.wishes.map(({ subject, after }) => [subject, after]),
    [['b', [token(6)]]],
  )
  own.handlers.frame({ kind: 'subscribed', ref: 1, after: token(6) })
  own.handlers.frame({ kind: 'live', ref: 1 })
  own.handlers.frame(delivery('b', 7))
  assert.deepEqual([guest!.told, subscription.state.name], [[5, 7], 'live'])
  leader!.tab.frozen = false
  await clock.advance(40_000)
  assert.equal(own.closed, true)
  const asked = shared.asked.at(-1) as { ref: number; subject: string; after: string[] }
  assert.deepEqual([asked.subject, asked.after], ['b', [token(8)]])
  shared.handlers.frame({ kind: 'subscribed', ref: asked.ref, after: token(8) })
  shared.handlers.frame(delivery('b', 9, [asked.ref]))
  await settled()
  assert.deepEqual([guest!.told, net.opened.length], [[5, 7, 9], 2])
})

test('a tab that is seen again without an answer connects by itself within seconds', async () => {
  const { all, net, clock } = await tabs(2)
  const [leader, guest] = all
  for (const { follow } of all) follow('a')
  await live(net, clock)
  leader!.tab.frozen = true
  guest!.environment.happens('visible')
  await clock.advance(5000)
  assert.equal(net.opened.length, 2)
})

test('a tab that is frozen before others come holds the lock, and they connect by themselves', async () => {
  const { all, net, clock } = await tabs(2)
  const [leader, guest] = all
  leader!.follow('a')
  await live(net, clock)
  leader!.tab.frozen = true
  guest!.follow('b')
  await clock.advance(3000)
  assert.deepEqual(
    net.last.wishes.map(({ subject }) => subject),
    ['b'],
  )
})

test('while the leader tab has no connection, its followers wait with it and do not connect by themselves', async () => {
  const { all, net, clock } = await tabs(2)
  const [leader, guest] = all
  leader!.follow('a')
  await live(net, clock)
  net.last.handlers.closed(refused('lost'))
  const other = guest!.follow('b')
  for (let i = 0; i < 60; i++) {
    await clock.advance(1000)
    if (!net.last.closed) net.last.handlers.closed(refused('shutting_down'))
  }
  assert.ok(net.opened.every(({ wishes }) => wishes.every(({ subject }) => subject === 'a')))
  const { state } = other
  assert.ok(state.name === 'waiting' && ['shutting_down', 'lost'].includes(state.reason.code), JSON.stringify(state))
  assert.ok(net.opened.length > 4)
})

test('a leader tab that closes its connection because it is hidden leaves its followers to connect by themselves', async () => {
  const { all, net, clock } = await tabs(2, true, 1000)
  const [leader, guest] = all
  leader!.follow('a')
  guest!.follow('b')
  await live(net, clock)
  leader!.environment.happens('hidden')
  await clock.advance(15_000)
  assert.deepEqual(
    net.last.wishes.map(({ subject }) => subject),
    ['b'],
  )
  assert.deepEqual(
    net.opened.map(({ closed }) => closed),
    [true, false],
  )
})
