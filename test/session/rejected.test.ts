import assert from 'node:assert/strict'
import test from 'node:test'
import { encodeEvent } from '../../src/wire/envelope.ts'
import { ModelBroker } from '../model/broker.ts'
import { settled } from '../model/clock.ts'
import { TestGateway } from './harness.ts'

/** Appends an event to its subject's partition, or to another one. */
function append(broker: ModelBroker, subject: string, text: string, partition: number): number {
  const value = encodeEvent({ subject, id: text, contentType: 'text/plain', data: Buffer.from(text) })
  const offset = broker.append(partition, Buffer.from(subject), Buffer.from(value))
  broker.end(partition)
  return offset
}

/**
 * Two partitions; `a` belongs to the first, and of its 40 records the odd ones are in the other.
 */
async function halfMisrouted() {
  const broker = new ModelBroker('events', 2)
  const { routing } = new TestGateway(broker)
  const home = routing.place('a', () => 2).partition!
  for (let i = 0; i < 40; i++) append(broker, 'a', `${i}`, i % 2 === 0 ? home : 1 - home)
  return { broker, home }
}

const readAll = async () => {
  for (let i = 0; i < 20; i++) await settled()
}

test('rejected records from before the start of the gateway are counted and kept, each once', async () => {
  const { broker, home } = await halfMisrouted()
  const gateway = await TestGateway.start(broker, {}, { fill: { ageMs: 3_600_000, budgetMs: 5000 } })
  const { rejected: skipped } = gateway.stream.instruments
  assert.deepEqual([gateway.rejected.total, skipped.misrouted], [20, 20])
  assert.deepEqual(
    gateway.rejected.list().map(({ partition, offset, reason, key }) => [partition, offset, reason, key]),
    Array.from({ length: 20 }, (_, i) => [1 - home, 19 - i, 'misrouted', 'a']),
  )
  const said = gateway.logged.filter((line) => line.includes('misrouted'))
  assert.equal(said.length, 1, 'one line says it of all')
  assert.match(
    said[0]!,
    /^20 records from before the start skipped \(misrouted\), the last one at stream events, partition \d, offset 19: it is not in its subject's partition/,
  )
  for (let i = 0; i < 2; i++) {
    gateway.connect().subscribe(1, '>', 'earliest')
    await readAll()
  }
  assert.equal(gateway.rejected.total, 20, 'also where clients read them back')
  append(broker, 'a', 'live', 1 - home)
  assert.equal(gateway.rejected.total, 21)
})

test('a rejected record that a client is the first to read back is counted then, and not again for the next client', async () => {
  const { broker } = await halfMisrouted()
  const gateway = await TestGateway.start(broker, {}, { readBack: { chunkBytes: 64, chunks: 1 } })
  assert.equal(gateway.rejected.total, 0)
  for (let i = 0; i < 3; i++) {
    const client = gateway.connect()
    client.subscribe(1, '>', 'earliest')
    await readAll()
    assert.equal(client.texts.length, 20)
    assert.equal(gateway.rejected.total, 20)
  }
})

test('a record that the tail rejected is not counted again when it is read back; a re-created log counts again', async () => {
  const broker = new ModelBroker('events', 2)
  const gateway = await TestGateway.start(broker, {}, { entries: 4, readBack: { chunkBytes: 64, chunks: 1 } })
  const away = 1 - gateway.routing.place('a', () => 2).partition!
  for (let i = 0; i < 20; i++) append(broker, 'a', `${i}`, away)
  assert.equal(gateway.rejected.total, 20)
  gateway.connect().subscribe(1, '>', 'earliest')
  await readAll()
  assert.equal(gateway.rejected.total, 20)
  broker.rewrite(away, 15)
  await readAll()
  for (let i = 0; i < 5; i++) append(broker, 'a', `new ${i}`, away)
  assert.equal(gateway.rejected.total, 25)
  broker.recreate()
  await readAll()
  for (let i = 0; i < 3; i++) append(broker, 'a', `again ${i}`, away)
  assert.equal(gateway.rejected.total, 28)
})
