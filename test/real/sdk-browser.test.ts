import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, type TestContext, test } from 'node:test'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import type * as sdk from '../../src/client/sdk.ts'
import { chromiumMissing, rendererOf, startChromium } from '../brokers/chromium.ts'
import { bundle } from '../client/bundle.ts'
import { GatewayProcess } from '../support/gateway-process.ts'

/** The SDK as a page loads it, in a real browser. */

const port = 19_570
const pagePort = 19_572
const url = `http://127.0.0.1:${port}`
const dir = mkdtempSync(join(tmpdir(), 'carillon-sdk-browser-'))
const config = { broker: `embedded:${join(dir, 'log')}`, allowOrigin: [`http://127.0.0.1:${pagePort}`] }
const gateway = new GatewayProcess({ port, dir, config })

/** What the tests use of a page's window. */
interface Window {
  carillon: typeof sdk
  client: sdk.Client
  told: unknown[]
  states: string[]
  workerErrors: number
}
declare const window: Window

/** Waits for a fact that a page or the gateway says. */
async function until(what: string, holds: () => Promise<boolean>, withinMs = 15_000): Promise<void> {
  for (const deadline = performance.now() + withinMs; !(await holds()); ) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

async function publish(subject: string, ...numbers: number[]): Promise<void> {
  for (const data of numbers) assert.equal((await gateway.publish({ subject, data })).status, 200)
}

describe('the SDK in a browser', { skip: chromiumMissing() ?? false }, () => {
  let browser: Browser
  let context: BrowserContext
  let server: Server

  before(async () => {
    gateway.start()
    const scripts = new Map([
      ['/sdk.js', (await bundle('sdk.ts')).code],
      ['/worker.js', (await bundle('worker.ts', 'iife')).code],
    ])
    const html = '<!doctype html><script type="module">window.carillon = await import("/sdk.js")</script>'
    server = createServer(({ url: path = '' }, response) => {
      const script = scripts.get(path)
      response.statusCode = path === '/missing.js' ? 404 : 200
      response.setHeader('content-type', script === undefined ? 'text/html' : 'text/javascript')
      response.end(script ?? html)
    })
    server.listen(pagePort, '127.0.0.1')
    await once(server, 'listening')
    browser = await startChromium()
    await gateway.becomesReady()
  })
  after(async () => {
    await browser?.close()
    server?.close()
    await gateway.end()
    rmSync(dir, { recursive: true })
  })
  beforeEach(async () => {
    context = await browser.newContext()
  })
  afterEach(() => context.close())

  async function open(): Promise<Page> {
    const page = await context.newPage()
    await load(page)
    return page
  }

  async function load(page: Page): Promise<void> {
    await page.goto(`http://127.0.0.1:${pagePort}/`)
    await page.waitForFunction(() => window.carillon !== undefined)
  }

  /** The page follows a subject; resolves once it is live. */
  async function follow(page: Page, subject: string, options: Record<string, unknown> = {}): Promise<void> {
    await page.evaluate(
      ([url, subject, { stored, ...options }]) => {
        const { connect, webStore } = window.carillon
        const store = stored === undefined ? {} : { store: webStore(localStorage) }
        window.told = []
        window.states = []
        window.workerErrors = 0
        window.client = connect(url, {
          ...options,
          ...store,
          backoff: { firstMs: 50, mostMs: 500 },
          onState: ({ name }) => window.states.push(name),
          onWorkerError: () => window.workerErrors++,
        })
        window.client.subscribe<number>(subject, {
          onEvent: (event) => window.told.push(event.json()),
          onGap: ({ reason }) => window.told.push(reason),
        })
      },
      [url, subject, options] as const,
    )
    await isIn(page, 'live')
  }

  const state = (page: Page) => page.evaluate(() => window.client.state.name)
  const isIn = (page: Page, name: string) => until(`it is ${name}`, async () => (await state(page)) === name)
  const told = (page: Page) => page.evaluate(() => window.told)
  const tells = async (page: Page, ...expected: unknown[]) => {
    const same = async () => (await told(page)).length >= expected.length
    await until(`it tells ${expected}`, same).catch(() => {})
    assert.deepEqual(await told(page), expected)
  }

  const websockets = () => gateway.metric('carillon_sessions{transport="websocket"}')

  for (const transport of ['websocket', 'sse', 'poll']) {
    test(`over ${transport}, a kill of the gateway loses nothing and repeats nothing`, async () => {
      const page = await open()
      await follow(page, `kill.${transport}`, { transports: [transport] })
      await publish(`kill.${transport}`, 1, 2)
      await tells(page, 1, 2)
      await gateway.end('SIGKILL')
      await isIn(page, 'waiting')
      gateway.start()
      await gateway.becomesReady()
      await publish(`kill.${transport}`, 3)
      await tells(page, 1, 2, 3)
    })
  }

  test('a page that is loaded again goes on behind what it has handled, by localStorage', async () => {
    const page = await open()
    await follow(page, 'stored.a', { stored: true })
    await publish('stored.a', 1, 2)
    await tells(page, 1, 2)
    await page.goto('about:blank')
    await publish('stored.a', 3, 4)
    await load(page)
    await follow(page, 'stored.a', { stored: true })
    await tells(page, 3, 4)
  })

  test('two tabs share one connection; when its tab closes, the other goes on where it was', async () => {
    await until('no others', async () => (await websockets()) === 0)
    const [first, second] = [await open(), await open()]
    await follow(first, 'tabs.*', { tabs: 'app' })
    await follow(second, 'tabs.b', { tabs: 'app' })
    await publish('tabs.a', 1)
    await publish('tabs.b', 2)
    await tells(second, 2)
    assert.deepEqual((await told(first)).toSorted(), [1, 2])
    assert.equal(await websockets(), 1)
    await first.close()
    await publish('tabs.b', 3)
    await tells(second, 2, 3)
    await isIn(second, 'live')
    await until('one connection', async () => (await websockets()) === 1)
  })

  test('a tab that is frozen holds up no other: that one connects by itself, and comes back once it is answered', async (t) => {
    await until('no others', async () => (await websockets()) === 0)
    // Each tab has a process of its own.
    const apart = await startChromium(['--disable-features=ProcessPerSiteUpToMainFrameThreshold'])
    t.after(() => apart.close())
    context = await apart.newContext()
    const [first, second] = [await open(), await open()]
    await follow(first, 'frozen.*', { tabs: 'frozen' })
    await follow(second, 'frozen.b', { tabs: 'frozen' })
    await publish('frozen.b', 1)
    await tells(second, 1)
    assert.equal(await websockets(), 1)
    const renderer = await rendererOf(apart, first)
    assert.notEqual(renderer, await rendererOf(apart, second))
    // As a browser does to a tab that nobody sees: it runs nothing, and keeps its lock.
    process.kill(renderer, 'SIGSTOP')
    try {
      await publish('frozen.b', 2)
      // It is seen again: else it asks within 20 s.
      await second.evaluate(() => document.dispatchEvent(new Event('visibilitychange')))
      await tells(second, 1, 2)
      assert.equal(await websockets(), 2)
    } finally {
      process.kill(renderer, 'SIGCONT')
    }
    await until('one connection', async () => (await websockets()) === 1, 60_000)
    await publish('frozen.b', 3)
    await tells(second, 1, 2, 3)
    await tells(first, 1, 2, 3)
  })

  const states = (page: Page) => page.evaluate(() => window.states)

  /** Two pages, each with a process of its own, whose connection belongs to a worker. */
  async function withWorker(t: TestContext, subject: string): Promise<[Page, Page, Browser]> {
    await until('no others', async () => (await websockets()) === 0)
    const apart = await startChromium(['--disable-features=ProcessPerSiteUpToMainFrameThreshold'])
    t.after(() => apart.close())
    context = await apart.newContext()
    const [first, second] = [await open(), await open()]
    for (const page of [first, second]) await follow(page, subject, { tabs: subject, worker: '/worker.js' })
    await publish(subject, 1)
    for (const page of [first, second]) await tells(page, 1)
    assert.equal(await websockets(), 1)
    return [first, second, apart]
  }

  test('a frozen tab, a suspended one and one that is closed interrupt no other while a worker has the connection', async (t) => {
    const [first, second, apart] = await withWorker(t, 'worker.a')
    const third = await open()
    await follow(third, 'worker.a', { tabs: 'worker.a', worker: '/worker.js' })
    const before = await states(second)
    const devtools = await context.newCDPSession(first)
    await devtools.send('Page.setWebLifecycleState', { state: 'frozen' })
    await publish('worker.a', 2)
    await tells(second, 1, 2)
    await devtools.send('Page.setWebLifecycleState', { state: 'active' })
    const suspended = await rendererOf(apart, third)
    process.kill(suspended, 'SIGSTOP')
    try {
      await publish('worker.a', 3)
      await tells(second, 1, 2, 3)
    } finally {
      process.kill(suspended, 'SIGCONT')
    }
    await tells(third, 2, 3)
    await tells(first, 1, 2, 3)
    await first.close()
    await publish('worker.a', 4)
    await tells(second, 1, 2, 3, 4)
    await tells(third, 2, 3, 4)
    assert.deepEqual([await states(second), await websockets()], [before, 1], 'nothing happened to its connection')
  })

  test('when the process of the worker ends, the other tabs share a connection of one of them', async (t) => {
    const [first, second, apart] = await withWorker(t, 'worker.dies')
    const third = await open()
    await follow(third, 'worker.dies', { tabs: 'worker.dies', worker: '/worker.js' })
    // Chromium runs the worker in the process of the page that asked for it first.
    process.kill(await rendererOf(apart, first), 'SIGKILL')
    await publish('worker.dies', 2)
    await tells(second, 1, 2)
    await tells(third, 2)
    await until('one connection', async () => (await websockets()) === 1)
  })

  test('a worker takes over from a suspended tab that leads', async (t) => {
    await until('no others', async () => (await websockets()) === 0)
    const apart = await startChromium(['--disable-features=ProcessPerSiteUpToMainFrameThreshold'])
    t.after(() => apart.close())
    context = await apart.newContext()
    const [first, second] = [await open(), await open()]
    await follow(first, 'worker.steals', { tabs: 'steals' })
    const renderer = await rendererOf(apart, first)
    process.kill(renderer, 'SIGSTOP')
    try {
      await follow(second, 'worker.steals', { tabs: 'steals', worker: '/worker.js' })
      await publish('worker.steals', 1)
      await tells(second, 1)
    } finally {
      process.kill(renderer, 'SIGCONT')
    }
    await until('one connection', async () => (await websockets()) === 1)
    await publish('worker.steals', 2)
    await tells(first, 1, 2)
    await tells(second, 1, 2)
    assert.deepEqual((await states(second)).at(-1), 'live')
  })

  const unusable = { 'is missing': '/missing.js', 'is a page': '/page.js', 'is of another origin': `${url}/worker.js` }
  for (const [what, worker] of Object.entries(unusable)) {
    test(`tabs share without a worker whose script ${what}`, async () => {
      await until('no others', async () => (await websockets()) === 0)
      const pages = [await open(), await open()]
      const subject = `worker.${worker.length}`
      for (const page of pages) await follow(page, subject, { tabs: worker, worker })
      await publish(subject, 1)
      for (const page of pages) await tells(page, 1)
      // Of a page that is taken for a script Chromium does not tell each page.
      const failures = () => Promise.all(pages.map((page) => page.evaluate(() => window.workerErrors)))
      await until('a page is told', async () => (await failures()).includes(1))
      assert.equal(await websockets(), 1)
    })
  }

  test('over sse, a browser whose streams can not be iterated gets its events', async () => {
    const page = await context.newPage()
    await page.addInitScript(() => {
      for (const name of [Symbol.asyncIterator, 'values']) Reflect.deleteProperty(ReadableStream.prototype, name)
    })
    await load(page)
    await follow(page, 'safari.a', { transports: ['sse'] })
    await publish('safari.a', 1)
    await tells(page, 1)
  })

  test('a page that is hidden from its start lets go of its connection after hiddenMs', async () => {
    const page = await context.newPage()
    await page.addInitScript(() =>
      Object.defineProperty(Document.prototype, 'visibilityState', { get: () => 'hidden' }),
    )
    await load(page)
    await follow(page, 'hidden.a', { hiddenMs: 1000 })
    await isIn(page, 'waiting')
    assert.equal(
      await page.evaluate(() => window.client.state.name === 'waiting' && window.client.state.reason.code),
      'hidden',
    )
  })

  test('a device that is offline waits, and goes on when it is online', async () => {
    const page = await open()
    await follow(page, 'offline.a')
    await publish('offline.a', 1)
    await tells(page, 1)
    await context.setOffline(true)
    // Browsers leave an open WebSocket alone: what ends it is the network, or here the gateway.
    await gateway.end('SIGKILL')
    const reason = () => {
      return page.evaluate(() => window.client.state.name === 'waiting' && window.client.state.reason.code)
    }
    await until('it is offline', async () => (await reason()) === 'offline')
    gateway.start()
    await gateway.becomesReady()
    await publish('offline.a', 2)
    assert.deepEqual(await told(page), [1])
    await context.setOffline(false)
    await tells(page, 1, 2)
  })
})
