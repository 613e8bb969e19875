import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { ManualClock } from '../model/clock.ts'
import { ask, RawClient } from '../support/http.ts'
import { until, withEdge } from './harness.ts'

const refused = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => {
      socket.destroy()
      resolve(false)
    })
    socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED'))
  })

test('at the limit of descriptors, the listener stops accepting, open connections continue, and it accepts again once some have left', async (t) => {
  const clock = new ManualClock()
  const descriptors = { forClients: 4, canOpen: () => true }
  const { edge, port, refusals, logged } = await withEdge(t, {}, clock, { descriptors })
  const clients = Array.from({ length: 3 }, () => new RawClient(port))
  await until('three are there', () => edge.counters.httpConnections === 3)
  assert.equal(edge.paused, false)
  const last = new RawClient(port)
  await until('all are there', () => edge.counters.httpConnections === 4)
  assert.equal(edge.paused, true)
  assert.equal(await refused(port), true)
  assert.deepEqual(refusals.rows().find(({ limit }) => limit === 'openFiles')!.last, '127.0.0.1')
  last.send('GET /nowhere HTTP/1.1', 'Host: localhost', '', '')
  await until('it is answered', () => last.text.startsWith('HTTP/1.1 404'))
  await clock.advance(2000)
  assert.equal(edge.paused, true, 'none has left')
  for (const { socket } of clients.slice(1)) socket.destroy()
  await until('two have left', () => edge.counters.httpConnections === 2)
  await clock.advance(1000)
  assert.equal(edge.paused, false)
  assert.equal((await ask(port, '/nowhere')).status, 404)
  assert.equal(logged.length, 2)
  for (const { socket } of [...clients, last]) socket.destroy()
})

test('WebSockets count as connections until they close', async (t) => {
  const clock = new ManualClock()
  const { edge, port } = await withEdge(t, {}, clock, { descriptors: { forClients: 2, canOpen: () => true } })
  const [one, two] = [0, 1].map(() => new WebSocket(`ws://127.0.0.1:${port}/v1/ws`))
  await until('both are there', () => one!.readyState === WebSocket.OPEN && two!.readyState === WebSocket.OPEN)
  assert.equal(edge.paused, true)
  one!.close()
  await until('one has left', () => edge.counters.websockets === 1)
  await clock.advance(1000)
  assert.equal(edge.paused, false)
  two!.close()
})

test('if no descriptor can be opened, whatever uses them, no connections are accepted until one can', async (t) => {
  const clock = new ManualClock()
  let left = true
  const descriptors = { forClients: 1000, canOpen: () => left }
  const { edge, port } = await withEdge(t, {}, clock, { descriptors })
  left = false
  await clock.advance(1000)
  assert.equal(edge.paused, true)
  assert.equal(await refused(port), true)
  left = true
  await clock.advance(1000)
  assert.equal(edge.paused, false)
  assert.equal(await refused(port), false)
})
