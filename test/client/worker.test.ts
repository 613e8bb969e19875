import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CarillonError } from '../../src/base/errors.ts'
import { seededRandom } from '../../src/base/random.ts'
import { Client, type ClientOptions } from '../../src/client/client.ts'
import type { SubscribeOptions } from '../../src/client/subscription.ts'
import { ManualClock, settled } from '../model/clock.ts'
import { FakeBrowser } from './fake-browser.ts'
import { delivery, FakeEnvironment, FakeNet, type Opened, refused, token } from './fake-transport.ts'

/** Pages of one browser, whose connection belongs to a worker. */
class Pages {
  readonly browser = new FakeBrowser()
  readonly net = new FakeNet()
  readonly clock = new ManualClock()
  readonly #random = seededRandom(1)

  constructor() {
    this.browser.workers = {
      environment: new FakeEnvironment(),
      clock: this.clock,
      random: this.#random,
      ways: [this.net.transport('of the worker')],
    }
  }

  open(options: ClientOptions = {}, url = 'http://one') {
    const tab = this.browser.open()
    const environment = new FakeEnvironment(tab)
    const failures: unknown[] = []
    const states: string[] = []
    const client = new Client([url], {
      tabs: 'app',
      worker: '/worker.js',
      onWorkerError: (cause) => failures.push(cause),
      onState: ({ name }) => states.push(name),
      ways: [this.net.transport('of a tab')],
      clock: this.clock,
      random: this.#random,
      environment,
      ...options,
    })
    const told: unknown[] = []
    const follow = (subject: string, start: SubscribeOptions = {}) => {
      return client.subscribe(subject, {
        ...start,
        onEvent: ({ offset }) => told.push(offset),
        onGap: ({ reason }) => told.push(reason),
        onClosed: ({ code }) => told.push(code),
      })
    }
    return { client, tab, environment, told, failures, states, follow }
  }

  async pass(ms: number): Promise<void> {
    await settled()
    for (let left = ms; left > 0; left -= 50) await this.clock.advance(Math.min(left, 50))
    await settled()
  }

  get connected(): Opened[] {
    return this.net.opened.filter(({ closed }) => !closed)
  }

  /** Returns the only open connection, after its gateway has answered all new subscriptions. */
  async live(offset = 3): Promise<Opened> {
    await this.pass(400)
    const { connected } = this
    assert.deepEqual(connected.length, 1, JSON.stringify(connected))
    const [one] = connected
    for (const { ref, after } of wishesOf(one!)) {
      one!.handlers.frame({
        kind: 'subscribed',
        ref,
        after: after.includes('earliest') ? token(offset) : (after[0] ?? token(offset)),
      })
      one!.handlers.frame({ kind: 'live', ref })
    }
    await settled()
    return one!
  }
}

function wishesOf({ wishes, asked }: Opened) {
  return [...wishes, ...asked.filter((each) => typeof each === 'object')] as Opened['wishes']
}

test('pages share the connection of their worker, and have none of their own', async () => {
  const pages = new Pages()
  const all = [pages.open(), pages.open(), pages.open()]
  const subscriptions = all.map(({ follow }, i) => follow(i === 2 ? 'b' : 'a'))
  const connection = await pages.live()
  assert.deepEqual([connection.transport, pages.net.opened.length], ['of the worker', 1])
  connection.handlers.frame(delivery('a', 5))
  connection.handlers.frame(delivery('b', 6))
  await pages.pass(10_000)
  assert.deepEqual(
    all.map(({ told }) => told),
    [[5], [5], [6]],
  )
  assert.deepEqual(
    subscriptions.map(({ state }) => state.name),
    ['live', 'live', 'live'],
  )
  assert.equal(pages.net.opened.length, 1)
})

test('a frozen page interrupts no other, and receives everything once it is thawed', async () => {
  const pages = new Pages()
  const [first, second] = [pages.open(), pages.open()]
  for (const { follow } of [first, second]) follow('a')
  const connection = await pages.live()
  first.tab.frozen = true
  for (let offset = 5; offset < 65; offset++) {
    connection.handlers.frame(delivery('a', offset))
    await pages.pass(200)
    assert.equal(second.told.at(-1), offset, 'at once')
  }
  // Less time than its timers, which are frozen too, would take to find the worker silent.
  first.tab.frozen = false
  await pages.pass(30_000)
  assert.deepEqual(first.told, second.told)
  assert.equal(pages.net.opened.length, 1)
})

