import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CarillonError } from '../../src/base/errors.ts'
import { Refusals } from '../../src/base/limits.ts'
import { seededRandom } from '../../src/base/random.ts'
import { TimingWheel } from '../../src/base/wheel.ts'
import { AdmissionQueue, admissionLimits, type QueuedConnection } from '../../src/edge/admission-queue.ts'
import { EdgeContext } from '../../src/edge/context.ts'
import type { Exchange } from '../../src/edge/exchange.ts'
import type { TemplatedApp } from '../../src/edge/listener.ts'
import { edgeDefaults } from '../../src/edge/options.ts'
import { serveWebSocket } from '../../src/edge/websocket.ts'
import { allowAll } from '../../src/identity/grant.ts'
import { Pump } from '../../src/session/pump.ts'
import { ManualClock } from '../model/clock.ts'
import { FakeSessions } from './fake-sessions.ts'
import { endlessDescriptors, FakePublisher } from './harness.ts'

/** A doorway whose turns the test runs by hand. Each entry takes 0.1 ms. */
function doorway() {
  const turns: (() => void)[] = []
  let nowMs = 0
  const refused: string[] = []
  const context = {
    countRefusal: ({ code }: CarillonError) => refused.push(code),
    options: edgeDefaults,
    contracts: { random: seededRandom(1) },
  } as unknown as EdgeContext
  const door = new AdmissionQueue(context, new Pump({ turn: (task) => turns.push(task), monotonicMs: () => nowMs }))
  const entered: number[] = []
  const knock = (number: number, exchange = { open: true, refuse: () => {} }) => {
    door.admit(exchange as unknown as Exchange, () => {
      nowMs += 0.1
      entered.push(number)
    })
    return exchange
  }
  return { door, turns, entered, refused, knock }
}

test('of many requests that arrive at once, each turn admits some, in order of arrival', () => {
  const { turns, entered, knock } = doorway()
  for (let i = 0; i < 20; i++) knock(i)
  assert.deepEqual(entered, [])
  turns.shift()!()
  assert.ok(entered.length >= 5 && entered.length <= 6, `${entered.length} entered in half a millisecond`)
  while (turns.length > 0) turns.shift()!()
  assert.deepEqual(entered, [...Array(20).keys()])
})

test('a client that has left is not admitted, and an error thrown by an entry is its answer', () => {
  const { door, turns, entered, refused, knock } = doorway()
  const gone = knock(1)
  gone.open = false
  const answers: string[] = []
  const exchange = { open: true, peer: '192.0.2.1', refuse: ({ code }: CarillonError) => answers.push(code) }
  door.admit(exchange as unknown as Exchange, () => {
    throw new CarillonError('overloaded', 'full')
  })
  knock(3)
  turns.shift()!()
  assert.deepEqual([entered, refused, answers], [[3], ['overloaded'], ['overloaded']])
})

/** Maximum for the bytes of all waiting frames. */
const allBytes = admissionLimits.connections * edgeDefaults.maxWaitingFrameBytes

/** A connection that has only a count of waiting bytes. */
class Waiter implements QueuedConnection {
  queued = false
  waitingBytes = 0
  readonly sentAway: CarillonError[] = []

  run(): boolean {
    return false
  }

  sendAway(error: CarillonError): void {
    this.sentAway.push(error)
  }
}

test('a held doorway admits nothing, and everything in order once it opens', () => {
  const { door, turns, entered, knock } = doorway()
  door.hold()
  for (let i = 0; i < 3; i++) knock(i)
  const gone = knock(3)
  const ran: string[] = []
  const caller = (name: string): QueuedConnection => ({
    queued: false,
    waitingBytes: 0,
    run: () => ran.push(name) > 9,
    sendAway() {},
  })
  const callers = [caller('a'), caller('b')]
  for (const each of [...callers, ...callers]) door.call(each)
  assert.deepEqual([entered, ran, turns.length], [[], [], 0])
  gone.open = false
  door.open()
  knock(4)
  while (turns.length > 0) turns.shift()!()
  assert.deepEqual(
    [entered, ran],
    [
      [0, 1, 2, 4],
      ['a', 'b'],
    ],
  )
  door.open()
  assert.equal(turns.length, 0)
})

