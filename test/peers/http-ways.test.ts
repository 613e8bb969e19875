import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import test, { type TestContext } from 'node:test'
import { EventTemplate } from '../../src/bench/load/event-template.ts'
import { type Outgoing, Refusal, type Way } from '../../src/bench/load/outgoing.ts'
import { findPayload, numberOf } from '../../src/bench/load/payload.ts'
import { openNchanWay } from './http-ways.ts'

const prefix = 'bench.x.'

async function wayTo(t: TestContext, answer: RequestListener): Promise<{ way: Way; server: Server }> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const envelopeBytes = new EventTemplate(prefix, 64).bytes
  const way = await openNchanWay({
    ...{ prefix, subjects: 1, envelopeBytes },
    target: { host: '127.0.0.1', port, tls: false },
  })
  t.after(async () => {
    await way.close()
    server.close()
  })
  return { way, server }
}

function events(count: number, ofSubject = (_: number) => 0): Outgoing {
  const template = new EventTemplate(prefix, 64)
  const bytes = Buffer.alloc(count * template.bytes)
  const subjects = Uint32Array.from({ length: count }, (_, i) => ofSubject(i))
  for (let i = 0; i < count; i++) {
    const event = { subject: subjects[i]!, id: i, number: i, dueUs: 0, wallUs: 0 }
    template.write(bytes, i * template.bytes, event)
  }
  return { count, bytes, stride: template.bytes, subjects, numbers: new Uint32Array(count) }
}

test('a batch is through when each of its requests has been answered', async (t) => {
  let taken = 0
  const { way } = await wayTo(t, (request, response) => {
    request.resume().on('end', () => response.end(`${++taken}`))
  })
  await way.send(events(3))
  assert.equal(taken, 3)
})

test('a server that refuses the publisher is told with its answer, and at once', async (t) => {
  const { way } = await wayTo(t, (_, response) => response.writeHead(401, { 'x-why': 'no audience' }).end())
  const isRefusal = (error: unknown) => error instanceof Refusal && /401.*no audience/s.test(error.message)
  await assert.rejects(way.send(events(2)), isRefusal)
  await assert.rejects(way.send(events(2)), isRefusal)
})

test('what is sent after the server has closed the connection fails instead of waiting for ever', async (t) => {
  const { way, server } = await wayTo(t, (request) => request.socket.destroy())
  await assert.rejects(way.send(events(1)), /closed the connection|ECONNRESET/)
  assert.equal(server.listening, true)
  await assert.rejects(way.send(events(1)), /closed the connection|ECONNRESET/)
})

test('subjects share several connections, and each has its events in order on one', async (t) => {
  const came: { path: string; port: number; number: number }[] = []
  const { way } = await wayTo(t, async (request, response) => {
    const body = Buffer.concat(await request.toArray())
    const { remotePort: port } = request.socket
    came.push({ path: request.url!, port: port!, number: Number(numberOf(body, findPayload(body, 0, body.length))) })
    response.end()
  })
  await way.send(events(40, (i) => i % 8))
  const paths = [...new Set(came.map(({ path }) => path))]
  assert.equal(paths.length, 8)
  assert.ok(new Set(came.map(({ port }) => port)).size > 1)
  for (const path of paths) {
    const ofPath = came.filter((each) => each.path === path)
    assert.equal(new Set(ofPath.map(({ port }) => port)).size, 1)
    const numbers = ofPath.map(({ number }) => number)
    assert.deepEqual(
      numbers,
      [...numbers].sort((a, b) => a - b),
    )
  }
})
