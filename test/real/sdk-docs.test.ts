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

const nodePort = 19_580
const pagePort = 19_582
const port = 19_584
const modules = {
  'carillon-client': 'sdk.ts',
  'carillon-client/node': 'file-store.ts',
  'carillon-client/proto': 'proto-codec.ts',
}

/** The sample's code with a gateway and modules of this test. */
function here(code: string, urlOf: (file: string) => string, port: number): string {
  const imports = Object.entries(modules).reduce((text, [name, file]) => {
    return text.replaceAll(`'${name}'`, `'${urlOf(file)}'`)
  }, code)
  return imports.replaceAll(':8080', `:${port}`)
}

test('each block of code in the page is a sample that is run', () => {
  assert.equal(samples('node').length + samples('browser').length, blocks)
})

/** Node before 22 has no WebSocket: what the samples print there comes by SSE, from a gateway that has seen none of them. */
const platforms = [
  { name: 'Node', flags: [] },
  { name: 'a Node without WebSockets', flags: ['--no-experimental-websocket'] },
]

for (const { name, flags } of platforms) {
  describe(`in ${name}`, () => {
    const dir = mkdtempSync(join(tmpdir(), 'carillon-sdk-docs-'))
    const gateway = new GatewayProcess({ port: nodePort, dir, config: { broker: `embedded:${join(dir, 'log')}` } })

    before(async () => {
      gateway.start()
      await gateway.becomesReady()
    })
    after(async () => {
      await gateway.end()
      rmSync(dir, { recursive: true })
    })

    for (const [i, { title, code, prints }] of samples('node').entries()) {
      test(`"${title}"`, async () => {
        const file = join(dir, `sample-${i}.mjs`)
        const source = (name: string) => new URL(`../../src/client/${name}`, import.meta.url).href
        writeFileSync(file, here(code, source, nodePort))
        const { stdout } = await promisify(execFile)(
          process.execPath,
          ['--disable-warning=ExperimentalWarning', ...flags, file],
          { cwd: dir, timeout: 20_000 },
        )
        assert.deepEqual(stdout.trimEnd().split('\n'), prints)
      })
    }
  })
}

describe('in a browser', { skip: chromiumMissing() ?? false }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'carillon-sdk-docs-'))
  const config = { broker: `embedded:${join(dir, 'log')}`, allowOrigin: [`http://127.0.0.1:${pagePort}`] }
  const gateway = new GatewayProcess({ port, dir, config })
  let browser: Browser
  const scripts = new Map<string, string | Uint8Array>()
  const server = createServer(({ url = '' }, response) => {
    const script = scripts.get(url)
    response.setHeader('content-type', script === undefined ? 'text/html' : 'text/javascript')
    response.end(script ?? '<script type="module" src="/sample.js"></script>')
  })

  before(async () => {
    gateway.start()
    await gateway.becomesReady()
    scripts.set('/sdk.js', (await bundle('sdk.ts')).code)
    scripts.set('/carillon-worker.js', (await bundle('worker.ts', 'iife')).code)
    server.listen(pagePort, '127.0.0.1')
    await once(server, 'listening')
    browser = await startChromium()
  })
  after(async () => {
    await browser?.close()
    server.close()
    await gateway.end()
    rmSync(dir, { recursive: true })
  })

  for (const { title, code, prints } of samples('browser')) {
    test(`"${title}"`, async () => {
      scripts.set(
        '/sample.js',
        here(code, () => '/sdk.js', port),
      )
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
