import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { TimingWheel } from '../../src/base/wheel.ts'
import type { Connection } from '../../src/edge/listener.ts'
import { CutPenalties } from '../../src/edge/penalties.ts'
import { ManualClock } from '../model/clock.ts'
import { until, withEdge } from './harness.ts'

/** Ten cuts a second: an address may have twenty at once, and the next one makes it wait. */
const tooMany = 21

/** Connections that are read from at once unless paused. */
function penalties() {
  const clock = new ManualClock()
  const held: string[] = []
  const random = seededRandom(1)
  const wheel = new TimingWheel(clock)
  const penalised = new CutPenalties({ clock, wheel, random, maxCutsPerSecond: 10, held: (who) => held.push(who) })
  const read: number[] = []
  const aborted: (() => void)[] = []
  const arrive = (number: number, address: readonly number[]) => {
    const connection = {
      getRemoteAddress: () => new Uint8Array(address).buffer,
      onAborted: (abort: () => void) => {
        aborted[number] = abort
      },
      pause() {},
      resume: () => read.push(number),
    }
    if (!penalised.holds(connection as unknown as Connection)) read.push(number)
  }
  const cut = (address: string, times: number) => {
    for (let i = 0; i < times; i++) penalised.cut(address)
  }
  return { clock, penalised, held, read, aborted, arrive, cut }
}

const one = [127, 0, 0, 2]

test('an address may have twenty cuts at once and ten a second; beyond that, its connections are admitted at this rate, in random order', async () => {
  const { clock, held, read, arrive, cut } = penalties()
  cut('127.0.0.2', tooMany - 1)
  arrive(0, one)
  assert.deepEqual(read, [0])
  cut('127.0.0.2', 1000)
  for (let i = 1; i <= 600; i++) arrive(i, one)
  arrive(601, [127, 0, 0, 3])
  assert.deepEqual(read.splice(0), [0, 601], 'another address does not wait')
  assert.deepEqual(held, Array(600).fill('127.0.0.2'))
  await clock.advance(10_000)
  assert.ok(read.length > 70 && read.length <= 100, `${read.length} in 10 s`)
  assert.ok(Math.min(...read) < 100 && Math.max(...read) > 500, 'the last connection waits no longer than the first')
  assert.equal(new Set(read).size, read.length)
})

test('all addresses of an IPv6 /64 network count as one', () => {
  const { held, arrive, cut } = penalties()
  const ipv6 = (network: number, host: number) => [0x20, 1, 0xd, 0xb8, 0, 0, 0, network, 0, 0, 0, 0, 0, 0, 0, host]
  cut('2001:db8:0:1:0:0:0:1', tooMany)
  arrive(1, ipv6(1, 2))
  arrive(2, ipv6(2, 1))
  assert.deepEqual(held, ['2001:db8:0:1:0:0:0:2'])
})

test('a connection that leaves while it waits is not read from, and all others still are', async () => {
  const { clock, read, aborted, arrive, cut } = penalties()
  cut('127.0.0.2', tooMany)
  for (let i = 0; i < 10; i++) arrive(i, one)
  for (const i of [9, 0, 4]) aborted[i]!()
  await clock.advance(5000)
  assert.deepEqual(read.toSorted(), [1, 2, 3, 5, 6, 7, 8])
  for (const i of read) aborted[i]!()
})

test('an address is free three seconds after its last cut, however many cuts it had', async () => {
  const { clock, read, held, arrive, cut } = penalties()
  cut('127.0.0.2', 100_000)
  await clock.advance(3000)
  cut('127.0.0.2', tooMany - 1)
  arrive(1, one)
  assert.deepEqual([read, held], [[1], []])
})

test('at the end, all waiting connections are read from, and no timer is left', () => {
  const { clock, penalised, read, arrive, cut } = penalties()
  cut('127.0.0.2', tooMany)
  arrive(1, one)
  arrive(2, one)
  penalised.end()
  assert.deepEqual([read, clock.waiting], [[1, 2], 0])
})

const handshake =
  'GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'

/** Opens a socket from an address, and collects its answer. */
async function from(t: TestContext, localAddress: string, port: number, sends: string) {
  const socket = connect({ port, host: '127.0.0.1', localAddress })
  t.after(() => socket.destroy())
  let text = ''
  socket.on('data', (bytes) => {
    text += bytes.toString('latin1')
  })
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(sends)
  return {
    socket,
    get text() {
      return text
    },
  }
}

/** Returns the header of a text frame of up to 64 KiB. */
const frameHead = (bytes: number) => Buffer.from([0x81, 0xfe, bytes >> 8, bytes & 0xff, 0, 0, 0, 0])

for (const [cause, frame, counted] of [
  ['messages of which uWS takes no more', frameHead(30_000), tooMany],
  // Real sessions count their refusals; these are fakes.
  ['frames over the limit', Buffer.concat([frameHead(1500), Buffer.alloc(1500, 0x20)]), 0],
  ['text that is not UTF-8', Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28]), 0],
] as const) {
  test(`after WebSockets are cut for ${cause}, only the next ones from their address wait`, async (t) => {
    const clock = new ManualClock()
    const { port, refusals } = await withEdge(t, { maxFrameBytes: 1000 }, clock)
    const cut = async ({ socket }: { socket: Socket }) => {
      socket.write(frame)
      await once(socket, 'close')
    }
    for (let i = 0; i < tooMany; i++) {
      const flooder = await from(t, '127.0.0.2', port, handshake)
      await until('it is upgraded', () => flooder.text.includes('101 Switching'))
      await cut(flooder)
    }
    const waits = await from(t, '127.0.0.2', port, 'GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await until('it waits', () => refusals.counts().maxCutsPerSecond === 1)
    const other = await from(t, '127.0.0.1', port, 'GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await until('another one is answered', () => other.text.includes('404'))
    assert.equal(waits.text, '')
    await clock.advance(200)
    await until('it is answered', () => waits.text.includes('404'))
    const { maxFrameBytes, maxCutsPerSecond } = refusals.counts()
    assert.deepEqual([maxFrameBytes, maxCutsPerSecond], [counted, 1])
    assert.ok(refusals.rows().every(({ last }) => last === undefined || last === '127.0.0.2'))
  })
}

test('clients that leave in any way make no connection wait', async (t) => {
  const { port, edge, refusals } = await withEdge(t, {}, new ManualClock())
  for (let i = 0; i < 3 * tooMany; i++) {
    const client = await from(t, '127.0.0.2', port, handshake)
    await until('it is upgraded', () => client.text.includes('101 Switching'))
    if (i % 3 === 0) client.socket.resetAndDestroy()
    else if (i % 3 === 1) client.socket.end()
    else client.socket.write(Buffer.from([0x88, 0x80, 0, 0, 0, 0]))
    await until('it has left', () => edge.counters.websockets === 0)
  }
  assert.equal(refusals.counts().maxCutsPerSecond, 0)
})
