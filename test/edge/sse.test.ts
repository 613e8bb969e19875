import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { EventSource } from 'eventsource'
import { CarillonError } from '../../src/base/errors.ts'
import { ManualClock } from '../model/clock.ts'
import { ask, RawClient } from '../support/http.ts'
import { type Harness, until, withEdge } from './harness.ts'

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

interface Client {
  readonly source: EventSource
  readonly events: { type: string; data: string; id: string }[]
  /** `readyState` at each error: 0 = EventSource will reconnect, 2 = it gave up. */
  readonly errors: number[]
}

function follow(t: TestContext, { port }: Harness, query: string): Client {
  const source = new EventSource(`http://127.0.0.1:${port}/v1/sse?${query}`)
  const client: Client = { source, events: [], errors: [] }
  for (const type of ['message', 'after', 'gap', 'error'] as const) {
    source.addEventListener(type, (event) => {
      if (event instanceof MessageEvent) client.events.push({ type, data: event.data, id: event.lastEventId })
      else client.errors.push(source.readyState)
    })
  }
  t.after(() => source.close())
  return client
}

/** Reads a stream as bytes: status line, headers and chunks. */
async function open({ port }: Harness, query: string, ...headers: string[]): Promise<RawClient> {
  const raw = new RawClient(port)
  raw.send(`GET /v1/sse?${query} HTTP/1.1`, 'Host: localhost', ...headers, '', '')
  await until('the answer begins', () => raw.text.includes('\r\n\r\n'))
  return raw
}

/** 5 bytes of text beyond one position. */
const manyPositions = (n: number) => `manypositions-${String(n).padStart(40, '0')}`

test('a stream opens with a position, and each event of a single partition has its id', async (t) => {
  const harness = await withEdge(t)
  const client = follow(t, harness, 'subject=a.b&subject=c.*')
  await until('it is open', () => client.events.length === 1)
  assert.deepEqual(client.events[0], { type: 'after', data: '{"heartbeatMs":25000}', id: 'AAAAAAAA' })
  const { last: session } = harness.sessions
  assert.deepEqual(session.subjects, ['a.b', 'c.*'])
  assert.equal(session.deliver('BBBBBBBB', { offset: 1 }), 1)
  assert.equal(session.deliver('CCCCCCCC', { offset: 2 }), 1)
  await until('both have come', () => client.events.length === 3)
  assert.deepEqual(client.events.slice(1), [
    { type: 'message', data: '{"offset":1}', id: 'BBBBBBBB' },
    { type: 'message', data: '{"offset":2}', id: 'CCCCCCCC' },
  ])
})

test('sessions at different positions receive the shared event, each with its own id', async (t) => {
  const harness = await withEdge(t)
  const clients = [follow(t, harness, 'subject=a'), follow(t, harness, 'subject=>')]
  await until('both are open', () => clients.every(({ events }) => events.length === 1))
  const [one, other] = harness.sessions.opened
  const shared = one!.encode({ n: 1 })
  for (const [session, position] of [
    [one!, 'ONE'],
    [other!, 'OTHER'],
    [one!, 'TWO'],
  ] as const) {
    session.position = position
    session.outlet.write(shared, 'delivery', session)
  }
  await until('all has come', () => clients.reduce((sum, { events }) => sum + events.length, 0) === 5)
  const ids = clients.map(({ events }) => events.slice(1).map(({ id }) => id))
  assert.deepEqual(
    ids.sort((a, b) => b.length - a.length),
    [['ONE', 'TWO'], ['OTHER']],
  )
})

test('a stream opens with its position and its heartbeat interval', async (t) => {
  const { text } = await open(await withEdge(t, { heartbeatMs: 900_000 }), 'subject=a')
  assert.match(text, /event: after\ndata: \{"heartbeatMs":900000\}\nid: AAAAAAAA\n\n/)
})

