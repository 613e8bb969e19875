import assert from 'node:assert/strict'
import test from 'node:test'
import type { Offsets } from '../../src/source/source.ts'
import { ModelBroker } from '../model/broker.ts'
import { settled, TestGateway } from './harness.ts'

/**
 * Starts for which the broker is asked, where the log is replaced between its answer and the
 * waiting session.
 */

const texts = (count: number) => Array.from({ length: count }, (_, i) => `${i}`)

async function begun(transport: 'websocket' | 'poll', after: string, answer: 'offsets' | 'offsetAt') {
  const broker = new ModelBroker('events', 1)
  const gateway = await TestGateway.start(broker)
  for (let i = 0; i < 10; i++) gateway.publish('a', `old ${i}`)
  broker.retain(0, 6)
  // The first answer takes long.
  const { promise, resolve } = Promise.withResolvers<void>()
  const asked = broker[answer].bind(broker) as (...args: unknown[]) => Promise<Offsets & number>
  let calls = 0
  Object.assign(broker, {
    [answer]: async (...args: unknown[]) => {
      const answered = await asked(...args)
      if (calls++ === 0) await promise
      return answered
    },
  })
  const client = gateway.connect(transport)
  if (transport === 'websocket') client.subscribe(1, 'a', after)
  else client.session.start(['a'], [after])
  await settled()
  const come = async () => {
    resolve()
    for (let i = 0; i < 10; i++) await settled()
  }
  return { broker, gateway, client, come }
}

for (const transport of ['websocket', 'poll'] as const) {
  test(`an answer about a log that was deleted meanwhile does not apply to its successor: ${transport}`, async () => {
    const { broker, gateway, client, come } = await begun(transport, '@1970-01-01T00:30:00Z', 'offsetAt')
    broker.recreate()
    for (const text of texts(14)) gateway.publish('a', text)
    broker.nowMs = 1_800_000
    await come()
    gateway.publish('a', 'later')
    await settled()
    assert.deepEqual(client.gaps, [])
    assert.deepEqual(client.texts, ['later'])
  })

  test(`the earliest offset of a log that was deleted meanwhile is not that of the new one: ${transport}`, async () => {
    const { broker, gateway, client, come } = await begun(transport, 'earliest', 'offsets')
    broker.recreate()
    for (const text of texts(14)) gateway.publish('a', text)
    await come()
    assert.deepEqual(client.texts, texts(14))
  })

  test(`an offset by time is looked up again if the log was rewritten meanwhile: ${transport}`, async () => {
    const { broker, gateway, client, come } = await begun(transport, '@1970-01-01T00:30:00Z', 'offsetAt')
    broker.nowMs = 1_800_000
    broker.rewrite(0, 5)
    for (const text of texts(8)) gateway.publish('a', text)
    await come()
    assert.deepEqual(client.texts, texts(8))
  })
}
