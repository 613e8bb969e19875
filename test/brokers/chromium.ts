import { existsSync } from 'node:fs'
import { type Browser, chromium, type Page } from 'playwright-core'

/** Debian's package; CARILLON_TEST_CHROMIUM names another one. */
const path = process.env.CARILLON_TEST_CHROMIUM ?? '/usr/bin/chromium'

/** Nothing leaves the machine, and it runs as root in a container. */
const args = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Why there is no browser to test with; undefined when there is one. */
export function chromiumMissing(): string | undefined {
  return existsSync(path) ? undefined : `no Chromium at ${path} (apt-get install chromium)`
}

/** `more`: further arguments. */
export function startChromium(more: readonly string[] = []): Promise<Browser> {
  return chromium.launch({ executablePath: path, args: [...args, ...more] })
}

/** The process of a page: the one whose CPU time grows while the page computes. */
export async function rendererOf(browser: Browser, page: Page): Promise<number> {
  const devtools = await browser.newBrowserCDPSession()
  const cpuTimes = async () => {
    const { processInfo } = await devtools.send('SystemInfo.getProcessInfo')
    return new Map(processInfo.filter(({ type }) => type === 'renderer').map(({ id, cpuTime }) => [id, cpuTime]))
  }
  const before = await cpuTimes()
  await page.evaluate(() => {
    let sum = 0
    for (let i = 0; i < 5e8; i++) sum += i % 7
    return sum
  })
  const grew = [...(await cpuTimes())].map(([id, time]) => ({ id, by: time - (before.get(id) ?? 0) }))
  return grew.sort((a, b) => b.by - a.by)[0]!.id
}
