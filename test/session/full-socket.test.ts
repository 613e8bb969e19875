import assert from 'node:assert/strict'
import test from 'node:test'
import { ModelBroker } from '../model/broker.ts'
import { settled, TestGateway } from './harness.ts'

test('a session whose socket is full reads on where it stopped, without loss or duplicate', async () => {
  for (const refuses of [false, true]) {
    const gateway = await TestGateway.start(new ModelBroker('events', 4))
    const client = gateway.connect()
    client.refuses = refuses
    client.subscribe(1, 'a.>')
    const sent: string[] = []
    const publish = (from: number, to: number) => {
      for (let i = from; i < to; i++) {
        gateway.publish(`a.${i % 5}`, `${i}`)
        sent.push(`${i}`)
      }
    }
    client.room = 7
    publish(0, 20)
    await settled()
    assert.equal(client.texts.length, 7)
    for (let room = 1; client.texts.length < sent.length; room++) {
      client.drain(room)
      await settled()
      if (room < 4) publish(20 * room, 20 * room + 5)
    }
    assert.deepEqual([...client.texts].sort(), [...sent].sort())
    for (let subject = 0; subject < 5; subject++) {
      const own = (texts: string[]) => texts.filter((text) => Number(text) % 5 === subject)
      assert.deepEqual(own(client.texts), own(sent))
    }
  }
})

test('a slow session costs others nothing', async () => {
  const gateway = await TestGateway.start()
  const slow = gateway.connect()
  const quick = gateway.connect()
  slow.subscribe(1, 'a')
  quick.subscribe(1, 'a')
  slow.room = 1
  for (let i = 0; i < 10; i++) gateway.publish('a', `${i}`)
  assert.equal(quick.texts.length, 10)
  assert.equal(slow.texts.length, 1)
})
