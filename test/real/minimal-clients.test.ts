import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { WebSocketServer } from 'ws'
import { codeBlocks, readPage, section } from '../docs/markdown.ts'
import { GatewayProcess, patienceMs } from '../support/gateway-process.ts'
import { until } from '../support/until.ts'
import { Run } from './support/run.ts'

/** The three clients of docs/protocol.md, run as they stand there but for the port and, where a test says so, the subject. */

const port = 19_990
const dir = mkdtempSync(join(tmpdir(), 'carillon-minimal-'))
const broker = `embedded:${join(dir, 'log')}`
const gateway = new GatewayProcess({ port, dir, config: { broker, limits: { maxFrameBytes: 1024 }, drainMs: 500 } })

const page = section(readPage('protocol.md'), 'Three minimal clients')
const subject = 'alarm.zone7.door'

interface Client {
  readonly language: 'js' | 'sh' | 'python'
  readonly run: Run
}

function client(t: TestContext, language: Client['language'], of = subject, at = port): Client {
  const [block, ...others] = codeBlocks(page, language)
  assert.deepEqual(others, [])
  const text = block!.text.replaceAll('127.0.0.1:8080', `127.0.0.1:${at}`).replaceAll(subject, of)
  const command = {
    js: [process.execPath, '--disable-warning=ExperimentalWarning', '-e'],
    sh: ['sh', '-c'],
    python: ['python3', '-u', '-c'],
  }[language]
  const [program, ...options] = command
  const run = new Run([...options, text], dir, {}, { program })
  t.after(() => run.child.kill('SIGKILL'))
  return { language, run }
}

/** The numbers of the events that it has printed, in order. */
const numbers = ({ run }: Client) => [...run.stdout.matchAll(/no-(\d+)-/g)].map(([, n]) => Number(n))

const missing = ['python3', 'curl', 'jq'].filter((name) => spawnSync(name, ['--version']).error !== undefined)
const skip = missing.length === 0 ? false : `${missing.join(', ')} not found: install them`

let published = 0
async function publish(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    // A line break that a shell's echo would make of it would end the JSON.
    const answer = await gateway.publish({ subject, text: `no-${published}-\\n "é"` })
    assert.equal(answer.status, 200, answer.text)
    published++
  }
}

before(async () => {
  gateway.start()
  await gateway.becomesReady()
})

after(async () => {
  await gateway.end()
  rmSync(dir, { recursive: true })
})

test('each of the three goes on after kill -9 and after a restart, and loses and repeats nothing', {
  skip,
}, async (t) => {
  const clients = (['js', 'sh', 'python'] as const).map((language) => client(t, language))
  // Where each begins is its own affair: from its first event on it gets all.
  await until('all three follow', patienceMs, async () => {
    await publish(1)
    return clients.every((each) => numbers(each).length > 0)
  })
  for (const signal of ['SIGKILL', 'SIGTERM', 'SIGKILL'] as const) {
    await publish(5)
    await gateway.end(signal)
    gateway.start()
    await gateway.becomesReady()
    // Published before any of them is back.
    await publish(5)
    const last = published - 1
    await until('all have the newest', patienceMs, () => clients.every((each) => numbers(each).at(-1) === last))
  }
  for (const each of clients) {
    const got = numbers(each)
    assert.deepEqual(
      got,
      got.map((_, i) => got[0]! + i),
      `${each.language}: ${each.run.stderr}`,
    )
    assert.doesNotMatch(each.run.stdout, /\bgap\b/)
    assert.equal(each.run.child.exitCode, null)
  }
})

test('each of them gives up a request that stays wrong', { skip }, async (t) => {
  // For the WebSocket it is a frame over the limit, which is answered by 1009.
  const js = client(t, 'js', `a.${'x'.repeat(1500)}`)
  const others = [client(t, 'sh', 'a..b'), client(t, 'python', 'a..b')]
  assert.equal(await js.run.ended, 0)
  assert.match(js.run.stdout, /^error frame_too_large/m)
  for (const { run } of others) {
    assert.equal(await run.ended, 1)
    assert.match(run.stderr, /bad_subject/)
    assert.equal(run.stdout, '')
  }
})

test('the JavaScript client subscribes again on the same connection when it was told to come later, and not otherwise', async (t) => {
  const server = new WebSocketServer({ host: '127.0.0.1', port: port + 2 })
  t.after(() => server.close())
  const asked: string[] = []
  const error = { ref: 1, code: 'broker_unavailable', message: 'not now' }
  const answers = [
    { error: { ...error, retry: 'later', retryAfterMs: 10 } },
    { error: { ...error, retry: 'later', retryAfterMs: 0 } },
    { error: { ...error, code: 'no_route', retry: 'no', retryAfterMs: 0 } },
  ]
  server.on('connection', (socket) => {
    socket.on('message', (data) => {
      asked.push(String(data))
      socket.send(JSON.stringify(answers[asked.length - 1]))
    })
  })
  const { run } = client(t, 'js', subject, port + 2)
  await until('it was refused for good', patienceMs, () => run.stdout.includes('no_route'))
  await new Promise((resolve) => setTimeout(resolve, 1500))
  assert.equal(asked.length, answers.length)
  assert.equal(server.clients.size, 1)
})
