import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { FaultyProxy } from './faulty-proxy.ts'
import { until } from './until.ts'

const patienceMs = 20_000

/** A client behind a proxy, the server's end of its connection, and what either was given. */
async function connected(t: TestContext) {
  const ends: Socket[] = []
  const server = createServer((socket) => {
    socket.on('error', () => {})
    ends.push(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy = await FaultyProxy.start(0, (server.address() as AddressInfo).port)
  t.after(() => {
    proxy.close()
    server.close()
  })
  const client = connect(proxy.port, '127.0.0.1').on('error', () => {})
  await until('they are connected', patienceMs, () => ends.length === 1)
  const [far] = ends as [Socket]
  return { proxy, client, far, atClient: reading(client), atServer: reading(far) }
}

function reading(socket: Socket): { text: string } {
  const read = { text: '' }
  socket.setEncoding('latin1').on('data', (text: string) => {
    read.text += text
  })
  return read
}

test('what is sent passes both ways, however much it is', async (t) => {
  const { client, far, atClient, atServer } = await connected(t)
  const much = 'x'.repeat(3_000_000)
  client.write(much)
  far.write(much)
  await until('all has passed', patienceMs, () => atServer.text === much && atClient.text === much)
})

test('what is held back while the proxy is stalled comes once it is open, complete and in order', async (t) => {
  const { proxy, far, atClient } = await connected(t)
  proxy.pass('stalled')
  const lines = Array.from({ length: 20_000 }, (_, i) => `line ${i}\n`).join('')
  far.write(lines)
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(atClient.text, '')
  proxy.pass({ bytesPerSecond: 20_000 })
  await until('a little has passed', patienceMs, () => atClient.text.length > 0)
  assert.ok(atClient.text.length < lines.length)
  proxy.pass('open')
  await until('all has passed', patienceMs, () => atClient.text === lines)
})

test('a piece that does not pass is left out, and the rest comes', async (t) => {
  const { proxy, far, atClient } = await connected(t)
  let dropped = 0
  proxy.passes = (chunk) => {
    if (!chunk.includes('secret')) return true
    dropped++
    return false
  }
  far.write('secret')
  await until('it has been left out', patienceMs, () => dropped === 1)
  far.write('open')
  await until('the rest is there', patienceMs, () => atClient.text === 'open')
})

test('a cut ends both ends, and a WebSocket that is blocked never reaches the server', async (t) => {
  const { proxy, client, far, atServer } = await connected(t)
  proxy.blocksWebSockets = true
  client.write('GET /v1/ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n')
  await until('both ends are told', patienceMs, () => client.destroyed && far.destroyed)
  assert.equal(atServer.text, '')
  assert.equal(proxy.connections, 0)
})
