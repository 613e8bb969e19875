import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type ErrorCode, errors } from '../../src/base/errors.ts'
import type { Open, SubscribeRequest } from '../../src/client/connection.ts'
import { Silence } from '../../src/client/silence.ts'
import { transportsOf } from '../../src/client/transports.ts'
import { ManualClock } from '../model/clock.ts'
import { Recorder, until } from './recorder.ts'

/** Server-sent events and long-poll: the two transports over plain HTTP. */

const [openSse, openPoll] = transportsOf({ transports: ['sse', 'poll'] }).map(({ open }) => open) as [Open, Open]

const wishes: SubscribeRequest[] = [
  { ref: 1, subject: 'a.*', after: ['T0'] },
  { ref: 2, subject: 'b', after: ['T0'] },
]

interface Asked {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly body: string
}

/** A gateway that the test plays, request by request, and a connection to it. */
async function connected(t: TestContext, open: Open, asks: readonly SubscribeRequest[] = wishes) {
  const asked: Asked[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    asked.push({ request, response, body })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const recorder = new Recorder()
  const clock = new ManualClock()
  const connection = open(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, asks, recorder, clock)
  t.after(() => connection.close())
  await until('asked', () => asked.length === 1)
  return { asked, recorder, clock, connection, ...asked[0]! }
}

const delivery = (offset: number, more = '') =>
  `{"stream":"events","partition":0,"offset":${offset},"event":{"subject":"b"}${more}}`
const error = (code: ErrorCode, retryAfterMs: number) =>
  JSON.stringify({ error: { code, message: 'no', retry: errors[code].retry, retryAfterMs } })

test('a stream is requested with subjects and token, and its events arrive with their positions', async (t) => {
  const { request, response, recorder } = await connected(t, openSse)
  assert.equal(request.url, '/v1/sse?subject=a.*&subject=b&after=T0')
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write('retry: 1000\nevent: after\nid: T1\ndata: {}\n\n')
  response.write(`id: T2\ndata: ${delivery(4)}\n\n`)
  response.write(`data: ${delivery(5)}\n\n: heartbeat\n\nevent: live\ndata: {"ref":0}\n\n`)
  await until('all told', () => recorder.frames.length === 3)
  assert.deepEqual(recorder.kinds, ['delivery', 'delivery', 'live'])
  assert.deepEqual(recorder.positions, ['T1', 'T2'])
})

test('the end of a stream is reported with the pause that it requested', async (t) => {
  const { response, recorder } = await connected(t, openSse)
  response.writeHead(200).end('retry: 2500\n\n')
  const refused = await recorder.ended
  assert.deepEqual([refused.retryAfterMs, refused.retry], [2500, 'later'])
})

test('the end of a stream after an error is reported with that error', async (t) => {
  const { response, recorder } = await connected(t, openSse)
  response
    .writeHead(200)
    .end('event: error\ndata: {"code":"shutting_down","message":"bye","retry":"later","retryAfterMs":700}\n\n')
  assert.deepEqual(await recorder.ended, { code: 'shutting_down', message: 'bye', retry: 'later', retryAfterMs: 700 })
})

test('a stream without data for ten seconds is lost: a proxy may hold back all of it', async (t) => {
  for (const isAnswered of [true, false]) {
    const { response, recorder, clock } = await connected(t, openSse)
    if (isAnswered) response.writeHead(200).flushHeaders()
    await clock.advance(9999)
    assert.deepEqual(recorder.ends, [])
    await clock.advance(1)
    assert.deepEqual(recorder.codes, ['lost'])
  }
})

test('one large event may take any time, as long as bytes of it arrive', async (t) => {
  const heard = t.mock.method(Silence.prototype, 'heard')
  for (const [open, before, after] of [
    [openSse, 'data: ', '\n\n'],
    [openPoll, '{"frames":[{"delivery":', '}],"live":false,"after":"T1"}'],
  ] as const) {
    const { response, recorder, clock } = await connected(t, open)
    const bytes = Buffer.from(before + delivery(4, ',"after":"T1"').replace('"b"', '"ö"') + after)
    response.writeHead(200, { 'content-length': bytes.length })
    for (let at = 0; at < bytes.length; at += 9) {
      const { length } = heard.mock.calls
      response.write(bytes.subarray(at, at + 9))
      await until('it has come', () => heard.mock.calls.length > length)
      await clock.advance(30_000)
    }
    await until('it is told', () => recorder.frames.length > 0)
    const [frame] = recorder.frames
    assert.equal(frame?.kind === 'delivery' && frame.event.subject, 'ö')
  }
})

test('a stream that is silent for a minute is lost', async (t) => {
  const { response, recorder, clock } = await connected(t, openSse)
  response.writeHead(200).write('event: live\ndata: {"ref":0}\n\n')
  await until('live', () => recorder.frames.length === 1)
  await clock.advance(50_000)
  response.write(': heartbeat\n\nevent: live\ndata: {"ref":0}\n\n')
  await until('heard again', () => recorder.frames.length === 2)
  await clock.advance(59_999)
  assert.deepEqual(recorder.ends, [])
  await clock.advance(1)
  assert.deepEqual(recorder.codes, ['lost'])
})

test('a stream may be as quiet as its gateway announced', async (t) => {
  const { response, recorder, clock } = await connected(t, openSse)
  response.writeHead(200).write('event: after\nid: T1\ndata: {"heartbeatMs":900000}\n\n')
  await until('opened', () => recorder.positions.length === 1)
  await clock.advance(2 * 900_000 + 9_999)
  assert.deepEqual(recorder.ends, [])
  await clock.advance(1)
  assert.deepEqual(recorder.codes, ['lost'])
})

test('an unreadable stream is refused for good', async (t) => {
  const { response, recorder } = await connected(t, openSse)
  response.writeHead(200).write('data: {"stream":\n\n')
  const refused = await recorder.ended
  assert.deepEqual([refused.code, refused.retry], ['bad_frame', 'no'])
})

test('each poll starts at the position of the previous one, and polls are live once an answer says so', async (t) => {
  const { asked, recorder } = await connected(t, openPoll)
  const reply = async (frames: string[], live: boolean, after: string) => {
    const { length } = asked
    asked[length - 1]!.response.end(`{"frames":[${frames}],"live":${live},"after":"${after}"}`)
    await until('asked again', () => asked.length > length)
  }
  const framed = (offset: number) => `{"delivery":${delivery(offset, `,"after":"T${offset}"`)}}`
  await reply([framed(4), framed(5)], false, 'T5')
  // The broker has no next event yet.
  await reply([], false, 'T5')
  await reply([framed(6)], true, 'T7')
  await reply([], true, 'T7')
  await reply([], false, 'T7')
  assert.deepEqual(
    asked.map(({ body }) => JSON.parse(body)),
    [
      ...['T0', 'T5', 'T5'].map((after) => ({ after: [after], until: 'live' })),
      ...['T7', 'T7', 'T7'].map((after) => ({ after: [after] })),
    ].map((each) => ({ subjects: ['a.*', 'b'], wait: 25_000, ...each })),
  )
  assert.equal(asked[0]!.request.url, '/v1/poll')
  assert.deepEqual(recorder.kinds, ['delivery', 'delivery', 'delivery', 'live'])
  assert.deepEqual(recorder.positions, ['T5', 'T5', 'T7', 'T7', 'T7'])
})

test('an answer to a poll from anything but a gateway is lost, and shown beside what was expected', async (t) => {
  for (const body of ['{}', 'null', '[]', '{"frames":{}}', '<html>Sign in</html>', '']) {
    const { response, recorder } = await connected(t, openPoll)
    response.writeHead(200).end(body)
    const { code, message, retry } = await recorder.ended
    assert.deepEqual([code, retry, recorder.frames, recorder.positions], ['lost', 'later', [], []])
    assert.equal(message.split(': ').at(-1), `expected JSON with "frames", got ${body}`)
  }
})

test('the polls of one connection do not pile up on one signal', async (t) => {
  const signals = new Set<AbortSignal>()
  t.mock.method(globalThis, 'fetch', async (_: string, { signal }: RequestInit) => {
    if (signals.size === 3) await new Promise((_, reject) => signal!.addEventListener('abort', reject))
    signals.add(signal!)
    return Response.json({ frames: [], live: true, after: 'T1' })
  })
  const recorder = new Recorder()
  const connection = openPoll('http://127.0.0.1:1', wishes, recorder, new ManualClock())
  await until('asked three times', () => signals.size === 3)
  const last = [...signals].at(-1)!
  connection.close()
  assert.equal(signals.size, 3)
  assert.equal(last.aborted, false)
  assert.deepEqual(recorder.ends, [])
})

test('a poll without an answer in time is lost', async (t) => {
  const { recorder, clock } = await connected(t, openPoll)
  await clock.advance(39_999)
  assert.deepEqual(recorder.ends, [])
  await clock.advance(1)
  assert.deepEqual(recorder.codes, ['lost'])
})

for (const [name, open] of [
  ['stream', openSse],
  ['poll', openPoll],
] as const) {
  test(`a ${name} that is refused reports why, and whether for good`, async (t) => {
    const later = await connected(t, open)
    later.response.writeHead(503).end(error('overloaded', 1200))
    assert.deepEqual(await later.recorder.ended, {
      code: 'overloaded',
      message: 'no',
      retryAfterMs: 1200,
      retry: 'later',
    })
    const never = await connected(t, open)
    never.response.writeHead(400).end(error('bad_token', 0))
    assert.equal((await never.recorder.ended).retry, 'no')
  })

  test(`a ${name} that a proxy answers is retried where another answer is possible`, async (t) => {
    for (const [status, retry] of [
      [502, 'later'],
      [429, 'later'],
      [404, 'no'],
      [204, 'no'],
    ] as const) {
      const { response, recorder } = await connected(t, open)
      response.writeHead(status).end(status === 204 ? undefined : '<html>')
      const refused = await recorder.ended
      assert.deepEqual([refused.code, refused.retry], [`http_${status}`, retry])
    }
  })

  test(`a ${name} takes a JSON error that no gateway wrote for a proxy's`, async (t) => {
    for (const body of ['{"error":"no"}', '{"error":{"code":403,"message":"no"}}', '{"error":{}}', 'null', '[]']) {
      for (const [status, retry] of [
        [403, 'no'],
        [503, 'later'],
      ] as const) {
        const { response, recorder } = await connected(t, open)
        response.writeHead(status, { 'retry-after': '8' }).end(body)
        assert.deepEqual(await recorder.ended, { code: `http_${status}`, message: body, retry, retryAfterMs: 8000 })
      }
    }
    for (const wrong of ['"99"', '-1e300', 'null', '{}']) {
      const { response, recorder } = await connected(t, open)
      response.writeHead(503).end(`{"error":{"code":"x","message":"m","retry":"maybe","retryAfterMs":${wrong}}}`)
      assert.deepEqual(await recorder.ended, { code: 'x', message: 'm', retry: 'later', retryAfterMs: 0 }, wrong)
    }
  })

  test(`a ${name} waits as long as a proxy requests in Retry-After, an hour at most`, async (t) => {
    const date = 'Tue, 01 Dec 2026 10:00:00 GMT'
    for (const [after, ms] of [
      ['8', 8000],
      ['Tue, 01 Dec 2026 10:00:30 GMT', 30_000],
      ['Tue, 01 Dec 2026 09:00:00 GMT', 0],
      ['86400', 3_600_000],
      ['soon', 0],
    ] as const) {
      for (const status of [429, 503]) {
        const { response, recorder } = await connected(t, open)
        response.writeHead(status, { 'retry-after': after, date }).end('busy')
        const { code, retry, retryAfterMs } = await recorder.ended
        assert.deepEqual([code, retry, retryAfterMs], [`http_${status}`, 'later', ms], after)
      }
    }
  })

  test(`a ${name} whose connection is cut is lost, and reports what the platform shows`, async (t) => {
    const { response, recorder } = await connected(t, open)
    response.destroy()
    assert.equal((await recorder.ended).code, 'lost')
    const nobody = new Recorder()
    open('http://127.0.0.1:1', wishes, nobody, new ManualClock())
    assert.match((await nobody.ended).message, /^no connection to http:\/\/127.0.0.1:1: .*(bad port|ECONNREFUSED)/)
  })

  test(`a ${name} calls back nothing after close`, async (t) => {
    const { request, recorder, connection } = await connected(t, open)
    connection.close()
    await once(request.socket, 'close')
    assert.deepEqual([recorder.kinds, recorder.positions, recorder.ends], [[], [], []])
  })
}

/** Requests of subscriptions without a position. */
const lastOnes: SubscribeRequest[] = [{ ref: 1, subject: 'a', after: [], last: 5, policy: 'latest' }]

test('a stream is requested with `last` and `policy`', async (t) => {
  const { request } = await connected(t, openSse, lastOnes)
  assert.equal(request.url, '/v1/sse?subject=a&last=5&policy=latest')
})

test('the first poll sends `last`, later ones send their position', async (t) => {
  const { asked, response } = await connected(t, openPoll, lastOnes)
  response.end('{"frames":[],"live":true,"after":"T1"}')
  await until('asked again', () => asked.length === 2)
  const [first, second] = asked.map(({ body }) => JSON.parse(body))
  assert.deepEqual(first, { subjects: ['a'], after: [], last: 5, policy: 'latest', wait: 25_000, until: 'live' })
  assert.deepEqual(second, { subjects: ['a'], after: ['T1'], policy: 'latest', wait: 25_000 })
})
