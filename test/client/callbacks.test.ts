import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Random, seededRandom } from '../../src/base/random.ts'
import { Client } from '../../src/client/client.ts'
import type { Subscription } from '../../src/client/subscription.ts'
import { ManualClock } from '../model/clock.ts'
import { stateText } from './clients.ts'
import { delivery, FakeEnvironment, FakeNet, refused, token } from './fake-transport.ts'

/** Users' callbacks that throw, close or subscribe in the middle of the SDK's own work. */

/** Collects uncaught errors, which would end this process. */
function reports(t: TestContext): unknown[] {
  const reported: unknown[] = []
  t.mock.method(globalThis, 'queueMicrotask', (task: () => void) => {
    try {
      task()
    } catch (error) {
      reported.push(error)
    }
  })
  return reported
}

const ownFault = new Error('own fault')
const fails = () => {
  throw ownFault
}

test('callbacks of a subscription or client that throw are reported, and affect nothing else', async (t) => {
  const reported = reports(t)
  const net = new FakeNet()
  const clock = new ManualClock()
  const client = new Client(['http://one'], { ways: [net.transport('ws')], clock, onState: fails })
  const told: unknown[] = []
  const ignore = () => {}
  const bad = client.subscribe('a', { onEvent: ignore, onGap: ignore, onState: fails, onClosed: fails })
  const good = client.subscribe('b', {
    onEvent: ({ offset }) => told.push(offset),
    onGap: ignore,
    onState: ({ name }) => told.push(name),
    onClosed: ({ code }) => told.push(code),
  })
  await clock.advance(0)
  for (const ref of [1, 2]) net.last.handlers.frame({ kind: 'subscribed', ref, after: token(3) })
  for (const ref of [1, 2]) net.last.handlers.frame({ kind: 'live', ref })
  net.last.handlers.frame(delivery('b', 4))
  await client.close()
  assert.deepEqual(told, ['connecting', 'catching-up', 'live', 4, 'closed', 'done'])
  assert.deepEqual([client.state.name, bad.state.name, good.state.name], ['closed', 'closed', 'closed'])
  assert.equal((await client.closed).code, 'done')
  assert.equal(net.last.closed, true)
  // Three states and the end of each, and `onClosed`.
  assert.deepEqual(reported, Array(9).fill(ownFault))
})

test('a state callback that closes all subscriptions leaves an idle client', async () => {
  for (const at of ['connecting', 'catching-up', 'live', 'waiting']) {
    for (const kinds of ['ws', 'sse']) {
      const net = new FakeNet()
      const clock = new ManualClock()
      const states: string[] = []
      const client = new Client(['http://one'], {
        ways: [net.transport(kinds, kinds === 'ws')],
        clock,
        onState: (state) => states.push(stateText(state)),
      })
      const subscription: Subscription = client.subscribe('a', {
        onState: ({ name }) => name === at && subscription.close(),
      })
      await clock.advance(0)
      for (const { handlers } of net.opened) {
        handlers.frame({ kind: 'subscribed', ref: 1, after: token(3) })
        handlers.frame({ kind: 'live', ref: 1 })
        handlers.closed(refused('lost'))
      }
      await clock.advance(20_000)
      assert.equal(states.at(-1), 'waiting idle', `${kinds}, closed while ${at}: ${states}`)
      assert.ok(net.opened.every(({ closed }) => closed))
    }
  }
})

/** A client whose callbacks do anything at any time, on connections that do so as well. */
class Wild {
  readonly net = new FakeNet()
  readonly clock = new ManualClock()
  readonly environment = new FakeEnvironment()
  readonly client: Client
  readonly subscriptions: Subscription[] = []
  /** Number of `onClosed` calls of each subscription. */
  readonly closings: number[] = []
  /** The callbacks do nothing any more. */
  isCalm = false
  readonly #random: Random

