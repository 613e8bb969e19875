import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AcceptThrottle, acceptsPerTurn as limits } from '../../src/edge/accept-throttle.ts'
import type { Connection } from '../../src/edge/listener.ts'
import { RawClient } from '../support/http.ts'
import { until, withEdge } from './harness.ts'

const acceptsPerTurn = limits.plain

/** Connections that are read from at once unless paused. The test runs the turns by hand. */
function arrivals() {
  const turns: (() => void)[] = []
  const arriving = new AcceptThrottle({ turn: (task) => turns.push(task) })
  const read: number[] = []
  const close = new Map<number, () => void>()
  const arrive = (number: number) => {
    let paused = false
    const connection = {
      onAborted: (gone: () => void) => close.set(number, gone),
      pause: () => {
        paused = true
      },
      resume: () => read.push(number),
    }
    arriving.add(connection as unknown as Connection)
    if (!paused) read.push(number)
  }
  const arriveAll = (count: number) => {
    for (let i = 0; i < count; i++) arrive(i)
  }
  return { turns, read, close, arrive, arriveAll }
}

test('of many connections that arrive at once, each turn reads from a few, in order of arrival', () => {
  const { turns, read, arriveAll } = arrivals()
  const count = 200 * acceptsPerTurn + 1
  arriveAll(count)
  for (let turn = 1; turns.length > 0; turn++) {
    assert.equal(read.length, Math.min(count, turn * acceptsPerTurn))
    turns.shift()!()
  }
  assert.deepEqual(read, [...Array(count).keys()])
})

test('a connection that arrives while others wait is read from after them', () => {
  const { turns, read, arrive, arriveAll } = arrivals()
  arriveAll(acceptsPerTurn + 2)
  turns.shift()!()
  for (let i = 0; i < acceptsPerTurn; i++) arrive(100 + i)
  assert.deepEqual(read.slice(acceptsPerTurn), [acceptsPerTurn, acceptsPerTurn + 1, ...range(100, 114)])
  turns.shift()!()
  assert.deepEqual(read.slice(-2), [114, 115])
})

test('a connection that closes while it waits is not touched again, and uses no turn', () => {
  const { turns, read, close, arriveAll } = arrivals()
  arriveAll(2 * acceptsPerTurn + 1)
  close.get(acceptsPerTurn)!()
  turns.shift()!()
  assert.ok(!read.includes(acceptsPerTurn))
  assert.equal(read.length, 2 * acceptsPerTurn)
})

test('without new connections, no turn is scheduled', () => {
  const { turns, arrive } = arrivals()
  arrive(0)
  turns.shift()!()
  assert.equal(turns.length, 0)
})

test('a hundred connections that arrive at once are all answered, except those that leave in the meantime', async (t) => {
  const { port, edge } = await withEdge(t)
  const clients = Array.from({ length: 100 }, () => new RawClient(port))
  for (const client of clients) client.send('GET /nowhere HTTP/1.1', 'Host: localhost', '', '')
  for (const client of clients.filter((_, i) => i % 10 === 9)) client.socket.resetAndDestroy()
  const staying = clients.filter((_, i) => i % 10 !== 9)
  await until('they are answered', () => staying.every(({ text }) => text.startsWith('HTTP/1.1 404')))
  for (const client of staying) client.socket.destroy()
  await until('none is left', () => edge.counters.httpConnections === 0)
})

const range = (from: number, end: number) => Array.from({ length: end - from }, (_, i) => from + i)
