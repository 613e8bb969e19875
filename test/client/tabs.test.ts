import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { Client } from '../../src/client/client.ts'
import type { TabMeeting } from '../../src/client/environment.ts'
import type { Received, ReceivedGap } from '../../src/client/received.ts'
import type { SubscribeOptions } from '../../src/client/subscription.ts'
import { ManualClock, settled } from '../model/clock.ts'
import { delivery, FakeEnvironment, FakeNet, token } from './fake-transport.ts'

/** A browser's locks and channels. */
class Browser implements TabMeeting {
  readonly #waiting: (() => void)[] = []
  readonly #listeners = new Set<(message: unknown) => void>()
  #held = false
  /** What was posted while the tabs were frozen. */
  readonly posted: (() => void)[] = []
  #frozen = false

  set frozen(frozen: boolean) {
    this.#frozen = frozen
    if (!frozen) for (const deliver of this.posted.splice(0)) deliver()
  }

  lead(_name: string, granted: () => void): () => void {
    this.#waiting.push(granted)
    queueMicrotask(() => this.#grant())
    let isMine = false
    this.#waiting[this.#waiting.indexOf(granted)] = () => {
      isMine = true
      granted()
    }
    return () => {
      if (!isMine) return
      this.#held = false
      queueMicrotask(() => this.#grant())
    }
  }

  join(_name: string, heard: (message: unknown) => void) {
    const own = (message: unknown) => heard(structuredClone(message))
    this.#listeners.add(own)
    return {
      post: (message: unknown) => {
        const deliver = () => {
          for (const other of this.#listeners) if (other !== own) other(message)
        }
        if (this.#frozen) this.posted.push(deliver)
        else queueMicrotask(deliver)
      },
      close: () => this.#listeners.delete(own),
    }
  }

  #grant(): void {
    if (this.#held || this.#waiting.length === 0) return
    this.#held = true
    this.#waiting.shift()!()
  }
}

/** Tabs of one browser; their one network. */
async function tabs(count: number, separate = true) {
  const browser = new Browser()
  const net = new FakeNet()
  const clock = new ManualClock()
  const random = seededRandom(1)
  const all = Array.from({ length: count }, () => {
    const environment = new FakeEnvironment(browser)
    const ways = [net.transport(separate ? 'ws' : 'sse', separate)]
    const client = new Client(['http://one'], { tabs: 'app', ways, clock, random, environment })
    const told: unknown[] = []
    const follow = (subject: string, options: SubscribeOptions = {}) => {
      const item = (each: Received) => void told.push(each.kind === 'event' ? each.offset : each.reason)
      return client.subscribe(subject, {
        ...options,
        onEvent: item,
        onGap: item,
        onClosed: ({ code }) => told.push(code),
      })
    }
    return { client, told, follow }
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

test('all tabs follow over the connection of one', async () => {
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

test('gaps and refusals reach the tab that they are about', async () => {
  const { all, net, clock } = await tabs(2)
  all[0]!.follow('a')
  const other = all[1]!.follow('b')
  await live(net, clock)
  const ref = (net.last.asked.find((each) => typeof each === 'object') as { ref: number }).ref
  const gap = { kind: 'gap', stream: 's', partition: 0, from: 6, to: 7, reason: 'retention', certain: true } as const
  net.last.handlers.frame({ ...gap, after: token(8), refs: [ref] })
  net.last.handlers.frame({ kind: 'error', ref, code: 'no_route', message: '', retryAfterMs: 0 })
  await settled()
  assert.deepEqual([all[0]!.told, all[1]!.told], [[], ['retention', 'no_route']])
  assert.equal((await other.closed).code, 'no_route')
})

test('`last` and `policy` are asked for through the tab with the connection, and counts come back', async () => {
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

test('when the tab with the connection closes, another one connects, and each goes on where it was', async () => {
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

test('a tab that closes takes its subscriptions with it', async () => {
  const { all, net, clock } = await tabs(2)
  all[0]!.follow('a')
  all[1]!.follow('b')
  await live(net, clock)
  await all[1]!.client.close()
  await settled()
  assert.deepEqual(net.last.asked.at(-1), 2)
})

test('tabs wait together while there is no connection, and go on together', async () => {
  const { all, net, clock } = await tabs(2)
  const [, other] = all.map(({ follow }) => follow('a'))
  await live(net, clock)
  net.last.handlers.closed(undefined)
  await settled()
  assert.equal(other!.state.name, 'waiting')
  await clock.advance(20_000)
  await live(net, clock)
  await live(net, clock)
  net.last.handlers.frame(delivery('a', 9))
  await settled()
  assert.deepEqual([all[0]!.told, all[1]!.told], [[9], [9]])
})

test('a tab whose connection does not say positions with each event passes them on as they come', async () => {
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

test('a tab that takes nothing is let go of, and comes back behind what it had', async () => {
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
  // Four frames stood before them: the answer, where it starts (twice), live.
  assert.equal(second!.told.length, 4092)
  await clock.advance(20_000)
  assert.deepEqual(net.last.asked.at(-1), { ref: 3, subject: 'b', after: [token(4095)] })
})

test('a tab that was taken for gone is told so when it says a word', async () => {
  const { all, net, clock, browser } = await tabs(1)
  all[0]!.follow('a')
  await live(net, clock)
  const heard: unknown[] = []
  const channel = browser.join('carillon:app', (message) => heard.push(message))
  const say = async (kind: string) => {
    channel.post({ kind: 'to-host', from: 'x', asks: { kind } })
    await settled()
    return heard.splice(0)
  }
  const nobody = { kind: 'to-guest', to: 'x', frame: undefined }
  assert.deepEqual(await say('alive'), [nobody])
  assert.equal((await say('open')).length, 1)
  await clock.advance(100_000)
  assert.notDeepEqual(await say('alive'), [nobody])
  await clock.advance(500_000)
  assert.deepEqual(await say('alive'), [nobody])
})