test('a connection with too many waiting frames is ended with an error that names the bound', () => {
  const { door } = doorway()
  const { maxWaitingFrameBytes } = edgeDefaults
  const [caller, one] = [new Waiter(), new Waiter()]
  assert.equal(door.takes(caller, maxWaitingFrameBytes), true)
  assert.equal(door.takes(caller, 1), false)
  const [{ code, message, retryAfterMs } = assert.fail()] = caller.sentAway
  assert.deepEqual([code, caller.waitingBytes], ['overloaded', 0])
  assert.match(message, /1048576 bytes/)
  assert.ok(retryAfterMs >= 1000 && retryAfterMs <= 3000, `${retryAfterMs}`)
  assert.equal(door.takes(one, maxWaitingFrameBytes + 1), true, 'one frame alone may be larger')
})

test('at the bound for all frames, only the connection with the most waiting bytes is ended', () => {
  const { door } = doorway()
  const { fewBytes } = admissionLimits
  const greedy = Array.from({ length: allBytes / edgeDefaults.maxWaitingFrameBytes }, () => new Waiter())
  for (const [i, each] of greedy.entries()) door.takes(each, edgeDefaults.maxWaitingFrameBytes - greedy.length + i)
  const modest = Array.from({ length: 100 }, () => new Waiter())
  for (const each of modest) assert.equal(door.takes(each, fewBytes), true)
  assert.deepEqual(
    modest.flatMap(({ sentAway }) => sentAway),
    [],
  )
  const gone = greedy.filter(({ sentAway }) => sentAway.length > 0)
  assert.deepEqual(gone, greedy.slice(-gone.length), 'the connections with the most waiting bytes')
  assert.ok(gone.length >= 6 && gone.length <= 8, `${gone.length} of ${greedy.length}`)
})

/** The handlers that uWS calls. */
interface Behavior {
  upgrade(response: unknown, request: unknown, context: unknown): void
  open(socket: unknown): void
  message(socket: unknown, message: ArrayBuffer, binary: boolean): void
  close(socket: unknown, code: number, reason: ArrayBuffer): void
}

/**
 * WebSockets at a doorway whose turns the test runs. Each frame takes `frameMs` of virtual time.
 */
function websockets(frameMs = 0.01) {
  const clock = new ManualClock()
  let workedMs = 0
  const monotonicMs = () => clock.monotonicMs() + workedMs
  const turns: (() => void)[] = []
  const sessions = new FakeSessions()
  sessions.onReceive = () => {
    workedMs += frameMs
  }
  const timing = {
    monotonicMs,
    nowUs: () => clock.nowUs(),
    after: clock.after.bind(clock),
    turn: (task: () => void) => void turns.push(task),
  }
  const contracts = {
    sessions,
    publisher: new FakePublisher(),
    identify: () => allowAll,
    clock: timing,
    random: seededRandom(1),
    logger: { every() {} },
    refusals: new Refusals(),
    descriptors: endlessDescriptors,
    whenKnown: () => () => {},
  }
  const context = new EdgeContext({ ...edgeDefaults, host: '0.0.0.0' }, contracts, new TimingWheel(timing))
  const door = new AdmissionQueue(context, new Pump(timing))
  let behavior!: Behavior
  const app = {
    ws: (_path: string, given: Behavior) => {
      behavior = given
    },
  }
  serveWebSocket(app as unknown as TemplatedApp, context, door)
  const connect = () => {
    let socket: unknown
    const closed: number[] = []
    const upgrade = (userData: unknown) => {
      const end = (code: number) => {
        closed.push(code)
        behavior.close(socket, code, new ArrayBuffer(0))
      }
      socket = { getUserData: () => userData, send: () => 1, cork: (run: () => void) => run(), end }
      behavior.open(socket)
    }
    const request = {
      getMethod: () => 'get',
      getUrl: () => '/v1/ws',
      getQuery: () => '',
      getHeader: () => '',
      forEach() {},
    }
    behavior.upgrade({ onAborted() {}, upgrade }, request, undefined)
    const session = sessions.last
    return {
      closed,
      session,
      send: (frame: Uint8Array | string) => behavior.message(socket, new Uint8Array(Buffer.from(frame)).buffer, false),
      close: () => behavior.close(socket, 1006, new ArrayBuffer(0)),
      get handled() {
        return session.received.length
      },
    }
  }
  /** Runs turns while work is due at once, up to a maximum number of turns. */
  const run = (most = Number.POSITIVE_INFINITY) => {
    for (let i = 0; i < most && turns.length > 0; i++) turns.shift()!()
  }
  return { door, clock, connect, run }
}