test('the headers keep caches and proxies from holding the stream back', async (t) => {
  const harness = await withEdge(t, { allowOrigin: ['https://app.example'] })
  const { text } = await open(harness, 'subject=a', 'Origin: https://app.example')
  assert.match(text, /^HTTP\/1\.1 200 OK\r\n/)
  for (const header of [
    'Content-Type: text/event-stream; charset=utf-8',
    'Cache-Control: no-cache, no-store',
    'X-Accel-Buffering: no',
    'Access-Control-Allow-Origin: https://app.example',
    'Vary: Origin',
  ]) {
    assert.ok(text.includes(`${header}\r\n`), header)
  }
})

test('EventSource reconnects with the last id it received, which overrides after', async (t) => {
  const harness = await withEdge(t)
  const client = follow(t, harness, 'subject=a&after=old')
  await until('it is open', () => client.events.length === 1)
  assert.deepEqual(harness.sessions.last.after, ['old'])
  harness.sessions.last.deliver('BBBBBBBB', {})
  await until('it has come', () => client.events.length === 2)
  harness.sessions.last.outlet.end(new CarillonError('shutting_down', 'bye', { retryAfterMs: 20 }))
  await until('it is back', () => harness.sessions.opened.length === 2)
  assert.deepEqual(harness.sessions.last.after, ['BBBBBBBB'])
  assert.deepEqual(harness.sessions.opened[0]!.closes, ['answered'])
})

test('a stream ends with the reconnect delay, the error and the last chunk', async (t) => {
  const harness = await withEdge(t)
  const raw = await open(harness, 'subject=a')
  harness.sessions.last.deliver('B', {})
  harness.sessions.last.outlet.end(new CarillonError('shutting_down', 'bye', { retryAfterMs: 20 }))
  await until('it has ended', () => raw.text.endsWith('\r\n0\r\n\r\n'))
  const farewell =
    'retry: 20\nevent: error\ndata: {"code":"shutting_down","message":"bye","retry":"later","retryAfterMs":20}\n\n'
  assert.ok(raw.text.endsWith(`\r\n${farewell.length.toString(16)}\r\n${farewell}\r\n0\r\n\r\n`))
  assert.ok(!raw.text.includes('Connection: close'))
})

test('a request that can never succeed is answered with its status, and EventSource gives up', async (t) => {
  const harness = await withEdge(t)
  harness.sessions.onStart = () => {
    throw new CarillonError('no_route', 'no route covers a')
  }
  const client = follow(t, harness, 'subject=a')
  await until('it failed', () => client.errors.length === 1)
  assert.deepEqual(client.errors, [2])
  assert.equal((await ask(harness.port, '/v1/sse?subject=a')).status, 404)
  assert.deepEqual(harness.sessions.last.closes, ['answered'])
  assert.equal((await ask(harness.port, '/v1/sse')).status, 400)
  assert.equal((await ask(harness.port, '/v1/sse?subject=%ff')).json.error.code, 'bad_request')
  const foreign = await ask(harness.port, '/v1/sse?subject=a', { headers: { Origin: 'https://evil.example' } })
  assert.equal(foreign.status, 403)
  // Known only after a request to the broker.
  harness.sessions.onStart = (session) =>
    setImmediate(() => session.outlet.end(new CarillonError('bad_token', 'damaged')))
  assert.equal((await ask(harness.port, '/v1/sse?subject=a&after=x')).json.error.code, 'bad_token')
})

test('a request that can succeed later gets 200, the reconnect delay, and the end of the stream', async (t) => {
  const harness = await withEdge(t)
  harness.sessions.refusal = new CarillonError('overloaded', 'no room', { retryAfterMs: 1234 })
  const refused = await ask(harness.port, '/v1/sse?subject=a')
  assert.equal(refused.status, 200)
  assert.match(refused.text, /^retry: 1234\nevent: error\ndata: .*"overloaded".*\n\n$/)
  harness.sessions.refusal = undefined
  harness.sessions.onStart = (session) =>
    setImmediate(() => session.outlet.end(new CarillonError('broker_unavailable', 'the broker is away')))
  const later = await ask(harness.port, '/v1/sse?subject=a')
  assert.equal(later.status, 200)
  const [, ms] = /^retry: (\d+)\n/.exec(later.text)!
  assert.ok(Number(ms) >= 1000 && Number(ms) <= 4000, ms)
})

