import assert from 'node:assert/strict'
import test from 'node:test'
import { CarillonError } from '../../src/base/errors.ts'
import { LimitReached } from '../../src/base/limits.ts'
import { BadFrame } from '../../src/wire/bad-frame.ts'
import { encodeToken } from '../../src/wire/token.ts'
import { ModelBroker } from '../model/broker.ts'
import { settled, TestGateway } from './harness.ts'

test('subscriptions beyond the limit, bad refs and bad subjects are refused, and the others go on', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1), { maxSubscriptions: 2 })
  const client = gateway.connect()
  client.subscribe(1, 'a')
  client.subscribe(1, 'b')
  client.subscribe(0, 'b')
  client.subscribe(2, 'a..b')
  client.subscribe(2, 'b', 'nonsense')
  client.subscribe(2, 'b')
  client.subscribe(3, 'c')
  client.session.receive({ kind: 'unsubscribe', ref: 9 })
  gateway.publish('a', 'still there')
  const codes = client.frames.flatMap((frame) => ('error' in frame ? [frame.error.code] : []))
  assert.deepEqual(codes, ['bad_ref', 'bad_ref', 'bad_subject', 'bad_token', 'too_many_subscriptions', 'bad_ref'])
  assert.deepEqual(client.texts, ['still there'])
})

test('a frame that cannot be decoded is refused under its ref, if it has one', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1))
  const client = gateway.connect()
  client.session.refuse(new BadFrame('subscribe.subject: expected a string, got 5', 7))
  client.session.refuse(new CarillonError('bad_frame', 'expected JSON text'))
  const refs = client.frames.flatMap((frame) => ('error' in frame ? [frame.error.ref] : []))
  assert.deepEqual(refs, [7, undefined])
})

test('a client whose frames keep being refused is closed', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1), { maxErrors: 5 })
  const client = gateway.connect()
  for (let i = 0; i < 9; i++) client.subscribe(1, '')
  assert.ok(client.ended !== 'normally')
  assert.equal(client.ended?.code, 'too_many_errors')
})

test('refused frames end a session only if they are consecutive', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1), { maxErrors: 5 })
  const client = gateway.connect()
  for (let i = 0; i < 20; i++) {
    for (let error = 0; error < 4; error++) client.subscribe(1, '')
    client.session.receive({ kind: 'ping', t: i })
  }
  assert.equal(client.ended, undefined)
  assert.equal(client.kinds.filter((kind) => kind === 'error').length, 80)
})

test('answers to a client whose socket is full are sent when it drains, in order and before events', async () => {
  for (const refuses of [false, true]) {
    const gateway = await TestGateway.start()
    const client = gateway.connect()
    client.subscribe(1, 'a')
    client.refuses = refuses
    client.room = 1
    gateway.publish('a', 'fills')
    gateway.publish('a', 'waits')
    client.session.receive({ kind: 'ping', t: 7 })
    client.subscribe(2, 'b')
    client.session.receive({ kind: 'unsubscribe', ref: 2 })
    client.drain()
    await settled()
    const since = client.kinds.slice(client.kinds.indexOf('delivery') + 1)
    assert.deepEqual(since, ['pong', 'subscribed', 'unsubscribed', 'delivery'])
    assert.deepEqual(client.texts, ['fills', 'waits'])
  }
})

test('a client that sends requests without reading is closed at a bound', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1), { maxWaitingFrames: 10 })
  const client = gateway.connect()
  client.room = 1
  for (let i = 0; i < 20; i++) client.session.receive({ kind: 'ping', t: i })
  assert.ok(client.ended !== 'normally')
  assert.equal(client.ended?.code, 'overloaded')
})

test('a client that requests long answers without reading is closed at a bound in bytes', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1), { maxSessionBytes: 20_000 })
  const client = gateway.connect()
  client.room = 1
  const position = { ...gateway.stream.partitions[0]!.positionAt(0), generation: -1 }
  const after = encodeToken(Array.from({ length: 1000 }, (_, i) => ({ ...position, partition: 1 + i })))
  for (let ref = 1; ref <= 10; ref++) client.subscribe(ref, 'a', after)
  assert.ok(client.ended !== 'normally')
  assert.equal(client.ended?.code, 'overloaded')
})

test('mistakes spread over the life of a session eventually end it, and temporary refusals do not', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1), { maxErrors: 5, maxMistakes: 20 })
  const patient = gateway.connect()
  const client = gateway.connect()
  for (let i = 0; i < 40; i++) {
    patient.session.refuse(new CarillonError('broker_unavailable', 'away'))
    patient.session.receive({ kind: 'ping', t: i })
    client.subscribe(1, '')
    client.session.receive({ kind: 'ping', t: i })
  }
  assert.equal(patient.ended, undefined)
  assert.ok(client.ended !== 'normally')
  assert.equal(client.ended?.code, 'too_many_errors')
  assert.equal(client.kinds.filter((kind) => kind === 'error').length, 20)
  const refused = gateway.instruments.gateway.refusals.rows().find(({ limit }) => limit === 'refusedFrames')
  assert.deepEqual([refused?.count, refused?.last], [1, client.peer])
})

test('a refusal by a session limit is counted by the address of the client', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1), { maxSubscriptions: 1 })
  const client = gateway.connect()
  for (let ref = 1; ref <= 3; ref++) client.subscribe(ref, 'a')
  client.session.end(new LimitReached('unsubscribed', 'request_timeout', 'nothing came'))
  const { refusals } = gateway.instruments.gateway
  assert.deepEqual([refusals.counts().maxSubscriptions, refusals.counts().unsubscribed], [2, 1])
  assert.equal(refusals.rows().find(({ limit }) => limit === 'maxSubscriptions')!.last, client.peer)
})

test('a stream that the broker refuses for good is refused to clients as that, also before it was ever served, until it is taken', async () => {
  const refused = ['stream_unusable', 'bad_request', 'broker_unavailable'] as const
  for (const code of refused) {
    const broker = new ModelBroker('events', 1)
    const gateway = new TestGateway(broker)
    const describe = broker.describe.bind(broker)
    broker.describe = () => Promise.reject(new CarillonError(code, 'no'))
    await gateway.feeds.start()
    const client = gateway.connect()
    client.subscribe(1, 'a')
    const codes = () => client.frames.flatMap((frame) => ('error' in frame ? [frame.error.code] : []))
    const isPassing = code === 'broker_unavailable'
    assert.deepEqual(codes(), [isPassing ? code : 'stream_unusable'])
    assert.equal(gateway.feeds.known, !isPassing)
    broker.describe = () => Promise.reject(new CarillonError('broker_unavailable', 'not now'))
    await gateway.clock.advance(1000)
    client.subscribe(1, 'a')
    assert.deepEqual(codes().slice(1), ['broker_unavailable'])
    broker.describe = describe
    await gateway.clock.advance(1000)
    client.subscribe(1, 'a')
    gateway.publish('a', 'now')
    assert.deepEqual([codes().length, client.texts], [2, ['now']])
  }
})