for (const start of [{ last: 3 }, { policy: 'latest' }, { after: 'earliest' }] as const) {
  test(`a tab that leads when a worker starts hands over to it, with ${JSON.stringify(start)}: each resumes where it was`, async () => {
    const pages = new Pages()
    const [leader, other] = [pages.open({ worker: '' }), pages.open({ worker: '' })]
    leader.follow('a', start)
    other.follow('b', start)
    const before = await pages.live()
    assert.equal(before.transport, 'of a tab')
    before.handlers.frame(delivery('a', 5))
    before.handlers.frame(delivery('b', 6))
    await settled()
    pages.open()
    const after = await pages.live()
    assert.deepEqual([after.transport, before.closed, pages.net.opened.length], ['of the worker', true, 2])
    const asked = wishesOf(after).map(({ subject, after, last, policy }) => ({ subject, after, last, policy }))
    const policy = 'policy' in start ? start.policy : undefined
    assert.deepEqual(
      asked.sort((a, b) => (a.subject < b.subject ? -1 : 1)),
      [
        { subject: 'a', after: [token(7)], last: undefined, policy },
        { subject: 'b', after: [token(7)], last: undefined, policy },
      ],
    )
    for (const [subject, offset] of [['a', 5] as const, ['b', 6] as const, ['a', 7] as const, ['b', 8] as const])
      after.handlers.frame(delivery(subject, offset))
    await settled()
    assert.deepEqual(
      [leader.told, other.told],
      [
        [5, 7],
        [6, 8],
      ],
    )
  })
}

test('a worker takes the lock from a frozen tab, which is served like others once it is thawed', async () => {
  const pages = new Pages()
  const frozen = pages.open({ worker: '' })
  frozen.follow('a')
  const before = await pages.live()
  frozen.tab.frozen = true
  const other = pages.open()
  other.follow('a')
  await pages.pass(1000)
  const after = pages.net.last
  assert.equal(after.transport, 'of the worker')
  after.handlers.frame({ kind: 'subscribed', ref: 1, after: token(3) })
  after.handlers.frame({ kind: 'live', ref: 1 })
  for (const { handlers } of [before, after]) handlers.frame(delivery('a', 5))
  await settled()
  assert.deepEqual(other.told, [5])
  const { length } = other.states
  frozen.tab.frozen = false
  // Its gateway continues to send until the tab has noticed that its lock was taken.
  before.handlers.frame(delivery('a', 6))
  await pages.live()
  after.handlers.frame(delivery('a', 6))
  after.handlers.frame(delivery('a', 7))
  await settled()
  assert.deepEqual(
    [frozen.told, other.told],
    [
      [5, 6, 7],
      [5, 6, 7],
    ],
  )
  assert.deepEqual([before.closed, pages.net.opened.length], [true, 2])
  assert.deepEqual(other.states.slice(length), [], 'the other page was not interrupted')
})

test('when the worker dies a tab leads, and each resumes where it was', async () => {
  const pages = new Pages()
  const all = [pages.open(), pages.open()]
  for (const { follow } of all) follow('a')
  const before = await pages.live()
  await pages.pass(3000)
  before.handlers.frame(delivery('a', 5))
  await settled()
  pages.browser.killWorkers()
  await pages.pass(400)
  before.closed = true
  const after = await pages.live()
  assert.equal(after.transport, 'of a tab')
  assert.deepEqual(
    wishesOf(after).map(({ after }) => after),
    [[token(6)], [token(6)]],
  )
  after.handlers.frame(delivery('a', 6))
  await settled()
  assert.deepEqual(
    all.map(({ told }) => told),
    [
      [5, 6],
      [5, 6],
    ],
  )
})

test('if a browser has no SharedWorker, or not the script, tabs share at once as without, and report the cause', async () => {
  for (const missing of ['workers', 'script']) {
    const pages = new Pages()
    if (missing === 'workers') pages.browser.workers = undefined
    else pages.browser.script = 'is missing'
    const all = [pages.open(), pages.open()]
    for (const { follow } of all) follow('a')
    await pages.pass(0)
    const connection = await pages.live()
    assert.deepEqual([connection.transport, pages.net.opened.length], ['of a tab', 1])
    connection.handlers.frame(delivery('a', 5))
    await settled()
    for (const { told, failures } of all) {
      assert.deepEqual(told, [5])
      assert.equal(failures.length, 1)
      assert.equal(failures[0] instanceof ReferenceError, missing === 'workers')
    }
  }
})

test('a page that is closed before it learns that there is no worker does not lead', async () => {
  for (const missing of ['workers', 'script']) {
    const pages = new Pages()
    if (missing === 'workers') pages.browser.workers = undefined
    else pages.browser.script = 'is missing'
    await pages.open().client.close()
    await pages.pass(3000)
    pages.open().follow('a')
    assert.equal((await pages.live()).transport, 'of a tab')
  }
})

test('a script that loads slowly is waited for two seconds, and leads once it has loaded', async () => {
  const pages = new Pages()
  pages.browser.script = 'is still loading'
  const page = pages.open()
  page.follow('a')
  await pages.pass(1900)
  assert.equal(pages.net.opened.length, 0)
  const before = await pages.live()
  assert.equal(before.transport, 'of a tab')
  before.handlers.frame(delivery('a', 5))
  pages.browser.load()
  const after = await pages.live()
  assert.deepEqual([after.transport, wishesOf(after)[0]!.after], ['of the worker', [token(6)]])
})

