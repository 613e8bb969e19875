import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

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

export function startChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: path, args })
}
