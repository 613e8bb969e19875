import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from '../../src/client/client.ts'
import { type TransportName, transportNames } from '../../src/client/transports.ts'
import { ManualClock, settled } from '../model/clock.ts'

/** Requests of a client over the caller's own network functions. */

interface Asked {
  readonly url: string
  readonly init?: RequestInit
  readonly subprotocol?: string
}

/** Never answers. */
function ownNetwork() {
  const asked: Asked[] = []
  const silent = class {
    readonly readyState = 0
    constructor(url: string, subprotocol: string) {
      asked.push({ url, subprotocol })
    }
    close() {}
  }
  return {
    asked,
    WebSocket: silent as unknown as typeof WebSocket,
    fetch: ((url: string, init: RequestInit) => {
      asked.push({ url, init })
      return new Promise(() => {})
    }) as typeof fetch,
  }
}

/** Returns the first request over a transport. */
async function first(
  url: string,
  transport: TransportName,
  options: Parameters<typeof connect>[1] = {},
): Promise<Asked> {
  const network = ownNetwork()
  const clock = new ManualClock()
  const client = connect(url, { ...network, clock, transports: [transport], ...options })
  client.subscribe('a')
  await clock.advance(0)
  await client.close()
  return network.asked[0]!
}

test("a gateway may be below a path, and is requested over the caller's own fetch and WebSocket", async () => {
  for (const url of ['https://one/push', 'https://one/push/']) {
    const urls = []
    for (const transport of transportNames) urls.push((await first(url, transport)).url)
    assert.deepEqual(urls, ['wss://one/push/v1/ws', 'https://one/push/v1/sse?subject=a', 'https://one/push/v1/poll'])
    const { asked, fetch } = ownNetwork()
    const client = connect(url, { fetch, clock: new ManualClock() })
    client.publish({ subject: 'a', text: 'x' }).catch(() => {})
    await settled()
    assert.equal(asked[0]!.url, 'https://one/push/v1/publish')
  }
  assert.equal((await first('http://one', 'websocket')).subprotocol, 'carillon.v1.json')
})

test('headers and credentials are added to every HTTP request', async () => {
  const options = { headers: { Authorization: 'Bearer x' }, credentials: 'include' } as const
  for (const [transport, own] of [
    ['sse', { accept: 'text/event-stream' }],
    ['poll', { 'content-type': 'application/json' }],
  ] as const) {
    const { init } = await first('http://one', transport, options)
    assert.deepEqual([init?.headers, init?.credentials], [{ ...own, Authorization: 'Bearer x' }, 'include'])
    assert.ok(!('credentials' in (await first('http://one', transport)).init!))
  }
  const { asked, fetch } = ownNetwork()
  const client = connect('http://one', { fetch, clock: new ManualClock(), ...options })
  client.publish({ subject: 'a', text: 'x' }).catch(() => {})
  await settled()
  const { init } = asked[0]!
  assert.deepEqual(init?.headers, { 'content-type': 'application/json', Authorization: 'Bearer x' })
  assert.equal(init?.credentials, 'include')
})

test('clients of a list of gateways start at each of them, in random orders, unless the order is to be kept', async () => {
  const urls = ['http://one', 'http://two', 'http://three']
  const orders = async (keepOrder: boolean) => {
    const found = new Set<string>()
    for (let i = 0; i < 200; i++) {
      const tried: string[] = []
      const { fetch } = ownNetwork()
      const failing: typeof fetch = async (url) => {
        tried.push(String(url).slice(7, -'/v1/publish'.length))
        throw new TypeError('fetch failed')
      }
      const clock = new ManualClock()
      const client = connect(urls, { fetch: failing, clock, keepOrder })
      client.publish({ subject: 'a', text: 'x' }).catch(() => {})
      while (tried.length < 4) await clock.advance(1000)
      assert.equal(tried[3], tried[0])
      found.add(tried.slice(0, 3).join())
    }
    return found
  }
  assert.deepEqual([...(await orders(true))], ['one,two,three'])
  assert.equal((await orders(false)).size, 6)
})