test('a session that ends before it began is answered with 204, which stops EventSource', async (t) => {
  const harness = await withEdge(t)
  harness.sessions.onStart = (session) => setImmediate(() => session.outlet.end(undefined))
  assert.equal((await ask(harness.port, '/v1/sse?subject=a')).status, 204)
})

/** Opens a stream at a position in many partitions. */
async function followMany(t: TestContext, harness: Harness) {
  harness.sessions.onStart = (session) => {
    session.position = manyPositions(0)
    session.outlet.opened()
  }
  const client = follow(t, harness, 'subject=>')
  await until('it is open', () => client.events.length === 1)
  return { client, session: harness.sessions.last }
}

test('an id that spans partitions is sent at most once a second, and also after the last event', async (t) => {
  const clock = new ManualClock()
  const harness = await withEdge(t, {}, clock)
  const { client, session } = await followMany(t, harness)
  for (let n = 1; n <= 3; n++) session.deliver(manyPositions(n), { n })
  await until('they have come', () => client.events.length === 4)
  assert.deepEqual(
    client.events.slice(1).map(({ id }) => id),
    Array(3).fill(manyPositions(0)),
  )
  await clock.advance(1100)
  await until('the id has come', () => client.events.length === 5)
  assert.deepEqual(client.events.at(-1), { type: 'after', data: '{}', id: manyPositions(3) })
  await clock.advance(1100)
  session.deliver(manyPositions(4), { n: 4 })
  await until('it has come', () => client.events.length === 6)
  assert.deepEqual(client.events.at(-1), { type: 'message', data: '{"n":4}', id: manyPositions(4) })
})

test('an event at which another history may begin carries the id at once, however many partitions it spans', async (t) => {
  const harness = await withEdge(t, {}, new ManualClock())
  const { client, session } = await followMany(t, harness)
  session.deliver(manyPositions(1), { n: 1 })
  session.deliver(manyPositions(2), { n: 2 }, 'turn')
  session.deliver(manyPositions(3), { n: 3 })
  await until('they have come', () => client.events.length === 4)
  assert.deepEqual(
    client.events.slice(1).map(({ id }) => id),
    [manyPositions(0), manyPositions(2), manyPositions(2)],
  )
})

test('a control frame carries the id at once, however many partitions it spans', async (t) => {
  const clock = new ManualClock()
  const harness = await withEdge(t, {}, clock)
  harness.sessions.onStart = (session) => {
    session.position = manyPositions(0)
    session.outlet.opened()
  }
  const client = follow(t, harness, 'subject=>')
  await until('it is open', () => client.events.length === 1)
  harness.sessions.last.position = manyPositions(9)
  harness.sessions.last.control({ gap: 1 })
  await until('it has come', () => client.events.length === 2)
  assert.equal(client.events[1]!.id, manyPositions(9))
})

test('a silent stream receives a comment every heartbeat, or its position if it has moved', async (t) => {
  const clock = new ManualClock()
  const harness = await withEdge(t, { heartbeatMs: 25_000 }, clock)
  const raw = await open(harness, 'subject=a')
  const opening = raw.text.length
  await clock.advance(24_900)
  assert.equal(raw.text.length, opening)
  await clock.advance(200)
  await until('the comment has come', () => raw.text.endsWith('2\r\n:\n'))
  harness.sessions.last.position = 'MOVED'
  await clock.advance(25_100)
  await until('the position has come', () => raw.text.includes('event: after\ndata: {}\nid: MOVED\n\n'))
})