test('pages with other gateways or credentials share nothing, with a worker or without', async () => {
  for (const worker of ['/worker.js', '']) {
    const pages = new Pages()
    const all = [
      pages.open({ worker }),
      pages.open({ worker }, 'http://two'),
      pages.open({ worker, headers: { Authorization: 'one' } }),
      pages.open({ worker, headers: { Authorization: 'two' } }),
      pages.open({ worker, credentials: 'include' }),
      pages.open({ worker, tabs: 'other' }),
    ]
    for (const { follow } of all) follow('a')
    await pages.pass(400)
    assert.equal(pages.connected.length, all.length)
    assert.equal(pages.browser.countOfWorkers, worker === '' ? 0 : all.length)
    for (const [i, { handlers }] of pages.connected.entries()) {
      handlers.frame({ kind: 'subscribed', ref: 1, after: token(3) })
      handlers.frame({ kind: 'live', ref: 1 })
      handlers.frame(delivery('a', 10 + i))
    }
    await settled()
    assert.deepEqual(all.flatMap(({ told }) => told).sort(), [10, 11, 12, 13, 14, 15])
  }
})

test('pages that list the same gateways in another order share, unless the order counts', async () => {
  const lists = [
    ['http://one', 'http://two'],
    ['http://two', 'http://one'],
  ]
  for (const keepOrder of [false, true]) {
    const pages = new Pages()
    for (const urls of lists) {
      const environment = new FakeEnvironment(pages.browser.open())
      const ways = [pages.net.transport('of a tab')]
      const client = new Client(urls, {
        tabs: 'app',
        worker: '/w.js',
        clock: pages.clock,
        environment,
        ways,
        keepOrder,
      })
      client.subscribe('a')
    }
    await pages.pass(400)
    const expected = keepOrder ? ['http://one', 'http://two'] : [pages.connected[0]!.url]
    assert.deepEqual(pages.connected.map(({ url }) => url).sort(), expected)
  }
})

test('options that a worker can not use are refused, and so is a worker without `tabs`', () => {
  const pages = new Pages()
  const isRefused = (options: ClientOptions) =>
    assert.throws(
      () => pages.open(options),
      (error) => error instanceof CarillonError && error.code === 'bad_request' && error.message.startsWith('worker: '),
    )
  isRefused({ fetch })
  isRefused({ WebSocket })
  isRefused({ codec: { subprotocol: 'x', encode: () => '', decode: () => undefined } })
  const { tabs: _, ...others }: ClientOptions = { tabs: 'app', worker: '/worker.js' }
  assert.throws(() => new Client(['http://one'], others), /worker: expected tabs/)
  assert.equal(pages.browser.countOfWorkers, 0)
})

test('a worker ends once no page has needed it for five seconds; a page before that uses its connection', async () => {
  const pages = new Pages()
  const first = pages.open()
  first.follow('a')
  const connection = await pages.live()
  await first.client.close()
  await pages.pass(4000)
  const second = pages.open()
  second.follow('a')
  await pages.live()
  assert.deepEqual([pages.net.opened.length, connection.closed], [1, false])
  await pages.pass(10_000)
  assert.equal(pages.browser.countOfWorkers, 1)
  await second.client.close()
  await pages.pass(6000)
  assert.deepEqual([pages.browser.countOfWorkers, connection.closed], [0, true])
})

test('a page that is refused for good reports it though a worker asked first', async () => {
  const pages = new Pages()
  const page = pages.open()
  page.follow('a')
  await pages.pass(3000)
  pages.net.last.handlers.closed(refused('origin_refused', 0, 'no'))
  await pages.pass(3000)
  assert.equal(pages.net.last.transport, 'of a tab')
  pages.net.last.handlers.closed(refused('origin_refused', 0, 'no'))
  await pages.pass(100)
  assert.deepEqual([page.told, page.client.state.name], [['origin_refused'], 'closed'])
  const { length } = pages.net.opened
  pages.open().follow('a')
  await pages.pass(400)
  assert.deepEqual([pages.net.opened.length, pages.net.last.transport], [length + 1, 'of the worker'], 'it asks anew')
})

test('the worker of a newer script takes over from an older one, which does not take back', async () => {
  const pages = new Pages()
  const older = pages.open()
  older.follow('a')
  const before = await pages.live()
  before.handlers.frame(delivery('a', 5))
  const newer = pages.open({ worker: '/newer.js' })
  newer.follow('a')
  const after = await pages.live()
  assert.notEqual(after, before)
  await pages.pass(60_000)
  assert.deepEqual([pages.net.opened.length, after.closed, before.closed], [2, false, true])
  after.handlers.frame(delivery('a', 6))
  await settled()
  assert.deepEqual([older.told, newer.told], [[5, 6], [6]])
})

test('a page that is seen again has its worker check the connection', async () => {
  const pages = new Pages()
  const page = pages.open()
  page.follow('a')
  const { asked } = await pages.live()
  await pages.pass(60_000)
  assert.deepEqual(asked.filter((each) => each === 'check').length, 0)
  page.environment.happens('visible')
  await settled()
  assert.deepEqual(asked.at(-1), 'check')
})
