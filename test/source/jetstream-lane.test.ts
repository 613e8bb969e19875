import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node'
import type { CarillonError } from '../../src/base/errors.ts'
import { type Flight, Lane, type Publication } from '../../src/source/jetstream/lane.ts'
import { natsDefaults } from '../../src/source/jetstream/options.ts'
import type { Ack } from '../../src/source/source.ts'

/** The lane of a partition over a connection that only records what is published. */
class Stage {
  readonly sent: string[] = []
  readonly finished: string[] = []
  readonly lane: Lane
  readonly connection: NatsConnection
  #ids = 0

  constructor(limits: { maxFlyingRecords?: number; maxFlyingBytes?: number } = {}) {
    const options = { ...natsDefaults, servers: [], ...limits }
    this.lane = new Lane('n-0', 0, options, ({ subject }) => this.finished.push(subject))
    this.connection = {
      publish: (subject: string) => this.sent.push(subject),
      isClosed: () => false,
    } as unknown as NatsConnection
  }

  /** Adds a publish call with these records. */
  publish(...subjects: string[]): { flights: Flight[]; outcome: Promise<Ack[] | string> } {
    const { promise, resolve, reject } = Promise.withResolvers<Ack[]>()
    const acks = new Array<Ack>(subjects.length)
    const publication: Publication = { acks, waiting: subjects.length, done: false, deadlineMs: 1000, resolve, reject }
    const flights = subjects.map((subject, index) => this.#flight(subject, index, publication))
    for (const flight of flights) this.lane.add(flight)
    return { flights, outcome: promise.catch((error: CarillonError) => error.code) }
  }

  #flight(subject: string, index: number, publication: Publication): Flight {
    const id = this.#ids++
    const rest = { payload: new Uint8Array(0), reply: `r.${id}`, bytes: 10, acknowledged: false, sentMs: 0 }
    return { id, lane: this.lane, publication, index, subject, headers: {} as MsgHdrs, ...rest }
  }
}

test('records are sent in order up to the limit in flight, and further ones as those are acknowledged', async () => {
  const { lane, sent, connection, publish } = bound(new Stage({ maxFlyingRecords: 2 }))
  const { flights, outcome } = publish('a', 'b', 'c')
  lane.send(connection, 0)
  assert.deepEqual(sent, ['a', 'b'])
  lane.acknowledged(flights[1]!, 8)
  lane.send(connection, 0)
  assert.deepEqual(sent, ['a', 'b'])
  lane.acknowledged(flights[0]!, 7)
  lane.send(connection, 0)
  assert.deepEqual(sent, ['a', 'b', 'c'])
  lane.acknowledged(flights[2]!, 9)
  lane.acknowledged(flights[2]!, 99)
  assert.deepEqual(await outcome, [
    { partition: 0, offset: 7 },
    { partition: 0, offset: 8 },
    { partition: 0, offset: 9 },
  ])
  assert.equal(lane.idle, true)
})

test('a record larger than the limit in flight is sent alone', () => {
  const { lane, sent, connection, publish } = bound(new Stage({ maxFlyingBytes: 5 }))
  publish('a', 'b')
  lane.send(connection, 0)
  assert.deepEqual(sent, ['a'])
})

test('only unacknowledged records are sent again, in order', () => {
  const { lane, sent, connection, publish } = bound(new Stage())
  const { flights } = publish('a')
  publish('b')
  publish('c')
  lane.send(connection, 0)
  lane.acknowledged(flights[0]!, 1)
  sent.length = 0
  lane.resend(connection, 1)
  assert.deepEqual(sent, ['b', 'c'])
})

test('a call fails if its later record overtakes an earlier one, and other calls are sent again', async () => {
  const { lane, sent, connection, publish } = bound(new Stage())
  const overtaken = publish('a', 'b')
  const other = publish('c')
  lane.send(connection, 0)
  lane.acknowledged(overtaken.flights[1]!, 2)
  sent.length = 0
  lane.resend(connection, 1)
  assert.equal(await overtaken.outcome, 'broker_unavailable')
  assert.deepEqual(sent, ['c'])
  lane.acknowledged(other.flights[0]!, 3)
  assert.deepEqual(await other.outcome, [{ partition: 0, offset: 3 }])
  assert.equal(lane.idle, true)
})

test('a call whose record was stored after a later one fails, even if the acknowledgement of the later one was lost', async () => {
  const { lane, connection, publish } = bound(new Stage())
  const { flights, outcome } = publish('a', 'b')
  lane.send(connection, 0)
  lane.resend(connection, 1)
  lane.acknowledged(flights[0]!, 3)
  // The acknowledgement of the first attempt.
  lane.acknowledged(flights[1]!, 2)
  assert.equal(await outcome, 'broker_unavailable')
  assert.equal(lane.idle, true)
})

test('a call past its deadline fails, whether or not its records were sent, and frees its memory', async () => {
  const { lane, finished, connection, publish } = bound(new Stage({ maxFlyingRecords: 1 }))
  const { outcome } = publish('a', 'b')
  lane.send(connection, 0)
  assert.equal(lane.look(999), false)
  assert.equal(lane.idle, false)
  lane.look(1000)
  assert.equal(await outcome, 'broker_unavailable')
  assert.deepEqual(finished, ['a', 'b'])
  assert.equal(lane.idle, true)
})

test('an overdue acknowledgement is noticed', () => {
  const { lane, connection, publish } = bound(new Stage())
  const { publishAttemptMs } = natsDefaults
  const { flights } = publish('a')
  Object.assign(flights[0]!.publication, { deadlineMs: Number.POSITIVE_INFINITY })
  lane.send(connection, 5)
  assert.equal(lane.look(publishAttemptMs + 4), false)
  assert.equal(lane.look(publishAttemptMs + 5), true)
})

/** The stage's parts, for destructuring. */
function bound(stage: Stage) {
  return { ...stage, lane: stage.lane, publish: stage.publish.bind(stage) }
}
