import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import type { Browser } from 'playwright-core'
import { chromiumMissing, startChromium } from '../brokers/chromium.ts'
import { bundle } from '../client/bundle.ts'
import { until } from '../client/recorder.ts'
import { blocks, samples } from '../docs/sdk-samples.ts'
import { GatewayProcess } from '../support/gateway-process.ts'

/** The samples of docs/sdk.md do what they say. */

const port = 19_580
const pagePort = 19_582
const dir = mkdtempSync(join(tmpdir(), 'carillon-sdk-docs-'))
const config = { broker: `embedded:${join(dir, 'log')}`, allowOrigin: [`http://127.0.0.1:${pagePort}`] }
const gateway = new GatewayProcess({ port, dir, config })
const modules = {
  'carillon-client': 'sdk.ts',
  'carillon-client/node': 'file-store.ts',
  'carillon-client/proto': 'proto-codec.ts',
}

before(async () => {
  gateway.start()
  await gateway.becomesReady()
})
after(async () => {
  await gateway.end()
  rmSync(dir, { recursive: true })
})

/** The sample's code with this test's gateway and modules. */
function here(code: string, urlOf: (file: string) => string): string {
  const imports = Object.entries(modules).reduce((text, [name, file]) => {
    return text.replaceAll(`'${name}'`, `'${urlOf(file)}'`)
  }, code)
  return imports.replaceAll(':8080', `:${port}`)
}

test('each block of code in the page is a sample that is run', () => {
  assert.equal(samples('node').length + samples('browser').length, blocks)
})

for (const [i, { title, code, prints }] of samples('node').entries()) {
  test(`"${title}" in Node`, async () => {
    const file = join(dir, `sample-${i}.mjs`)
    const source = (name: string) => new URL(`../../src/client/${name}`, import.meta.url).href
    writeFileSync(file, here(code, source))
    const { stdout } = await promisify(execFile)(process.execPath, ['--disable-warning=ExperimentalWarning', file], {
      cwd: dir,
      timeout: 20_000,
    })
    assert.deepEqual(stdout.trimEnd().split('\n'), prints)
  })
}

describe('in a browser', { skip: chromiumMissing() ?? false }, () => {
  let browser: Browser
  let sample = ''
  const server = createServer(({ url }, response) => {
    const isScript = url === '/sample.js' || url === '/sdk.js'
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
    response.end(url === '/sdk.js' ? sdk : isScript ? sample : '<script type="module" src="/sample.js"></script>')
  })
  let sdk: Uint8Array

  before(async () => {
    sdk = (await bundle('sdk.ts')).code
    server.listen(pagePort, '127.0.0.1')
    await once(server, 'listening')
    browser = await startChromium()
  })
  after(async () => {
    await browser?.close()
    server.close()
  })

  for (const { title, code, prints } of samples('browser')) {
    test(`"${title}"`, async () => {
      sample = here(code, () => '/sdk.js')
      const printed: string[] = []
      const page = await browser.newPage()
      page.on('console', (message) => printed.push(message.text()))
      page.on('pageerror', (error) => printed.push(error.message))
      await page.goto(`http://127.0.0.1:${pagePort}/`)
      const isPrinted = () => printed.filter((line) => prints.includes(line)).length >= prints.length
      await until(`it prints ${prints}, and not ${printed}`, isPrinted)
      await page.close()
    })
  }
})