const ping = (t: number) => JSON.stringify({ ping: { t } })

test('a socket that closes releases the bytes of its waiting frames', () => {
  const { door, connect } = websockets()
  const frame = Buffer.from('{"subscribe":{"ref":1,"subject":"a"}}'.padEnd(60_000))
  for (let i = 0; i < (2 * allBytes) / frame.length; i++) {
    const socket = connect()
    socket.send(frame)
    socket.close()
    assert.equal(socket.handled, 0)
  }
  const other = new Waiter()
  assert.equal(door.takes(other, allBytes), true)
  assert.deepEqual(other.sentAway, [])
})

test('no frame of any kind is handled on arrival, and connections take turns', () => {
  const { connect, run } = websockets()
  const [flood, other] = [connect(), connect()]
  for (let t = 0; t < 100; t++) flood.send(ping(t))
  other.send('{"unsubscribe":{"ref":1}}')
  assert.deepEqual([flood.handled, other.handled], [0, 0])
  run(1)
  assert.equal(other.handled, 1)
  assert.ok(flood.handled > 0 && flood.handled <= 8, `${flood.handled} in a turn`)
  run()
  assert.deepEqual(
    flood.session.received,
    Array.from({ length: 100 }, (_, t) => ({ kind: 'ping', t })),
  )
})

test('a connection may use 300 ms of CPU time at once and 2 ms in 100 ms after that, and delays no other', async () => {
  const frameMs = 0.5
  const { clock, connect, run } = websockets(frameMs)
  const [flood, other] = [connect(), connect()]
  for (let t = 0; t < 1000; t++) flood.send(ping(t))
  run()
  const atOnce = flood.handled * frameMs
  assert.ok(atOnce >= 300 && atOnce < 310, `${atOnce} ms at once`)
  for (let i = 0; i < 20; i++) {
    await clock.advance(100)
    run()
  }
  const more = flood.handled * frameMs - atOnce
  assert.ok(more > 36 && more < 44, `${more} ms in two seconds`)
  other.send(ping(0))
  run()
  assert.equal(other.handled, 1)
  while (flood.handled < 1000) {
    await clock.advance(100)
    run()
  }
  assert.deepEqual(
    flood.session.received.map((frame) => frame.kind === 'ping' && frame.t),
    Array.from({ length: 1000 }, (_, t) => t),
  )
  assert.deepEqual(flood.closed, [])
})

test('a connection that keeps exceeding its CPU budget is closed, and its waiting frames are dropped', async () => {
  const { door, clock, connect, run } = websockets(0.5)
  const flood = connect()
  let sent = 0
  while (flood.closed.length === 0 && sent < 100_000) {
    flood.send(ping(sent++))
    if (sent % 100 === 0) {
      await clock.advance(10)
      run()
    }
  }
  assert.deepEqual([flood.closed, flood.session.refused.map(({ code }) => code)], [[3000], ['overloaded']])
  assert.ok(sent < 4500, `closed after ${sent} frames`)
  const { handled } = flood
  await clock.advance(10_000)
  run()
  assert.equal(flood.handled, handled)
  assert.equal(door.takes(new Waiter(), allBytes), true, 'all of its bytes are released')
})