test('a full socket stops the stream at the first refused write, and the stream continues without loss', async (t) => {
  const harness = await withEdge(t)
  const raw = await open(harness, 'subject=a')
  raw.socket.pause()
  const { last: session } = harness.sessions
  const body = 'x'.repeat(16 * 1024)
  let taken = 0
  let outcome = 1
  while (outcome === 1 && taken < 4000) outcome = session.deliver(`p${taken}`, { n: taken++, body })
  assert.equal(outcome, 0)
  assert.equal(session.deliver('never', { n: 'never' }), 2)
  assert.equal(session.control({ n: 'never' }), 2)
  // The rest is sent as the socket drains, each time until it is full again.
  const goal = taken + 500
  harness.sessions.onDrained = () => {
    session.outlet.batch(() => {
      for (let next = 1; next === 1 && taken < goal; ) next = session.deliver(`p${taken}`, { n: taken++, body })
    })
  }
  raw.socket.resume()
  await until('all are taken', () => taken === goal, 5000)
  const numbers = [...raw.text.matchAll(/"n":(\d+)/g)].map(([, n]) => Number(n))
  assert.deepEqual(
    numbers,
    numbers.map((_, i) => i),
  )
  assert.ok(session.drains > 0)
  assert.ok(!raw.text.includes('never'))
})

/**
 * Returns the content of a stream's complete chunks; uWS ends a chunk with the beginning of the
 * next one. Throws if a chunk's length is wrong.
 */
function blocksOf(text: string): string {
  let body = ''
  for (let at = text.indexOf('\r\n\r\n') + 4; at < text.length; ) {
    const size = /^([0-9a-f]+)\r\n/i.exec(text.slice(at, at + 10))
    assert.ok(size !== null, `expected the size of a chunk, got ${JSON.stringify(text.slice(at, at + 60))}`)
    const start = at + size[0].length
    const end = start + Number.parseInt(size[1]!, 16)
    if (text.length < end + 2) break
    assert.equal(
      text.slice(end, end + 2),
      '\r\n',
      `a chunk ends where it says: ${JSON.stringify(text.slice(at, at + 60))}`,
    )
    body += text.slice(start, end)
    at = end + 2
  }
  return body
}

test('a block arrives with the end of its chunk, so that no reader waits for the next one', async (t) => {
  const harness = await withEdge(t)
  const raw = await open(harness, 'subject=a')
  assert.match(blocksOf(raw.text), /^retry: \d+\nevent: after\n.*\n.*\n\n$/)
  for (const length of [10, 14_900, 15_300, 40_000]) {
    harness.sessions.last.deliver(`p${length}`, { length, body: 'x'.repeat(length) })
    await until('it has come', () => raw.text.includes(`"length":${length},`) && raw.text.endsWith(':\n'))
    assert.ok(blocksOf(raw.text).endsWith('x"}\n\n'), String(length))
  }
})

test('every blank line ends a block with data, whatever was written before', async (t) => {
  const clock = new ManualClock()
  const harness = await withEdge(t, { heartbeatMs: 25_000 }, clock)
  const raw = await open(harness, 'subject=a')
  const { last: session } = harness.sessions
  session.deliver('B', { n: 1 })
  await clock.advance(25_100)
  session.control({ live: 1 })
  session.position = 'MOVED'
  await clock.advance(25_100)
  session.outlet.end(new CarillonError('shutting_down', 'bye', { retryAfterMs: 20 }))
  await until('it has ended', () => raw.text.endsWith('\r\n0\r\n\r\n'))
  const blocks = blocksOf(raw.text).split('\n\n').slice(0, -1)
  assert.equal(blocks.length, 5)
  for (const block of blocks) assert.match(block, /^data: /m)
})

