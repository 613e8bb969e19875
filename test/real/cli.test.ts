import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { until } from '../client/recorder.ts'
import { Run } from './support/run.ts'

/** The commands as a person or script runs them, against a gateway on the embedded log. */

const folder = mkdtempSync(join(tmpdir(), 'carillon-cli-'))
const url = 'http://127.0.0.1:19310'
const admin = 'http://127.0.0.1:19311'
const nobody = 'http://127.0.0.1:19319'
const listeners = ['--listen', '127.0.0.1:19310', '--admin', '127.0.0.1:19311']
const log = `embedded:${join(folder, 'log')}`

const running = new Set<Run>()

/** Runs until the test ends it. */
function start(t: TestContext | undefined, ...args: string[]): Run {
  const run = new Run(args, folder)
  running.add(run)
  t?.after(() => run.child.kill('SIGKILL'))
  return run
}

/** Runs to its end. */
async function carillonEnds(args: readonly string[], { input = '', env = {} } = {}) {
  const run = new Run(args, folder, env)
  run.child.stdin!.end(input)
  const code = await run.ended
  return { code, stdout: run.stdout, stderr: run.stderr, lines: run.lines, texts: () => run.texts }
}

async function serving(): Promise<Run> {
  const run = start(undefined, 'serve', '--broker', log, ...listeners)
  await until('ready', () => run.child.exitCode !== null || run.stdout.includes('clients on'))
  assert.equal(run.child.exitCode, null, run.stderr)
  for (;;) {
    const answer = await fetch(`${admin}/readyz`)
    if (answer.ok) return run
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const publish = (...args: string[]) => carillonEnds(['publish', '--gateway', url, ...args])

/** A subscriber that is live. */
async function subscribed(t: TestContext, ...args: string[]): Promise<Run> {
  const run = start(t, 'subscribe', '--gateway', url, '--json', ...args)
  await until('live', () => run.stderr.includes('"live"'))
  return run
}

let gateway: Run

before(async () => {
  gateway = await serving()
})

after(async () => {
  for (const { child } of running) child.kill('SIGKILL')
  await Promise.all([...running].map(({ ended }) => ended))
  rmSync(folder, { recursive: true })
})

const ways = {
  ws: ['--transport', 'ws'],
  'ws in protobuf': ['--transport', 'ws', '--proto'],
  sse: ['--transport', 'sse'],
  poll: ['--transport', 'poll'],
}

for (const [name, way] of Object.entries(ways)) {
  const subject = `way.${name.replaceAll(' ', '-')}`

  test(`over ${name}, what is published is shown once, in the order of each subject`, async (t) => {
    const run = await subscribed(t, `${subject}.*`, '--count', '3', ...way)
    assert.equal((await publish(`${subject}.a`, '{"n":12345678901234567890}')).code, 0)
    assert.equal((await publish(`${subject}.b`, 'text', '--type', 't', '--attribute', 'k=v=w', '--id', 'i')).code, 0)
    assert.equal((await publish(`${subject}.a`, 'last', '--ttl', '60000', '--collapse-key', 'c')).code, 0)
    assert.equal(await run.ended, 0)
    const [first, third] = run.events.filter((event) => event.subject === `${subject}.a`)
    const [second] = run.events.filter((event) => event.subject === `${subject}.b`)
    assert.equal(first.contentType, 'application/json')
    if (name === 'ws in protobuf') assert.match(run.stdout, /"data":\{"n":12345678901234567890\}/)
    assert.deepEqual([second.text, second.type, second.id, second.attributes], ['text', 't', 'i', { k: 'v=w' }])
    assert.deepEqual([third.ttlMs, third.collapseKey], [60_000, 'c'])
    assert.match(first.id, /^[0-9a-f-]{36}$/)
  })

  test(`over ${name}, a token goes on where a subscriber stopped`, async () => {
    const subscribe = ['subscribe', '--gateway', url, '--json', `${subject}.resumed`, ...way]
    await carillonEnds(['publish', '--gateway', url, `${subject}.resumed`], { input: '1\n2\n3\n4\n' })
    const first = await carillonEnds([...subscribe, '--after', 'earliest', '--count', '2'])
    assert.deepEqual(
      first.lines.map((line) => JSON.parse(line).event.data),
      [1, 2],
    )
    const token = JSON.parse(first.stderr.trim().split('\n').at(-1)!).ended.after
    const second = await carillonEnds([...subscribe, '--after', token, '--count', '2'])
    assert.deepEqual(
      second.lines.map((line) => JSON.parse(line).event.data),
      [3, 4],
    )
  })
}

test('a subscriber over each transport goes on after a restart of the gateway, without loss or repetition', async (t) => {
  const runs: Run[] = []
  for (const way of Object.values(ways)) runs.push(await subscribed(t, 'restart.*', '--count', '4', ...way))
  await publish('restart.a', 'one')
  await publish('restart.b', 'two')
  await until('all have two', () => runs.every((run) => run.lines.length === 2))
  gateway.child.kill('SIGTERM')
  assert.equal(await gateway.ended, 0)
  gateway = await serving()
  await publish('restart.a', 'three')
  await publish('restart.b', 'four')
  for (const run of runs) {
    assert.equal(await run.ended, 0, run.stderr)
    const of = (subject: string) => run.events.filter((event) => event.subject === subject).map(({ text }) => text)
    assert.deepEqual(
      [of('restart.a'), of('restart.b')],
      [
        ['one', 'three'],
        ['two', 'four'],
      ],
    )
  }
})

test('each line of stdin is an event, in order, however many there are', async () => {
  const lines = Array.from({ length: 3000 }, (_, i) => `line ${i}`)
  const published = await carillonEnds(['publish', '--gateway', url, 'lines.many'], { input: lines.join('\n') })
  assert.equal(published.code, 0)
  assert.equal(published.lines.length, 3000)
  assert.match(published.stderr, /^-- 3000 published$/m)
  const args = ['subscribe', '--gateway', url, 'lines.many', '--after', 'earliest', '--count', '3000', '--json']
  assert.deepEqual((await carillonEnds(args)).texts(), lines)
})

test('a line is published when it comes, not when stdin ends', async (t) => {
  const run = start(t, 'publish', '--gateway', url, 'lines.slow')
  run.child.stdin!.write('first\n')
  await until('printed', () => run.lines.length === 1)
  run.child.stdin!.write('second\n')
  await until('printed', () => run.lines.length === 2)
  run.child.kill('SIGINT')
  assert.equal(await run.ended, 130)
  assert.match(run.stderr, /^-- 2 published$/m)
})

test('whole events are read as JSON lines, and a wrong one is named by its line', async () => {
  const input = '{"subject":"lines.json","data":{"a":1}}\n\n{"subject":"lines.json","text":"x","type":"t"}\n'
  const good = await carillonEnds(['publish', '--gateway', url, '--json-lines', '--json'], { input })
  assert.equal(good.code, 0)
  assert.deepEqual(
    good.lines.map((line) => Object.keys(JSON.parse(line))),
    [
      ['after', 'stream', 'partition', 'offset'],
      ['after', 'stream', 'partition', 'offset'],
    ],
  )
  const bad = await carillonEnds(['publish', '--gateway', url, '--json-lines'], {
    input: `${input}{"subject":"a..b"}\n`,
  })
  assert.equal(bad.code, 2)
  assert.match(bad.stderr, /carillon: line 4: .*a\.\.b.* \(bad_subject\)/)
})

test('events written to the broker directly are read by a gateway on it', async () => {
  const own = `embedded:${join(folder, 'direct')}`
  const written = await carillonEnds(['publish', '--broker', own, 'direct.a', 'x'])
  assert.equal(written.code, 0, written.stderr)
  const listed = await carillonEnds(['streams', 'list', '--broker', own, '--json'])
  assert.deepEqual(
    JSON.parse(listed.stdout).map(({ name, partitions }: { name: string; partitions: number }) => [name, partitions]),
    [['events', 4]],
  )
})

test('a payload is text or bytes where that is said, and may come from a file or all of stdin', async () => {
  const file = join(folder, 'payload.json')
  writeFileSync(file, '{"n":\n1}\n')
  const cases: readonly (readonly [string, readonly string[], string?])[] = [
    ['{"contentType":"application/json","data":{"n":1}}', [`@${file}`]],
    ['{"contentType":"text/plain","text":"5"}', ['5', '--text']],
    ['{"contentType":"application/octet-stream","base64":"NQ=="}', ['5', '--raw']],
    ['{"contentType":"text/plain","text":"two\\nlines"}', ['@-'], 'two\nlines'],
    ['{"contentType":"text/plain","text":"@home"}', ['@@home']],
  ]
  for (const [, args, input = ''] of cases) {
    const { code, stderr } = await carillonEnds(['publish', '--gateway', url, 'payload.a', ...args], { input })
    assert.equal(code, 0, stderr)
  }
  const many = ['--gateway', url, 'payload.a', '--after', 'earliest', '--count', String(cases.length), '--json']
  const { lines } = await carillonEnds(['subscribe', ...many])
  const shown = lines.map((line) => {
    const { contentType, data, text, base64 } = JSON.parse(line).event
    return JSON.stringify({ contentType, data, text, base64 })
  })
  assert.deepEqual(
    shown,
    cases.map(([event]) => event),
  )
  for (const args of [['5', '--text', '--raw'], ['5', '--text', '--content-type', 'a/b'], [`@${folder}/none`]]) {
    assert.equal((await publish('payload.a', ...args)).code, 2, args.join())
  }
})

test('who writes subjects as MQTT has them is given a hint, and served', async () => {
  const { code, stderr } = await publish('home/door', 'x')
  assert.deepEqual([code, /^-- hint: .*Did you mean 'home\.door'\?$/m.test(stderr)], [0, true])
  const watched = await carillonEnds(['subscribe', '--gateway', url, 'home.#', '--timeout', '2', '--json'])
  assert.equal(watched.code, 0)
  assert.match(watched.stderr, /^\{"hint":"hint: .*'home\.>'\?"\}$/m)
})

test('--after takes what people say, and names it where something else is said', async () => {
  await publish('after.a', 'x')
  for (const after of ['@1h', `@${new Date().getFullYear() - 1}-01-31`, 'earliest']) {
    const args = ['subscribe', '--gateway', url, 'after.a', '--after', after, '--count', '1', '--json']
    assert.deepEqual((await carillonEnds(args)).texts(), ['x'], after)
  }
  const { code, stderr } = await carillonEnds(['subscribe', 'after.a', '--after', 'beginning', '--gateway', url])
  assert.equal(code, 2)
  assert.match(stderr, /--after: expected earliest, latest, a token, or a time: @1h .*got "beginning" \(bad_token\)/)
  const http = await (await fetch(`${url}/v1/poll?subject=a&after=beginning`)).json()
  assert.match(http.error.message, /expected a token, latest, earliest or @time, got "beginning"/)
})

test('what is shown to people can not steer their terminal', async () => {
  await publish('hostile.a', 'x\u001b[31mred\u0007')
  const { stdout } = await carillonEnds([
    'subscribe',
    '--gateway',
    url,
    'hostile.a',
    '--after',
    'earliest',
    '--count',
    '1',
  ])
  assert.match(stdout, /hostile\.a {2}\d+@\d+ {2}\d+ s ago {2}x\\u001b\[31mred\\u0007\n$/)
})

test('Ctrl-C ends a subscriber well, with what it saw and how to go on', async (t) => {
  const run = start(t, 'subscribe', '--gateway', url, 'goes.on', '--transport', 'sse')
  await until('live', () => run.stderr.includes('-- live'))
  await publish('goes.on', 'one')
  await until('shown', () => run.lines.length === 1)
  run.child.kill('SIGINT')
  assert.equal(await run.ended, 0)
  assert.match(run.stderr, /^-- 1 event, 0 gaps$/m)
  const [, command] = /^-- continue with: \S*bin\/carillon (.*)$/m.exec(run.stderr)!
  await publish('goes.on', 'two')
  const again = await carillonEnds([...command!.replaceAll("'", '').split(' '), '--count', '1', '--json'])
  assert.deepEqual(again.texts(), ['two'])
})

test('a reader that is slow gets everything once', async (t) => {
  const big = 'x'.repeat(200_000)
  await carillonEnds(['publish', '--gateway', url, 'slow.reader'], { input: `${big}\n`.repeat(60) })
  const run = start(t, 'subscribe', '--gateway', url, 'slow.reader', '--after', 'earliest', '--count', '60', '--json')
  run.child.stdout!.pause()
  await until('it has let go', () => run.stderr.includes('"paused"'))
  run.child.stdout!.resume()
  assert.equal(await run.ended, 0)
  assert.equal(run.lines.length, 60)
  assert.equal(new Set(run.lines.map((line) => JSON.parse(line).after)).size, 60)
})

test('a reader that goes away ends the command quietly', async (t) => {
  await carillonEnds(['publish', '--gateway', url, 'pipe.a'], { input: 'x\n'.repeat(2000) })
  const run = start(t, 'subscribe', '--gateway', url, 'pipe.a', '--after', 'earliest', '--json')
  run.child.stdout!.once('data', () => run.child.stdout!.destroy())
  assert.equal(await run.ended, 0)
  assert.doesNotMatch(run.stderr, /Error|EPIPE/)
})

test('the exit code says what went wrong: 1 it failed, 2 it was asked wrongly, 3 nobody is there', async () => {
  const cases: readonly (readonly [number, RegExp, ...string[]])[] = [
    [2, /unknown command 'nope'/, 'nope'],
    [2, /unknown command 'pubish'\n\(Did you mean publish\?\)/, 'pubish'],
    [2, /unknown command 'sub'\n\(Did you mean subscribe\?\)/, 'sub'],
    [2, /unknown option '--nope'/, 'publish', '--nope'],
    [2, /expected a subject, or --json-lines/, 'publish', '--gateway', url],
    [2, /\(bad_subject\)/, 'publish', 'a..b', 'x', '--gateway', url],
    [2, /expected a URL such as/, 'publish', 'a', 'x', '--gateway', 'localhost:8080/x'],
    [2, /\(bad_token\)/, 'subscribe', 'a', '--after', 'nonsense', '--gateway', url],
    [2, /\(bad_token\)/, 'token', 'nonsense'],
    [2, /unknown command 'stats'\n\(Did you mean status\?\)/, 'help', 'stats'],
    [2, /expected one of bad_frame/, 'errors', 'nope'],
    [2, /--proto: expected --transport ws/, 'subscribe', 'a', '--proto', '--transport', 'sse'],
    [1, /^$/m, 'subscribe', 'never.published', '--count', '1', '--timeout', '4', '--gateway', url],
    [1, /is another gateway running there/, 'serve', '--broker', `embedded:${join(folder, 'second')}`, ...listeners],
    [3, /no answer from/, 'publish', 'a', 'x', '--gateway', nobody],
    [3, /no answer from/, 'subscribe', 'a', '--timeout', '0.3', '--gateway', nobody],
    [3, /no answer from/, 'health', '--admin', nobody],
    [3, /not like an admin listener/, 'health', '--admin', url],
    [3, /no answer from/, 'status', '--admin', nobody],
  ]
  for (const [expected, said, ...args] of cases) {
    const { code, stderr } = await carillonEnds(args)
    assert.equal(code, expected, `${args.join(' ')}: ${stderr}`)
    assert.match(stderr, said)
  }
})

test('a failure is one line, without a stack', async () => {
  const { stderr } = await carillonEnds(['serve', '--broker', `embedded:${join(folder, 'second')}`, ...listeners])
  assert.match(stderr, /^carillon: [^\n]*\(listen_failed\)\n$/)
})

test('mistakes in the configuration are all named, and nothing is started', async () => {
  const file = join(folder, 'wrong.yaml')
  writeFileSync(file, 'lisen: 127.0.0.1:1\nlimits: {maxSessions: none}\n')
  const env = { CARILLON_HEARTBEAT_MS: '1' }
  const { code, stdout, stderr } = await carillonEnds(['serve', '--config', file, '--admin', 'x'], { env })
  assert.equal(code, 2)
  assert.equal(stdout, '')
  const said = stderr.trim().split('\n')
  assert.equal(said.length, 4)
  for (const start of [`${file}: lisen:`, `${file}: limits.maxSessions:`, 'CARILLON_HEARTBEAT_MS:', '--admin:']) {
    assert.ok(
      said.some((line) => line.startsWith(`carillon: ${start}`)),
      `${start} in ${stderr}`,
    )
  }
})

test('config shows each effective value and where it came from', async () => {
  const printed = await carillonEnds(['config', 'print', '--json', '--drain-ms', '7'], {
    env: { CARILLON_LIMITS_MAX_SESSIONS: '9' },
  })
  const rows = JSON.parse(printed.stdout) as { path: string; value: unknown; from: string }[]
  const row = (path: string) => rows.find((each) => each.path === path)
  assert.deepEqual(row('drainMs'), { path: 'drainMs', value: 7, from: 'flag --drain-ms' })
  assert.deepEqual(row('limits.maxSessions')?.from, 'CARILLON_LIMITS_MAX_SESSIONS')
  assert.deepEqual(row('listen')?.from, 'default')
  assert.equal((await carillonEnds(['config', 'check'])).code, 0)
  const schema = JSON.parse((await carillonEnds(['config', 'schema'])).stdout)
  assert.ok(schema.properties.limits.properties.maxSessions)
})

test('routes says where a subject is, by the counts that are asked for', async () => {
  const where = async (...args: string[]) => JSON.parse((await carillonEnds(['routes', '--json', ...args])).stdout)
  const [{ partitions }] = await where('a.b')
  const written = await publish('a.b', 'x', '--json')
  assert.deepEqual(partitions, [JSON.parse(written.stdout).partition])
  assert.equal((await where('a.>', '--partitions', '12'))[0].partitions.length, 12)
  assert.deepEqual((await where('a.>', '--admin', admin))[0].partitions, [0, 1, 2, 3])
  assert.deepEqual(await where(), [{ subjects: '>', stream: 'events', rule: 'java', topic: 'carillon' }])
})

test('health says whether the gateway is ready, and token what is in one', async () => {
  const healthy = await carillonEnds(['health', '--admin', admin])
  assert.deepEqual([healthy.code, healthy.stdout], [0, 'ready\n'])
  const { after: token, partition, offset } = JSON.parse((await publish('a.b', 'x', '--json')).stdout)
  const { positions } = JSON.parse((await carillonEnds(['token', token, '--json'])).stdout)
  assert.deepEqual([positions[0].partition, positions[0].offset], [partition, offset + 1])
})

test('status says what the gateway does, and who was refused by which limit', async () => {
  const tooMany = await fetch(`${url}/v1/poll?${Array.from({ length: 1001 }, (_, i) => `subject=s${i}`).join('&')}`)
  assert.equal((await tooMany.json()).error.code, 'too_many_subscriptions')
  const { code, stdout } = await carillonEnds(['status', '--admin', admin])
  assert.equal(code, 0)
  assert.match(stdout, /^ready$/m)
  assert.match(stdout, /^events +carillon +up +4 +0 +0$/m)
  assert.match(stdout, /^maxSubscriptions +1 +\S+ +127\.0\.0\.1 +subscriptions +limits\.maxSubscriptions$/m)
  const json = JSON.parse((await carillonEnds(['status', '--admin', admin, '--json'])).stdout)
  const row = json.limits.find(({ limit }: { limit: string }) => limit === 'maxSubscriptions')
  assert.deepEqual([row.count, row.last, json.degraded], [1, '127.0.0.1', []])
  const metrics = await (await fetch(`${admin}/metrics`)).text()
  assert.match(metrics, /^carillon_limit_refusals_total\{(.*,)?limit="maxSubscriptions".*\} 1$/m)
})

test('every command has help with an example', async () => {
  const commands = [
    'serve',
    'publish',
    'subscribe',
    'routes',
    'streams',
    'config',
    'token',
    'health',
    'status',
    'errors',
    'completion',
  ]
  const overview = await carillonEnds([])
  for (const command of commands) {
    assert.match(overview.stdout, new RegExp(`^ {2}${command} `, 'm'))
    const { code, stdout } = await carillonEnds(['help', command])
    assert.equal(code, 0)
    assert.match(stdout, new RegExp(`Examples?:\\n  .*carillon ${command}`))
  }
})

test('at a second signal a gateway waits for nobody', async (t) => {
  const ownListeners = ['--listen', '127.0.0.1:19312', '--admin', '127.0.0.1:19313', '--drain-ms', '60000']
  const run = start(t, 'serve', '--broker', `embedded:${join(folder, 'signal')}`, ...ownListeners)
  await until('started', () => run.stdout.includes('clients on'))
  // Its body never ends, so that this request is under way still when the next one is answered.
  const stuck = connect(19_312, '127.0.0.1').on('error', () => {})
  t.after(() => stuck.destroy())
  stuck.write(
    'POST /v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{',
  )
  await fetch('http://127.0.0.1:19312/nothing')
  run.child.kill('SIGTERM')
  run.child.kill('SIGINT')
  assert.equal(await run.ended, 130)
})
