import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { chromiumMissing, startChromium } from '../brokers/chromium.ts'
import { bundle } from '../client/bundle.ts'
import { GatewayProcess, patienceMs } from '../support/gateway-process.ts'
import { endsWithThis } from '../support/running.ts'
import { until } from '../support/until.ts'

/** The programs of examples/ do what they say, as somebody runs them who has installed the SDK beside them. */

const port = 19_480
const pagePort = 19_482
const dir = mkdtempSync(join(tmpdir(), 'carillon-examples-'))
const config = { broker: `embedded:${join(dir, 'log')}`, allowOrigin: [`http://127.0.0.1:${pagePort}`] }
const gateway = new GatewayProcess({ port, dir, config })

before(async () => {
  cpSync(fileURLToPath(new URL('../../examples', import.meta.url)), dir, { recursive: true })
  const sdk = join(dir, 'node_modules/carillon-client')
  const modules = join(sdk, 'lib/client')
  mkdirSync(modules, { recursive: true })
  const exports = { '.': './lib/client/sdk.js', './node': './lib/client/file-store.js' }
  writeFileSync(join(sdk, 'package.json'), JSON.stringify({ name: 'carillon-client', type: 'module', exports }))
  writeFileSync(join(modules, 'sdk.js'), (await bundle('sdk.ts')).code)
  const store = new URL('../../src/client/file-store.ts', import.meta.url)
  writeFileSync(join(modules, 'file-store.js'), `export * from '${store}'\n`)
  gateway.start()
  await gateway.becomesReady()
})

after(async () => {
  await gateway.end()
  rmSync(dir, { recursive: true })
})

async function publish(subject: string, ...texts: string[]): Promise<void> {
  for (const text of texts) assert.equal((await gateway.publish({ subject, text })).status, 200)
}

describe('node-subscriber', () => {
  function start(t: TestContext, ...args: string[]): { child: ChildProcess; lines: () => string[] } {
    const file = join(dir, 'node-subscriber/subscriber.js')
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', file, ...args], {
      cwd: dir,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    endsWithThis(child)
    t.after(() => child.kill('SIGKILL'))
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (more: string) => {
      text += more
    })
    return { child, lines: () => text.split('\n').slice(0, -1) }
  }

  test('it prints what is published, and after a restart goes on where it stopped', async (t) => {
    const subject = 'alarm.zone7.door'
    const line = (text: string) => JSON.stringify({ subject, text })
    await publish(subject, 'one', 'two')
    const first = start(t, 'alarm.>', `http://127.0.0.1:${port}`)
    await until('both are printed', patienceMs, () => first.lines().length === 2)
    first.child.kill('SIGINT')
    assert.deepEqual(await once(first.child, 'close'), [0, null])
    await publish(subject, 'three')
    const second = start(t, 'alarm.>', `http://127.0.0.1:${port}`)
    await until('the third is printed', patienceMs, () => second.lines().length > 0)
    assert.deepEqual([first.lines(), second.lines()], [[line('one'), line('two')], [line('three')]])
  })
})

describe('browser-page', { skip: chromiumMissing() ?? false }, () => {
  const types: Readonly<Record<string, string>> = { '.html': 'text/html', '.js': 'text/javascript' }
  const server = createServer(({ url }, response) => {
    const { pathname } = new URL(url!, 'http://127.0.0.1')
    const type = types[extname(pathname)]
    response.writeHead(type === undefined ? 404 : 200, { 'Content-Type': type ?? 'text/plain' })
    response.end(type === undefined ? '' : readFileSync(join(dir, pathname)))
  })

  before(async () => {
    server.listen(pagePort, '127.0.0.1')
    await once(server, 'listening')
  })
  after(() => server.close())

  test('it shows what is published as text, and after a reload what came meanwhile', async (t) => {
    const browser = await startChromium()
    t.after(() => browser.close())
    const page = await browser.newPage()
    const faults: string[] = []
    page.on('pageerror', (error) => faults.push(error.message))
    const query = new URLSearchParams({ gateway: `http://127.0.0.1:${port}`, subject: 'page.>' })
    const open = `http://127.0.0.1:${pagePort}/browser-page/index.html?${query}`
    const isLive = () =>
      until('it is live', patienceMs, async () => (await page.locator('#state').textContent()) === 'live')
    const shown = () => page.locator('#events li').allTextContents()
    await page.goto(open)
    await isLive()
    await publish('page.a', '<b>one</b>')
    await until('it is shown', patienceMs, async () => (await shown()).length === 1)
    assert.deepEqual(await shown(), ['page.a <b>one</b>'])
    await page.goto('about:blank')
    await publish('page.a', 'two')
    await page.goto(open)
    await until('what came meanwhile is shown', patienceMs, async () => (await shown()).length === 1)
    await isLive()
    assert.deepEqual([await shown(), faults], [['page.a two'], []])
  })
})
