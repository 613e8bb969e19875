import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { WebSocket } from 'ws'
import { decodeToken, encodePosition, logOf } from '../../src/wire/token.ts'
import { listensText } from '../support/gateway-process.ts'
import { ask, postJson, RawClient } from '../support/http.ts'
import { until } from '../support/until.ts'

const patienceMs = 30_000

/** Whatever one client sends, a witness on another connection gets each of its events, once and in order. */

const carillon = fileURLToPath(new URL('../../bin/carillon', import.meta.url))
const port = 19_410
const admin = 19_411
/** uWebSockets.js checks its timeouts every 4 s. */
const heartbeatMs = 4000

const folder = mkdtempSync(join(tmpdir(), 'carillon-bad-input-'))
const configFile = join(folder, 'carillon.yaml')
let gateway: Run
let witness: Witness

interface Run {
  readonly child: ChildProcess
  /** All that it wrote. */
  output: string
}

function serve(listen: number, adminPort: number, directory: string): Run {
  const broker = `embedded:${join(folder, directory)}`
  const listeners = ['--listen', `127.0.0.1:${listen}`, '--admin', `127.0.0.1:${adminPort}`]
  const child = spawn(carillon, ['serve', '--broker', broker, ...listeners, '--config', configFile], { stdio: 'pipe' })
  const run: Run = { child, output: '' }
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.on('data', (chunk) => {
      run.output = (run.output + chunk).slice(-20_000)
    })
  }
  return run
}

async function ready(run: Run): Promise<void> {
  for (const deadline = performance.now() + 20_000; performance.now() < deadline; ) {
    assert.equal(run.child.exitCode, null, run.output)
    const answer = run.output.includes(listensText) ? await ask(admin, '/readyz').catch(() => undefined) : undefined
    if (answer?.status === 200) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error(`the gateway did not become ready: ${run.output}`)
}

// biome-ignore lint/suspicious/noExplicitAny: frames of any kind
type Frame = any

class Client {
  readonly ws: WebSocket
  readonly frames: Frame[] = []
  closed: { code: number; reason: string } | undefined

  constructor() {
    this.ws = new WebSocket(`ws://127.0.0.1:${port}/v1/ws`)
    this.ws.on('message', (data) => this.frames.push(JSON.parse(data.toString())))
    this.ws.on('error', () => {})
    this.ws.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() }
    })
  }

  static async connected(): Promise<Client> {
    const client = new Client()
    await until('the welcome is there', patienceMs, () => client.frames.length === 1)
    return client
  }

  send(frame: unknown): void {
    this.ws.send(typeof frame === 'string' || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame))
  }

  /** The first frame of a kind that comes after those that are there, or is among them. */
  async frame(kind: string, withinMs = patienceMs): Promise<Frame> {
    await until(`a ${kind} frame is there`, withinMs, () => this.frames.some((frame) => kind in frame))
    return this.frames.find((frame) => kind in frame)[kind]
  }

  /** The code with which the gateway refuses a frame. */
  async refusal(frame: unknown): Promise<string> {
    const before = this.frames.length
    this.send(frame)
    await until('it is answered', patienceMs, () => this.frames.length > before)
    return this.frames.at(-1).error?.code ?? JSON.stringify(this.frames.at(-1))
  }
}

class Witness {
  readonly client: Client
  #published = 0

  constructor(client: Client) {
    this.client = client
  }

  static async watching(): Promise<Witness> {
    const client = await Client.connected()
    client.send({ subscribe: { ref: 1, subject: 'witness.events' } })
    await client.frame('live')
    return new Witness(client)
  }

  get numbers(): number[] {
    return this.client.frames.filter((frame) => 'delivery' in frame).map(({ delivery }) => delivery.event.data.n)
  }

