import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { until } from '../client/recorder.ts'
import { Run } from './support/run.ts'

/** `carillon serve`: what it says, and what its clients see when it goes; and commands that need a gateway of their own. */

const folder = mkdtempSync(join(tmpdir(), 'carillon-serve-'))
after(() => rmSync(folder, { recursive: true }))

let nextPort = 19_350

/** Ports and a log of a gateway of its own. */
function place(name: string) {
  const port = nextPort
  nextPort += 2
  const log = `embedded:${join(folder, name)}`
  const listeners = ['--listen', `127.0.0.1:${port}`, '--admin', `127.0.0.1:${port + 1}`]
  return { log, url: `http://127.0.0.1:${port}`, args: ['serve', '--broker', log, ...listeners] }
}

/** Ends with the test at the latest. */
function start(t: TestContext, ...args: string[]): Run {
  const run = new Run(args, folder)
  t.after(() => run.child.kill('SIGKILL'))
  return run
}

async function serving(t: TestContext, ...args: string[]): Promise<Run> {
  const run = start(t, ...args)
  await until('serving', () => run.child.exitCode !== null || run.stdout.includes('clients on'))
  assert.equal(run.child.exitCode, null, run.stderr)
  return run
}

async function ends(...args: string[]) {
  const run = new Run(args, folder)
  run.child.stdin!.end()
  return { code: await run.ended, stdout: run.stdout, stderr: run.stderr, texts: () => run.texts }
}

test('the commands that serve --dev prints work when they are pasted', async (t) => {
  const { url, args } = place('dev')
  const gateway = await serving(t, ...args, '--dev')
  await until('announced', () => gateway.stdout.includes('or on the page'))
  assert.ok(gateway.stdout.startsWith(`carillon: clients on ${url}, admin on `))
  const pasted = [...gateway.stdout.matchAll(/^ {2}(.+)$/gm)].map(([, line]) => line!)
  assert.deepEqual(
    pasted.map((line) => line.replace(/^\S*bin\/carillon (\w+) .*/, '$1').replace(/^(curl) .*/, '$1')),
    ['subscribe', 'publish', 'curl'],
  )
  const [subscribe, publish, curl] = pasted
  const paste = (line: string) => {
    const run = new Run(['-c', `exec ${line}`], folder, {}, { program: '/bin/sh' })
    t.after(() => run.child.kill('SIGKILL'))
    return run
  }
  const [watching, streaming] = [paste(subscribe!), paste(curl!)]
  await until('both live', () => watching.stderr.includes('-- live') && streaming.stdout.includes('event: live'))
  assert.equal(await paste(publish!).ended, 0)
  await until('shown', () => watching.stdout.includes('alarm.zone7.door') && streaming.stdout.includes('{"open":true}'))
  const [, page] = /^or on the page: (.*)$/m.exec(gateway.stdout)!
  assert.match(await (await fetch(page!)).text(), /<html/)
})

