import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type ClientOptions, connect } from '../../src/client/client.ts'

function withoutWebSocket(t: TestContext): void {
  const { WebSocket } = globalThis
  t.after(() => {
    globalThis.WebSocket = WebSocket
  })
  Reflect.deleteProperty(globalThis, 'WebSocket')
}

/** Returns the transport of the first attempt. */
async function first(options: ClientOptions = {}): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  const client = connect('http://127.0.0.1:9', {
    ...options,
    onState: (state) => state.name === 'connecting' && resolve(state.transport),
  })
  client.subscribe('a')
  const name = await promise
  await client.close()
  return name
}

test('where the platform has no WebSocket, the next transport is the first', async (t) => {
  assert.equal(await first(), 'websocket')
  withoutWebSocket(t)
  assert.equal(await first(), 'sse')
  assert.equal(await first({ transports: ['websocket', 'poll'] }), 'poll')
})

test('the error lists the transports of the platform', (t) => {
  withoutWebSocket(t)
  const expected = { code: 'bad_request', message: 'transports: expected some of sse, poll, got websocket' }
  assert.throws(() => connect('http://127.0.0.1:9', { transports: ['websocket'] }), expected)
})