  constructor(seed: number) {
    this.#random = seededRandom(seed)
    this.client = new Client(['http://one', 'http://two'], {
      ways: this.#pick([['ws'], ['sse'], ['ws', 'sse']]).map((name) => this.net.transport(name, name === 'ws')),
      clock: this.clock,
      random: this.#random,
      environment: this.environment,
      hiddenMs: 1000,
      inbox: { maxEvents: 4, maxBytes: 1e6 },
      onState: () => this.#meddle(),
    })
  }

  subscribe(): void {
    if (this.client.state.name === 'closed' || this.subscriptions.length > 12) return
    const at = this.closings.push(0) - 1
    const meddle = () => this.#meddle()
    const handlers = { onEvent: meddle, onGap: meddle, onState: meddle }
    const onClosed = () => {
      this.closings[at]!++
      this.#meddle()
    }
    this.subscriptions.push(this.client.subscribe(this.#pick(['a', 'b', '*']), { ...handlers, onClosed }))
  }

  async step(): Promise<void> {
    const open = this.net.opened.filter(({ closed }) => !closed)
    if (open.length > 0 && this.#random.next() < 0.8) this.#says(this.#pick(open))
    else if (this.#random.next() < 0.3) this.subscribe()
    else if (this.#random.next() < 0.6) {
      this.environment.happens(this.#pick(['online', 'offline', 'visible', 'hidden'] as const))
    } else await this.clock.advance(this.#pick([0, 100, 1000, 6000]))
  }

  #says({ handlers, wishes, transport }: FakeNet['last']): void {
    const ref = transport === 'ws' ? this.#pick([...wishes.map((wish) => wish.ref), 1, 2, 3]) : 0
    const offset = Math.floor(this.#random.next() * 20)
    const error = { kind: 'error', ref, code: 'x', message: '', retryAfterMs: 0 } as const
    this.#pick([
      () =>
        ref === 0
          ? handlers.position(token(offset))
          : handlers.frame({ kind: 'subscribed', ref, after: token(offset) }),
      () => handlers.frame({ kind: 'live', ref }),
      () => handlers.frame(delivery('a', offset, ref === 0 ? undefined : [ref])),
      () => handlers.frame(delivery('b', offset)),
      () => handlers.frame({ ...error, retry: this.#pick(['no', 'later'] as const) }),
      () =>
        handlers.closed(this.#pick([refused('lost'), refused('lost'), refused('overloaded'), refused('no', 0, 'no')])),
    ])()
  }

  #meddle(): void {
    if (this.isCalm) return
    const roll = this.#random.next()
    if (roll < 0.2) fails()
    else if (roll < 0.4) this.subscribe()
    else if (roll < 0.7 && this.subscriptions.length > 0) this.#pick(this.subscriptions).close()
    else if (roll < 0.71) void this.client.close()
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random.next() * from.length)]!
  }
}

test('whatever users do in callbacks, nothing stays open and each end is reported once', async (t) => {
  const reported = reports(t)
  let meddled = 0
  for (let seed = 1; seed <= 300; seed++) {
    const wild = new Wild(seed)
    wild.subscribe()
    for (let i = 0; i < 40; i++) await wild.step()
    wild.isCalm = true
    for (const subscription of wild.subscriptions) subscription.close()
    await wild.clock.advance(60_000)
    const { client, net, closings } = wild
    const open = net.opened.filter(({ closed }) => !closed)
    assert.deepEqual(open, [], `seed ${seed} left a connection open`)
    const state = stateText(client.state)
    assert.ok(state === 'waiting idle' || client.state.name === 'closed', `seed ${seed}: ${state}`)
    assert.deepEqual(closings, Array(closings.length).fill(1), `seed ${seed}`)
    meddled += closings.length
  }
  assert.ok(meddled > 1000 && reported.length > 1000, `${meddled} subscriptions, ${reported.length} reports`)
  assert.deepEqual(
    reported.filter((each) => each !== ownFault && !String(each).includes('own fault')),
    [],
  )
})