test('without --dev, a script is told where it listens, and nothing else', async (t) => {
  const gateway = await serving(t, ...place('quiet').args)
  gateway.child.kill('SIGTERM')
  assert.equal(await gateway.ended, 0)
  assert.match(gateway.stdout, /^carillon: clients on [^\n]*\n$/)
})

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  test(`${signal} says goodbye to clients before the gateway ends`, async (t) => {
    const { url, args } = place(signal)
    const gateway = await serving(t, ...args)
    const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/ws`)
    const frames: string[] = []
    let code = 0
    socket.addEventListener('message', ({ data }) => frames.push(Object.keys(JSON.parse(String(data)))[0]!))
    socket.addEventListener('close', (event) => {
      code = event.code
    })
    await until('greeted', () => frames.length === 1)
    gateway.child.kill(signal)
    assert.equal(await gateway.ended, 0)
    await until('closed', () => code !== 0)
    assert.deepEqual([...frames, code], ['welcome', 'error', 1012])
    assert.match(gateway.stderr, new RegExp(`"message":"${signal}: the gateway is going away"`))
  })
}

test('subscribers over each transport go on after the gateway was killed, without loss or repetition', async (t) => {
  const { url, args } = place('killed')
  const publish = (...texts: string[]) => {
    const run = start(t, 'publish', '--gateway', url, 'killed.a')
    run.child.stdin!.end(texts.join('\n'))
    return run.ended
  }
  let gateway = await serving(t, ...args)
  const ways = [['ws'], ['ws', '--proto'], ['sse'], ['poll']]
  const runs = ways.map((way) => {
    return start(t, 'subscribe', 'killed.*', '--gateway', url, '--json', '--count', '200', '--transport', ...way)
  })
  await until('all live', () => runs.every(({ stderr }) => stderr.includes('"live"')))
  const texts = Array.from({ length: 200 }, (_, i) => `line ${i}`)
  assert.equal(await publish(...texts.slice(0, 100)), 0)
  await until('all have some', () => runs.every(({ lines }) => lines.length > 0))
  gateway.child.kill('SIGKILL')
  await gateway.ended
  gateway = await serving(t, ...args)
  assert.equal(await publish(...texts.slice(100)), 0)
  for (const run of runs) {
    assert.equal(await run.ended, 0, run.stderr)
    assert.deepEqual(run.texts, texts)
  }
})

test('@TIME starts at the first event of that time, over each transport', async (t) => {
  const { url, args } = place('time')
  await serving(t, ...args)
  const publish = async (text: string) => {
    assert.equal((await ends('publish', '--gateway', url, 'time.a', text)).code, 0)
  }
  await publish('before')
  const at = new Date().toISOString()
  await publish('first')
  await publish('second')
  for (const transport of ['ws', 'sse', 'poll']) {
    const which = ['--gateway', url, '--json', '--transport', transport, '--after', `@${at}`, '--count', '2']
    assert.deepEqual((await ends('subscribe', 'time.*', ...which)).texts(), ['first', 'second'], transport)
  }
})

test('a refusal is told in full once, then shortly, and is the reason when the time is over', async (t) => {
  const port = nextPort
  nextPort += 2
  const listeners = ['--listen', `127.0.0.1:${port}`, '--admin', `127.0.0.1:${port + 1}`]
  await serving(t, 'serve', '--broker', 'kafka://127.0.0.1:19349', ...listeners)
  const run = await ends('subscribe', 'a.b', '--gateway', `http://127.0.0.1:${port}`, '--timeout', '9')
  assert.equal(run.code, 3, run.stderr)
  const said = run.stderr.split('\n').filter((line) => line.startsWith('-- ') && line.includes('broker_unavailable'))
  assert.ok(said.length >= 2, run.stderr)
  assert.match(said[0]!, /^-- \S.* \(broker_unavailable\); again in \d+\.\d s$/)
  for (const line of said.slice(1)) assert.match(line, /^-- still broker_unavailable; again in \d+\.\d s$/)
  assert.match(run.stderr, /^carillon: .* \(broker_unavailable\)$/m)
})

test('a WebSocket that is refused has the reason that the gateway gives', async (t) => {
  const { url, args } = place('full')
  await serving(t, ...args, '--limits-max-sessions', '1')
  const first = start(t, 'subscribe', 'full.a', '--gateway', url, '--json')
  await until('live', () => first.stderr.includes('"live"'))
  for (const encoding of [[], ['--proto']]) {
    const { code, stderr } = await ends('subscribe', 'full.a', '--gateway', url, '--timeout', '3', ...encoding)
    assert.equal(code, 1, stderr)
    assert.match(stderr, /^-- refused: .* \(overloaded\)$/m)
    assert.match(stderr, /^carillon: .* \(overloaded\)$/m)
  }
  const json = await ends('subscribe', 'full.a', '--gateway', url, '--timeout', '3', '--json')
  const told = json.stderr.split('\n').filter((line) => line.includes('"refused"'))
  assert.equal(JSON.parse(told[0]!).refused.code, 'overloaded')
  assert.equal(told.length, 1)
})

test('a log that another gateway has open is refused by its name', async (t) => {
  const { args } = place('locked')
  await serving(t, ...args)
  const second = place('locked')
  const { code, stderr, stdout } = await ends(...second.args)
  assert.deepEqual([code, stdout], [1, ''])
  assert.match(stderr, /locked.*\(storage_locked\)\n$/)
})

test('streams are listed as missing, created, and listed with their partitions', async () => {
  const { log } = place('streams')
  const streams = ['--broker', log, '--streams', '{events: {topic: t, partitions: 3}}']
  const listed = async () => JSON.parse((await ends('streams', 'list', ...streams, '--json')).stdout)[0].partitions
  assert.equal(await listed(), undefined)
  const printed = await ends('streams', 'create', '--print', ...streams)
  assert.equal(printed.code, 0)
  assert.equal(await listed(), undefined)
  assert.equal((await ends('streams', 'create', ...streams)).code, 0)
  assert.equal(await listed(), 3)
})

test('streams create --print for Kafka prints the command, without a broker', async () => {
  const kafka = ['--broker', 'kafka://127.0.0.1:19349', '--streams', '{events: {topic: t, partitions: 3}}']
  const { code, stdout, stderr } = await ends('streams', 'create', '--print', ...kafka)
  assert.equal(code, 0, stderr)
  assert.match(stdout, /kafka-topics\S* .*--create .*--topic t .*--partitions 3/)
})

test('--version is that of the package', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  const { code, stdout } = await ends('--version')
  assert.deepEqual([code, stdout], [0, `${version}\n`])
})
