import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { Clients } from '../../../src/bench/load/clients.ts'
import type { Converse } from '../../../src/bench/load/conversation.ts'
import { dueUsOf, eventText, findPayload, numberOf } from '../../../src/bench/load/payload.ts'
import { subjectName } from '../../../src/bench/load/subjects.ts'
import { until } from '../../support/until.ts'

const prefix = 'bench.test0.s'
const patienceMs = 20_000

/** All subscriptions but the last are in force at once, that one when the server says `live`; then events come one at a time, behind their subjects. */
const converse: Converse = (listener) => ({
  begin: () => {
    for (const _ of listener.followed.slice(1)) listener.live()
    listener.send('.')
  },
  take: (bytes) => {
    if (bytes.includes('live')) {
      listener.live()
      return
    }
    const at = findPayload(bytes, 0, bytes.length)
    listener.event(dueUsOf(bytes, at), numberOf(bytes, at), listener.find(bytes, 0, bytes.length))
  },
})

const delivery = (subject: number, number: number) =>
  Buffer.concat([Buffer.from(subjectName(prefix, subject)), eventText(1, number, 64)])

/** Two clients with three subjects each, and the server's ends of their connections. */
async function twoClients(t: TestContext, greeting: () => string) {
  const ends: Socket[] = []
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => {
      ends.push(socket)
      socket.write(greeting())
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const clients = new Clients(converse, {
    endpoints: [{ host: '127.0.0.1', port, tls: false }],
    first: 0,
    subjects: Uint32Array.from([0, 1, 2, 3, 4, 5]),
    each: 3,
    prefix,
    localAddress: undefined,
    slowEvery: 0,
  })
  t.after(() => clients.leave())
  return { clients, ends }
}

const published = (...counts: number[]) => ({ counts: Uint32Array.from(counts), unknown: [] })

test('a client of several subjects is live once all of them are, and each has an account of its own', async (t) => {
  const { clients, ends } = await twoClients(t, () => '')
  const connected = clients.connect()
  await until('both have asked', patienceMs, () => ends.length === 2)
  assert.deepEqual([clients.report().connected, clients.report().live], [2, 0])
  for (const end of ends) end.write('live')
  await connected
  assert.equal(clients.report().live, 2)
  const sent = [
    [0, 0],
    [2, 0],
    [0, 1],
    [2, 1],
    [2, 1],
  ] as const
  let count = 0
  for (const [subject, number] of sent) {
    ends[0]!.write(delivery(subject, number))
    await until('it has come', patienceMs, () => {
      count += clients.report().arrivals.count
      return count === 1
    })
    count = 0
  }
  assert.equal(clients.result().repeated, 1)
  assert.deepEqual(clients.lacking(published(2, 0, 3, 0, 0, 0)), { late: 1, lost: 0, told: 0 })
})

test('clients that leave stay away until they are to come back, and their way back is timed', async (t) => {
  const { clients } = await twoClients(t, () => 'live')
  await clients.connect()
  clients.leave()
  assert.deepEqual([clients.report().connected, clients.report().live], [0, 0])
  const { begunMs, allLiveMs } = await clients.come(10)
  assert.ok(begunMs <= allLiveMs)
  assert.equal(clients.report().live, 2)
  const { coming, returning, broken, refused } = clients.result()
  assert.deepEqual([coming.count, returning.count, broken, refused], [2, 2, 0, 0])
})
