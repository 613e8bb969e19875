import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { connect } from '../../src/client/client.ts'

type Answer = readonly [status: number, body: unknown]

/** A gateway that answers as the test says, and the requests to it. */
async function gateway(t: TestContext, ...answers: Answer[]) {
  const asked: { events: Record<string, unknown>[] }[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    asked.push(JSON.parse(body))
    const [status, answer] = answers.shift() ?? [200, { results: [] }]
    response.writeHead(status, { connection: 'close' }).end(JSON.stringify(answer))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

const results = [{ after: 'T', stream: 'events', partition: 1, offset: 7 }]
const backoff = { firstMs: 1, mostMs: 1 }
const busy: Answer = [503, { error: { code: 'overloaded', message: 'later', retryAfterMs: 5 } }]

test('it publishes one event or several, and resolves with their positions', async (t) => {
  const { url, asked } = await gateway(t, [200, { results }])
  const client = connect(url)
  assert.deepEqual(await client.publish({ subject: 'a', data: { n: 1 }, type: 't' }), results)
  await client.publish([
    { subject: 'a', text: 'x', id: 'own' },
    { subject: 'b', bytes: new Uint8Array([1, 2]) },
  ])
  const { id, ...first } = asked[0]!.events[0]!
  assert.match(String(id), /^[\w-]{22}$/)
  assert.deepEqual(first, { subject: 'a', data: { n: 1 }, type: 't' })
  assert.deepEqual(asked[1]!.events[0], { subject: 'a', text: 'x', id: 'own' })
  assert.equal(asked[1]!.events[1]!.base64, 'AQI=')
})

test('it retries, at other gateways too, with the same id', async (t) => {
  const { url, asked } = await gateway(t, busy, [200, { results }])
  const client = connect(['http://127.0.0.1:1', url], { backoff, keepOrder: true })
  assert.deepEqual(await client.publish({ subject: 'a', text: 'x' }), results)
  assert.equal(asked.length, 2)
  assert.equal(asked[0]!.events[0]!.id, asked[1]!.events[0]!.id)
})

test("an answer from anything but a gateway, such as a proxy's own page, publishes nothing", async (t) => {
  const strange: Answer[] = [null, {}, [], 'hello', { results: {} }].map((body) => [200, body])
  const { url, asked } = await gateway(t, ...strange, [403, { error: 'forbidden' }])
  const client = connect(url, { backoff })
  await assert.rejects(client.publish({ subject: 'a' }), { name: 'RefusedError', code: 'http_403' })
  assert.equal(asked.length, strange.length + 1)
})

test('an invalid event is refused at once, and a timeout ends the attempts', async (t) => {
  const { url, asked } = await gateway(
    t,
    [400, { error: { code: 'bad_event', message: 'no subject' } }],
    ...Array(500).fill(busy),
  )
  const client = connect(url, { backoff })
  await assert.rejects(client.publish({ subject: 'a' }), { name: 'RefusedError', code: 'bad_event' })
  assert.equal(asked.length, 1)
  await assert.rejects(client.publish({ subject: 'a' }, { timeoutMs: 400 }), { code: 'overloaded', retryAfterMs: 5 })
  await assert.rejects(connect('http://127.0.0.1:1', { backoff }).publish({ subject: 'a' }, { timeoutMs: 20 }), {
    code: 'lost',
  })
})

test('a signal ends the attempts', async (t) => {
  const { url } = await gateway(t, ...Array(500).fill(busy))
  const abort = new AbortController()
  const publishing = connect(url, { backoff: { firstMs: 5000, mostMs: 5000 } }).publish(
    { subject: 'a' },
    { signal: abort.signal },
  )
  abort.abort(new Error('enough'))
  await assert.rejects(publishing, /enough/)
})

test("a URL that is not a gateway's is refused", () => {
  for (const url of ['localhost:8080', 'ws://localhost', 'http://localhost/?a=b']) {
    assert.throws(() => connect(url), { code: 'bad_request' })
  }
  assert.throws(() => connect([]), { code: 'bad_request' })
})
