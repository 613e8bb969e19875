import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { installedPython } from '../peers/install.ts'
import { GatewayProcess, patienceMs } from '../support/gateway-process.ts'
import { until } from '../support/until.ts'
import { Run } from './support/run.ts'

/** Each client library hands an event over when it has come, not with what comes next: that may be a heartbeat, 25 s later. */

const port = 21_520
const dir = mkdtempSync(join(tmpdir(), 'carillon-sse-clients-'))
const gateway = new GatewayProcess({ port, dir, config: { broker: `embedded:${join(dir, 'log')}` } })
const program = (name: string) => fileURLToPath(new URL(`support/sse/${name}`, import.meta.url))
/** On a loaded host, and well below a heartbeat. */
const promptMs = 10_000

/** Bytes: more and less than what readers take at a time (128, 512), and than one of the gateway's own writes (15 KiB). */
const sizes = [10, 600, 1100, 40_000]

interface Library {
  readonly name: string
  readonly lacks: string | false
  command(url: string): readonly [string, ...string[]]
  readonly env?: Record<string, string>
  /** It prints the stream as it is. */
  readonly verbatim?: boolean
}

const lacks = (command: string, ...args: string[]) =>
  spawnSync(command, args).status === 0 ? false : `${command} not found: install it`
const python = installedPython()
const withPackages = python === undefined ? 'the Python packages are not installed: make peer-packages' : false
const ofPython = (name: string): Library => ({
  name,
  lacks: name === 'urllib' ? lacks('python3', '--version') : withPackages,
  command: (url) => ['python3', '-u', program('clients.py'), name, url],
  env: { PYTHONPATH: python ?? '' },
})
const ofJava = (name: string): Library => ({
  name: `Java's ${name}`,
  lacks: lacks('java', '-version'),
  command: (url) => ['java', '-XX:TieredStopAtLevel=1', program('Clients.java'), name, url],
})
const go = join(dir, 'clients')

const libraries: Library[] = [
  ...['urllib', 'urllib3', 'requests', 'sseclient', 'httpx', 'httpx_sse'].map(ofPython),
  ofJava('HttpClient'),
  ofJava('HttpURLConnection'),
  { name: "Go's net/http", lacks: lacks('go', 'version'), command: (url) => [go, url] },
  { name: "Node's fetch", lacks: false, command: (url) => [process.execPath, program('fetch.mjs'), url] },
  { name: 'curl', lacks: lacks('curl', '--version'), command: (url) => ['curl', '-sSNi', url], verbatim: true },
]

before(async () => {
  gateway.start()
  await gateway.becomesReady()
})

after(async () => {
  await gateway.end()
  rmSync(dir, { recursive: true })
})

for (const library of libraries) {
  test(`${library.name} has each event at once`, { skip: library.lacks }, async (t) => {
    const subject = `sse.${library.name.replaceAll(/\W/g, '-')}`
    if (library.name.startsWith('Go')) execFileSync('go', ['build', '-o', go, program('clients.go')])
    const [command, ...args] = library.command(`http://127.0.0.1:${port}/v1/sse?subject=${subject}`)
    const run = new Run(args, dir, library.env, { program: command })
    t.after(() => run.child.kill('SIGKILL'))
    const has = (n: number) => (library.verbatim ? run.stdout.includes(`"n":${n},`) : run.lines.includes(String(n)))
    const isOpen = () => run.lines.some((line) => line === 'open' || line.startsWith('data:'))
    await until('it is open', patienceMs, () => run.child.exitCode !== null || isOpen())
    for (const [n, size] of sizes.entries()) {
      await gateway.publish({ subject, data: { n, body: 'x'.repeat(size) } })
      await until(`it has event ${n}`, promptMs, () => run.child.exitCode !== null || has(n))
      assert.equal(run.child.exitCode, null, run.stderr)
    }
  })
}