for (const [what, length] of [
  ['small blocks of a batch', 700],
  ['blocks larger than a cork', 40_000],
] as const) {
  test(`${what} reach a slow socket complete`, async (t) => {
    const harness = await withEdge(t)
    const raw = await open(harness, 'subject=a')
    raw.socket.pause()
    const { last: session } = harness.sessions
    const body = 'x'.repeat(length)
    const goal = Math.ceil(20_000_000 / length)
    let taken = 0
    const fill = () => {
      session.outlet.batch(() => {
        for (let next = 1; next === 1 && taken < goal; ) next = session.deliver(`p${taken}`, { n: taken++, body })
      })
    }
    harness.sessions.onDrained = fill
    fill()
    assert.ok(taken < goal, 'the socket was full')
    // Reads a little at a time, so that each drain makes room for a part of the next block.
    const reading = setInterval(() => raw.socket.resume(), 1)
    t.after(() => clearInterval(reading))
    // Checks the end only: the whole text would be joined again for each check.
    let end = ''
    raw.socket.on('data', (bytes: Buffer) => {
      raw.socket.pause()
      end = (end + bytes.toString('latin1')).slice(-2 * length - 1000)
    })
    // A comment may follow the last block, once uWS's buffer is flushed.
    const isThere = () => {
      return end.includes(`"n":${goal - 1},`) && /x"\}\n\n(\r\n2\r\n:\n)*$/.test(end.slice(-200))
    }
    await until('all has come', () => taken === goal && isThere(), 300_000)
    const numbers = [...blocksOf(`${raw.text}\r\n`).matchAll(/"n":(\d+)/g)].map(([, n]) => Number(n))
    assert.deepEqual(numbers.length, goal)
    assert.ok(numbers.every((n, i) => n === i))
  })
}

test('a socket that accepts nothing for two heartbeats is closed', async (t) => {
  const clock = new ManualClock()
  const harness = await withEdge(t, {}, clock)
  const raw = await open(harness, 'subject=a')
  raw.socket.pause()
  const { last: session } = harness.sessions
  const body = 'x'.repeat(64 * 1024)
  for (let outcome = 1, n = 0; outcome === 1 && n < 1000; n++) outcome = session.deliver(`p${n}`, { body })
  await clock.advance(25_100)
  assert.deepEqual(session.closes, [])
  await clock.advance(25_100)
  assert.deepEqual(session.closes, ['lost'])
})

test('a socket that accepts data between heartbeats is not closed, however often it is full', async (t) => {
  const clock = new ManualClock()
  const harness = await withEdge(t, {}, clock)
  const raw = await open(harness, 'subject=a')
  const { last: session } = harness.sessions
  const body = 'x'.repeat(64 * 1024)
  for (let round = 0; round < 3; round++) {
    raw.socket.pause()
    // The kernel may accept more after that, and drain the socket before the client reads.
    const { drains } = session
    for (let outcome = 1, n = 0; outcome === 1 && n < 1000; n++) outcome = session.deliver(`p${n}`, { body })
    await clock.advance(25_100)
    raw.socket.resume()
    await until('the socket drains', () => session.drains > drains)
  }
  assert.deepEqual(session.closes, [])
})

test('a client that leaves ends its session once', async (t) => {
  const harness = await withEdge(t)
  const raw = await open(harness, 'subject=a')
  raw.socket.destroy()
  await until('the session knows', () => harness.sessions.last.closes.length > 0)
  assert.deepEqual(harness.sessions.last.closes, ['lost'])
  assert.equal(harness.sessions.last.deliver('x', {}), 2)
})

test('a stream does not keep its request in memory', async (t) => {
  const harness = await withEdge(t)
  const { sessions, port } = harness
  const many = async (count: number): Promise<number> => {
    const before = sessions.opened.length
    for (let i = 0; i < count; i++) {
      const query = `subject=a${'&subject=a'.repeat(1000)}`
      new RawClient(port).send(`GET /v1/sse?${query} HTTP/1.1`, `Host: 127.0.0.1:${port}`, '', '')
    }
    await until('all are there', () => sessions.opened.length === before + count)
    for (const session of sessions.opened) session.subjects = []
    for (let i = 0; i < 3; i++) {
      await new Promise((resolve) => setTimeout(resolve, 10))
      collect()
    }
    return process.memoryUsage().heapUsed
  }
  const before = await many(50)
  const each = (await many(300)) / 300 - before / 300
  // The query has 10 KB, and the client is in this process too.
  assert.ok(each < 6000, `${each} bytes`)
})
