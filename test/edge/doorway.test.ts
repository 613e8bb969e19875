import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CarillonError } from '../../src/base/errors.ts'
import { Refusals } from '../../src/base/limits.ts'
import { seededRandom } from '../../src/base/random.ts'
import { TimingWheel } from '../../src/base/wheel.ts'
import { EdgeContext } from '../../src/edge/context.ts'
import { type Caller, Doorway, doorwayLimits } from '../../src/edge/doorway.ts'
import type { Exchange } from '../../src/edge/exchange.ts'
import type { TemplatedApp } from '../../src/edge/listener.ts'
import { edgeDefaults } from '../../src/edge/options.ts'
import { serveWebSocket } from '../../src/edge/websocket.ts'
import { allowAll } from '../../src/identity/grant.ts'
import { Pump } from '../../src/session/pump.ts'
import { ManualClock } from '../model/clock.ts'
import { FakeSessions } from './fake-sessions.ts'
import { endlessDescriptors, FakePublisher } from './harness.ts'

/** A doorway whose turns are run by hand, each entry taking 0.1 ms. */
function doorway() {
  const turns: (() => void)[] = []
  let nowMs = 0
  const refused: string[] = []
  const context = { countRefusal: ({ code }: CarillonError) => refused.push(code) } as unknown as EdgeContext
  const door = new Doorway(context, new Pump({ turn: (task) => turns.push(task), monotonicMs: () => nowMs }))
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

test('of many that knock at once some enter in each turn, in their order', () => {
  const { turns, entered, knock } = doorway()
  for (let i = 0; i < 20; i++) knock(i)
  assert.deepEqual(entered, [])
  turns.shift()!()
  assert.ok(entered.length >= 5 && entered.length <= 6, `${entered.length} entered in half a millisecond`)
  while (turns.length > 0) turns.shift()!()
  assert.deepEqual(entered, [...Array(20).keys()])
})

test('who has gone meanwhile does not enter, and what an entry throws is its answer', () => {
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

test('frames may wait up to so many bytes, of one connection and in all', () => {
  const { door } = doorway()
  const { callerBytes, bytes } = doorwayLimits
  const callers = Array.from({ length: bytes / callerBytes + 1 }, (): Caller => {
    return { queued: false, waitingBytes: 0, run: () => false }
  })
  const [first, ...others] = callers
  assert.equal(door.takes(first!, callerBytes), true)
  assert.equal(door.takes(first!, 1), false)
  assert.equal(others.filter((caller) => door.takes(caller, callerBytes)).length, others.length - 1)
  door.taken(first!, callerBytes)
  assert.equal(door.takes(others.at(-1)!, callerBytes), true)
})

/** What uWS calls. */
interface Behavior {
  upgrade(response: unknown, request: unknown, context: unknown): void
  open(socket: unknown): void
  message(socket: unknown, message: ArrayBuffer, binary: boolean): void
  close(socket: unknown, code: number): void
}

/** WebSockets before a doorway that never has a turn. */
function websockets() {
  const clock = new ManualClock()
  const sessions = new FakeSessions()
  const contracts = {
    sessions,
    publisher: new FakePublisher(),
    identify: () => allowAll,
    clock,
    random: seededRandom(1),
    logger: { every() {} },
    refusals: new Refusals(),
    descriptors: endlessDescriptors,
  }
  const context = new EdgeContext({ ...edgeDefaults, host: '0.0.0.0' }, contracts, new TimingWheel(clock))
  const never = new Pump({ turn: () => {}, monotonicMs: () => 0 })
  const door = new Doorway(context, never)
  let behavior!: Behavior
  const app = {
    ws: (_path: string, given: Behavior) => {
      behavior = given
    },
  }
  serveWebSocket(app as unknown as TemplatedApp, context, door)
  const connect = () => {
    let socket: unknown
    const upgrade = (userData: unknown) => {
      socket = { getUserData: () => userData, send: () => 1 }
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
    return {
      send: (frame: Uint8Array) => behavior.message(socket, new Uint8Array(frame).buffer, false),
      close: () => behavior.close(socket, 1006),
    }
  }
  return { door, sessions, connect }
}

test('a socket that closes gives back the room in which its frames wait', () => {
  const { door, sessions, connect } = websockets()
  const { callerBytes, bytes } = doorwayLimits
  const frame = Buffer.from('{"subscribe":{"ref":1,"subject":"a"}}'.padEnd(callerBytes))
  for (let i = 0; i < bytes / callerBytes; i++) {
    const socket = connect()
    socket.send(frame)
    socket.close()
  }
  assert.ok(sessions.opened.every(({ received }) => received.length === 0))
  assert.equal(door.takes({ queued: false, waitingBytes: 0, run: () => false }, callerBytes), true)
})