  async undisturbed(): Promise<void> {
    const answer = await postJson(port, '/v1/publish', { subject: 'witness.events', data: { n: this.#published++ } })
    assert.equal(answer.status, 200, answer.text)
    await until('the witness has its event', patienceMs, () => this.numbers.length === this.#published)
    assert.deepEqual(
      this.numbers,
      Array.from({ length: this.#published }, (_, n) => n),
    )
    assert.equal(this.client.closed, undefined)
    assert.ok(!this.client.frames.some((frame) => 'gap' in frame || 'error' in frame))
  }
}

before(async () => {
  writeFileSync(configFile, `heartbeatMs: ${heartbeatMs}\n`)
  gateway = serve(port, admin, 'log')
  await ready(gateway)
  witness = await Witness.watching()
  await witness.undisturbed()
})

afterEach(async () => {
  await witness.undisturbed()
  assert.equal(gateway.child.exitCode, null, gateway.output)
})

after(() => {
  gateway.child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

test('unknown and malformed frames and wrong types are refused as bad_frame, one by one', async () => {
  const client = await Client.connected()
  const frames = [
    'not json',
    '[]',
    'null',
    '"subscribe"',
    '{}',
    '{"dance":{}}',
    '{"subscribe":{"ref":1,"subject":"a"},"ping":{"t":1}}',
    '{"subscribe":"a.b"}',
    '{"subscribe":{"ref":"one","subject":"a"}}',
    '{"subscribe":{"ref":-1,"subject":"a"}}',
    '{"subscribe":{"ref":4294967296,"subject":"a"}}',
    '{"subscribe":{"ref":1,"subject":["a"]}}',
    '{"subscribe":{"ref":1,"subject":"a","after":{}}}',
    `${'['.repeat(20_000)}`,
    Buffer.from([1, 2, 3]),
  ]
  for (const frame of frames) assert.equal(await client.refusal(frame), 'bad_frame', String(frame).slice(0, 60))
  client.send({ ping: { t: 5 } })
  assert.equal((await client.frame('pong')).t, 5)
})

test('a client that goes on sending nonsense is sent away for good', async () => {
  const client = await Client.connected()
  for (let i = 0; i < 100; i++) client.send('nonsense')
  await until('it is closed', patienceMs, () => client.closed !== undefined)
  assert.deepEqual(client.closed, { code: 3500, reason: 'too_many_errors' })
})

test('subjects that break the rules and refs that are no refs are refused, and the session goes on', async () => {
  const client = await Client.connected()
  const subjects = [
    '',
    'a..b',
    '.a',
    'a.',
    'a b',
    'a\u0000b',
    'a.>.b',
    'a*',
    'x'.repeat(256),
    'ü'.repeat(128),
    'x.'.repeat(10_000),
  ]
  for (const subject of subjects) {
    assert.equal(await client.refusal({ subscribe: { ref: 1, subject } }), 'bad_subject', subject.slice(0, 40))
  }
  assert.equal(await client.refusal({ subscribe: { ref: 0, subject: 'a' } }), 'bad_ref')
  assert.equal(await client.refusal({ unsubscribe: { ref: 9 } }), 'bad_ref')
  client.send({ subscribe: { ref: 1, subject: 'x'.repeat(255) } })
  assert.equal((await client.frame('live')).ref, 1)
  assert.equal(await client.refusal({ subscribe: { ref: 1, subject: 'a' } }), 'bad_ref')
})

test('subscriptions beyond the limit are refused, the others stay', async () => {
  const client = await Client.connected()
  const { maxSubscriptions } = client.frames[0].welcome.limits
  for (let ref = 1; ref <= maxSubscriptions; ref++) client.send({ subscribe: { ref, subject: `many.${ref}` } })
  await until('the last is live', 10_000, () => client.frames.some(({ live }) => live?.ref === maxSubscriptions))
  assert.equal(
    await client.refusal({ subscribe: { ref: maxSubscriptions + 1, subject: 'many.more' } }),
    'too_many_subscriptions',
  )
  await postJson(port, '/v1/publish', { subject: `many.${maxSubscriptions}`, data: 1 })
  assert.equal((await client.frame('delivery')).event.subject, `many.${maxSubscriptions}`)
  const query = Array.from({ length: maxSubscriptions + 1 }, (_, i) => `s${i}`)
  const poll = await postJson(port, '/v1/poll', { subjects: query })
  assert.equal(poll.json.error.code, 'too_many_subscriptions')
  client.ws.terminate()
})

test('frames and bodies over the limit: 1009 after an error frame, 413', async () => {
  const client = await Client.connected()
  const { maxFrameBytes, maxEventBytes } = client.frames[0].welcome.limits
  client.send('x'.repeat(maxFrameBytes + 1))
  await until('it is closed', patienceMs, () => client.closed !== undefined)
  assert.deepEqual(client.closed, { code: 1009, reason: 'frame_too_large' })
  assert.equal(client.frames.at(-1).error.code, 'frame_too_large')
  // Far beyond, uWebSockets.js ends the connection by itself.
  const flood = await Client.connected()
  flood.send('x'.repeat(32 * 1024 * 1024))
  await until('it is closed', patienceMs, () => flood.closed !== undefined)
  const event = await postJson(port, '/v1/publish', { subject: 'big', text: 'x'.repeat(maxEventBytes + 1) })
  assert.deepEqual([event.status, event.json.error.code], [413, 'event_too_large'])
  const body = await postJson(port, '/v1/publish', { subject: 'big', text: 'x'.repeat(32 * 1024 * 1024) }).catch(
    () => undefined,
  )
  if (body !== undefined) assert.deepEqual([body.status, body.json.error.code], [413, 'frame_too_large'])
})

test('bytes that are not UTF-8 are refused wherever they come', async () => {
  const raw = await rawUpgrade()
  const payload = Buffer.from([0x22, 0xc3, 0x28, 0x22])
  raw.socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]))
  await until('the text frame ended its connection', patienceMs, () => raw.closed)
  const headers = { 'Content-Type': 'application/json' }
  const body = Buffer.concat([Buffer.from('{"subject":"a","text":"'), Buffer.from([0xff]), Buffer.from('"}')])
  const published = await ask(port, '/v1/publish', { method: 'POST', headers, body })
  assert.deepEqual([published.status, published.json.error.code], [400, 'bad_request'])
  assert.equal((await ask(port, '/v1/sse?subject=%ff')).json.error.code, 'bad_request')
  assert.equal((await ask(port, '/v1/poll?subject=a%C3')).json.error.code, 'bad_request')
})

test('a broken token is refused on each transport', async () => {
  const good = (await postJson(port, '/v1/publish', { subject: 'token.test', data: 1 })).json.results[0].after as string
  const broken = [
    good.slice(0, -2),
    `${good.slice(0, 4)}${good[4] === 'A' ? 'B' : 'A'}${good.slice(5)}`,
    'nonsense',
    '@yesterday',
    '%%%',
  ]
  const client = await Client.connected()
  for (const after of broken) {
    assert.equal(await client.refusal({ subscribe: { ref: 1, subject: 'token.test', after } }), 'bad_token', after)
    const query = `subject=token.test&after=${encodeURIComponent(after)}`
    assert.equal((await ask(port, `/v1/sse?${query}`)).json.error.code, 'bad_token', after)
    assert.equal((await ask(port, `/v1/poll?${query}`)).json.error.code, 'bad_token', after)
  }
})

test('a token of another cluster leads to a gap and the head, not to an error', async () => {
  await postJson(port, '/v1/publish', { subject: 'elsewhere.test', data: 1 })
  const log = logOf('another-stream', 'of another cluster')
  const after = encodePosition({ ...log, partition: 0, offset: 12_345, generation: 3 })
  const client = await Client.connected()
  client.send({ subscribe: { ref: 1, subject: 'elsewhere.*', after } })
  assert.equal((await client.frame('gap')).reason, 'unnamed')
  await client.frame('live')
  await postJson(port, '/v1/publish', { subject: 'elsewhere.test', data: 2 })
  assert.equal((await client.frame('delivery')).event.data, 2)
})

test('a token ahead of the log is told as a gap, and the subscription goes on from the end of the log', async () => {
  const { results } = (await postJson(port, '/v1/publish', { subject: 'ahead.test', data: 1 })).json
  const position = decodeToken(results[0].after)[0]!
  const after = encodePosition({ ...position, offset: position.offset + 1_000_000 })
  const client = await Client.connected()
  client.send({ subscribe: { ref: 1, subject: 'ahead.test', after } })
  assert.equal((await client.frame('gap', 10_000)).reason, 'rewritten')
  await client.frame('live')
  await postJson(port, '/v1/publish', { subject: 'ahead.test', data: 2 })
  assert.equal((await client.frame('delivery')).event.data, 2)
})

test('a foreign origin or Host header cannot publish', async () => {
  const event = { subject: 'foreign', data: 1 }
  const foreign = await postJson(port, '/v1/publish', event, { Origin: 'https://evil.example' })
  assert.deepEqual([foreign.status, foreign.json.error.code], [403, 'origin_refused'])
  const rebound = { Host: `evil.example:${port}`, Origin: `http://evil.example:${port}` }
  const other = await postJson(port, '/v1/publish', event, rebound)
  assert.deepEqual([other.status, other.json.error.code], [403, 'origin_refused'])
})

test('a second gateway on the port ends at once, names the option, and takes no client', async () => {
  const second = serve(port, admin + 1, 'second-log')
  const [code] = await once(second.child, 'exit')
  assert.notEqual(code, 0)
  assert.match(second.output, /--listen: cannot listen on 127\.0\.0\.1:19410/)
})

test('silent, slow and half-open connections are closed in their time', async () => {
  const silent = new RawClient(port)
  const half = new RawClient(port)
  half.send('GET /v1/ws HTTP/1.1', 'Host: localhost')
  const dripping = new RawClient(port)
  dripping.send('GET /v1/sse?subject=a HTTP/1.1', '')
  const drip = setInterval(() => dripping.send('X'), 500)
  const body = new RawClient(port)
  const head = [
    'POST /v1/publish HTTP/1.1',
    'Host: localhost',
    'Content-Type: application/json',
    'Content-Length: 1000',
  ]
  body.send(...head, '', '{')
  const slowBody = setInterval(() => body.send(' '), 500)
  // It never answers a ping, while the gateway goes on sending to it.
  const halfOpen = await rawUpgrade()
  halfOpen.socket.write(maskedText('{"subscribe":{"ref":1,"subject":"witness.events"}}'))
  const events = setInterval(() => void witness.undisturbed(), 1000)
  const started = performance.now()
  const clients = { silent, half, dripping, body, halfOpen }
  await until('all are closed', 30_000, () => Object.values(clients).every(({ closed }) => closed)).finally(() => {
    for (const timer of [drip, slowBody, events]) clearInterval(timer)
    const open = Object.entries(clients).filter(([, { closed }]) => !closed)
    assert.deepEqual(
      open.map(([name]) => name),
      [],
    )
  })
  assert.ok(performance.now() - started < 20_000)
  assert.match(body.text, /408/)
  assert.match(halfOpen.text, /"n":/)
  await new Promise((resolve) => setTimeout(resolve, 100))
})

test('with all of these connections open the gateway still ends cleanly', { timeout: 20_000 }, async () => {
  const clients = await Promise.all(Array.from({ length: 20 }, () => Client.connected()))
  const raw = new RawClient(port)
  raw.send('GET /v1/ws HTTP/1.1', '')
  const poll = ask(port, '/v1/poll?subject=a&after=latest&wait=50000')
  const sse = ask(port, '/v1/sse?subject=a')
  await witness.undisturbed()
  const ended = once(gateway.child, 'exit')
  gateway.child.kill('SIGTERM')
  const [code, signal] = await ended
  assert.deepEqual([code, signal], [0, null], gateway.output)
  for (const { closed } of clients) assert.deepEqual(closed, { code: 1012, reason: 'shutting_down' })
  assert.equal((await poll).status, 200)
  assert.match((await sse).text, /event: error\ndata: .*shutting_down/)
  gateway = serve(port, admin, 'log')
  await ready(gateway)
  witness = await Witness.watching()
})

async function rawUpgrade(): Promise<RawClient> {
  const raw = new RawClient(port)
  const head = [
    'GET /v1/ws HTTP/1.1',
    'Host: localhost',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
  ]
  raw.send(...head, 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', '', '')
  await until('it is upgraded', patienceMs, () => raw.text.includes('welcome'))
  return raw
}

/** A client's text frame of up to 125 bytes; a mask of zeros leaves the payload as it is. */
function maskedText(text: string): Buffer {
  return Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)])
}
