import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { chromiumMissing, startChromium } from '../brokers/chromium.ts'
import { GatewayProcess, patienceMs } from '../support/gateway-process.ts'
import { until } from '../support/until.ts'

const port = 19_590
const transports = ['websocket', 'sse', 'poll'] as const
type Transport = (typeof transports)[number]

describe('the try-it page', { skip: chromiumMissing() ?? false }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'carillon-page-'))
  const gateway = new GatewayProcess({ port, dir, config: { dev: true, broker: `embedded:${join(dir, 'log')}` } })
  const url = `http://127.0.0.1:${port}/`
  let browser: Browser
  let page: Page
  let faults: string[] = []

  before(async () => {
    gateway.start()
    await gateway.becomesReady()
    browser = await startChromium()
  })
  after(async () => {
    await browser?.close()
    await gateway.end()
    rmSync(dir, { recursive: true })
  })
  beforeEach(async () => {
    await page?.close()
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
    faults = []
    page.on('pageerror', (error) => faults.push(error.message))
    page.on('console', (message) => {
      if (/Content Security Policy/.test(message.text())) faults.push(message.text())
    })
    await page.goto(url)
    await allLive()
  })

  const state = (transport: Transport) => page.locator(`.transport.${transport} .state`).textContent()
  const position = (transport: Transport) => page.locator(`.transport.${transport} .token`).textContent()
  const counter = async (transport: Transport, name: string) =>
    Number(await page.locator(`.transport.${transport} [data-count=${name}]`).textContent())
  const rows = (transport: Transport, text: string) =>
    page.locator(`#timeline .event.${transport}`).filter({ hasText: text }).count()

  async function allLive(): Promise<void> {
    for (const transport of transports) {
      await until(`${transport} is live`, patienceMs, async () => (await state(transport)) === 'live')
    }
  }

  async function publish(text: string, subject = 'demo.hello'): Promise<void> {
    await page.fill('#publish-subject', subject)
    await page.fill('#payload', text)
    await page.check('input[value=text]')
    await page.click('#publish button[type=submit]')
    await until('the publish is answered', patienceMs, async () =>
      /stored at/.test((await page.textContent('#published')) ?? ''),
    )
  }

  /** Through the gateway's API, as somebody else's publisher. */
  async function publishElsewhere(text: string): Promise<void> {
    const answer = await gateway.publish({ subject: 'demo.elsewhere', text })
    assert.equal(answer.status, 200, answer.text)
  }

  async function arrives(text: string, by: readonly Transport[] = transports): Promise<void> {
    for (const transport of by) {
      await until(`"${text}" by ${transport}`, patienceMs, async () => (await rows(transport, text)) === 1)
    }
  }

  test('shows a published event once by each transport, with subject, position and latency', async () => {
    await publish('first light')
    await arrives('first light')
    for (const transport of transports) {
      const row = page.locator(`#timeline .event.${transport}`).filter({ hasText: 'first light' })
      assert.equal(await row.locator('.subject').textContent(), 'demo.hello')
      assert.match((await row.locator('.position').textContent())!, /\d+@\d+$/)
      assert.match((await row.locator('.latency').textContent())!, /^\d+(\.\d)? ms$/)
      assert.equal(await counter(transport, 'duplicates'), 0)
      assert.equal(await counter(transport, 'gaps'), 0)
    }
    assert.deepEqual(faults, [])
  })

  test('shows what others publish, and nothing of other subjects', async () => {
    await page.fill('#subject', 'demo.elsewhere')
    await page.click('#subscribe button[type=submit]')
    await allLive()
    await publish('not for us', 'demo.unrelated')
    await publishElsewhere('from elsewhere')
    await arrives('from elsewhere')
    for (const transport of transports) assert.equal(await rows(transport, 'not for us'), 0)
  })

  test('goes on from its position when it is resumed: what was missed arrives once', async () => {
    const positions = await Promise.all(transports.map(position))
    await publish('before')
    await arrives('before')
    for (const [i, transport] of transports.entries()) {
      await until(`${transport}'s position moves`, patienceMs, async () => (await position(transport)) !== positions[i])
      await page.click(`.transport.${transport} [data-action=disconnect]`)
    }
    await publish('missed one')
    await publish('missed two')
    for (const transport of transports) assert.equal(await rows(transport, 'missed'), 0)
    for (const transport of transports) await page.click(`.transport.${transport} [data-action=resume]`)
    await arrives('missed one')
    await arrives('missed two')
    for (const transport of transports) {
      assert.equal(await counter(transport, 'gaps'), 0)
      assert.equal(await counter(transport, 'duplicates'), 0)
    }
  })

  test('shows the age of what was missed as an age, and not as a latency', async () => {
    await publish('old')
    await arrives('old')
    const latencies = (transport: Transport) =>
      page.locator(`.transport.${transport} [data-count=latency]`).textContent()
    await page.click('#clear')
    await page.selectOption('#after', 'earliest')
    await page.click('#subscribe button[type=submit]')
    await arrives('old')
    await allLive()
    for (const transport of transports) {
      const cell = page.locator(`#timeline .event.${transport}`).filter({ hasText: 'old' }).locator('.latency')
      assert.match((await cell.textContent())!, / ago$/, transport)
      assert.equal(await latencies(transport), '–', transport)
    }
    await publish('new')
    await arrives('new')
    for (const transport of transports) {
      const cell = page.locator(`#timeline .event.${transport}`).filter({ hasText: 'new' }).locator('.latency')
      assert.match((await cell.textContent())!, / ms$/, transport)
      assert.match((await latencies(transport))!, / ms$/, transport)
    }
    // An EventSource is told its position once a second, and is live all the same.
    const token = await position('sse')
    await publish('newer')
    await until('a position comes by itself', patienceMs, async () => (await position('sse')) !== token)
    assert.equal(await state('sse'), 'live')
  })

  test('the list of events is reached and scrolled by the keyboard', async () => {
    for (let i = 0; i < 3; i++) {
      const answered = page.waitForResponse(/v1\/publish/)
      await page.click('#publish-ten')
      await answered
    }
    await until('all have arrived', patienceMs, async () => (await counter('poll', 'received')) >= 30)
    // Not every browser reaches what scrolls by itself, as Chromium does.
    assert.equal(await page.getAttribute('#timeline', 'tabindex'), '0')
    await page.focus('#clear')
    await page.keyboard.press('Tab')
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'timeline')
    await page.keyboard.press('End')
    const scrolled = () => page.evaluate(() => document.getElementById('timeline')!.scrollTop)
    await until('it is scrolled', patienceMs, async () => (await scrolled()) > 0)
  })

  test('comes back by itself when the gateway is killed and started again, and loses nothing', async () => {
    await publish('before the kill')
    await arrives('before the kill')
    await gateway.end('SIGKILL')
    for (const transport of transports) {
      await until(`${transport} notices`, patienceMs, async () => (await state(transport)) !== 'live')
    }
    gateway.start()
    await gateway.becomesReady()
    await publishElsewhere('while it was away')
    await allLive()
    await publishElsewhere('after it came back')
    await arrives('while it was away')
    await arrives('after it came back')
    for (const transport of transports) {
      assert.equal(await rows(transport, 'before the kill'), 1)
      assert.equal(await counter(transport, 'gaps'), 0)
    }
    assert.deepEqual(faults, [])
  })

  test('replays from the earliest event that is kept', async () => {
    await publish('to be replayed', 'demo.replay')
    await page.fill('#subject', 'demo.replay')
    await page.selectOption('#after', 'earliest')
    await page.click('#clear')
    await page.click('#subscribe button[type=submit]')
    await arrives('to be replayed')
  })

  test('says why a subscription is refused, for each transport', async () => {
    await page.fill('#subject', 'demo..hello')
    await page.click('#subscribe button[type=submit]')
    for (const transport of transports) {
      await until(`${transport} is refused`, patienceMs, async () => (await state(transport)) === 'refused')
      const note = page.locator(`#timeline .note.${transport}`).filter({ hasText: 'bad_subject' })
      await until(`${transport} says why`, patienceMs, async () => (await note.count()) === 1)
    }
  })

  test('shows a payload as text, whatever it holds', async () => {
    const hostile = '<img src=x onerror="document.title=1"><script>document.title=1</script>'
    await publish(hostile)
    await arrives(hostile)
    assert.equal(await page.locator('#timeline img, #timeline script').count(), 0)
    assert.match(await page.title(), /Carillon/)
  })

  test('keeps the newest 200 rows', async () => {
    for (let i = 0; i < 8; i++) {
      const answered = page.waitForResponse(/v1\/publish/)
      await page.click('#publish-ten')
      await answered
    }
    await until('all have arrived', patienceMs, async () => (await counter('websocket', 'received')) >= 80)
    await until('the list is full', patienceMs, async () => (await page.locator('#timeline li').count()) === 200)
  })

  test('offers the same as command lines, which follow what is typed', async () => {
    await page.fill('#subject', "it's.>")
    await page.selectOption('#after', 'earliest')
    const lines = await page.locator('.command pre').allTextContents()
    assert.match(
      lines[0]!,
      /^bin\/carillon subscribe 'it'\\''s\.>' --after earliest --gateway http:\/\/127\.0\.0\.1:\d+$/,
    )
    assert.match(lines[2]!, /^curl -N 'http:\/\/127\.0\.0\.1:\d+\/v1\/sse\?subject=it%27s\.%3E&after=earliest'$/)
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
    await page.click('.command button >> nth=0')
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), lines[0])
  })

  test('fits 360 px, and each field and button has a name', async () => {
    await page.setViewportSize({ width: 360, height: 740 })
    await publish('a_word_without_any_space_that_is_much_longer_than_a_telephone_is_wide'.repeat(3))
    await until('it arrives', patienceMs, async () => (await counter('poll', 'received')) > 0)
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 360)
    const cut = await page.evaluate(() => {
      const cells = [...document.querySelectorAll('#timeline span')]
      return cells.filter((cell) => cell.scrollWidth > cell.clientWidth && cell.clientWidth > 0).length
    })
    assert.equal(cut, 0, 'long words are wrapped, not cut')
    const unnamed = await page.evaluate(() =>
      [...document.querySelectorAll<HTMLInputElement | HTMLButtonElement>('input, select, textarea, button')]
        .filter((control) => !control.labels?.length && !control.ariaLabel && control.textContent?.trim() === '')
        .map((control) => control.outerHTML),
    )
    assert.deepEqual(unnamed, [])
  })
})
