import assert from 'node:assert/strict'
import test from 'node:test'
import type { SubscribeOptions } from '../../src/wire/frames.ts'
import { settled, TestGateway } from './harness.ts'

test('events that a policy leaves out are a gap with its reason and count', async () => {
  const gateway = await TestGateway.start()
  const before = gateway.stream.partitions[0]!.tokenAt(0)
  gateway.publish('a', '1', { ttlMs: 1000 })
  gateway.publish('a', '2', { collapseKey: 'score' })
  gateway.publish('b', 'other')
  gateway.publish('a', '3', { collapseKey: 'score' })
  gateway.publish('a', '4', { collapseKey: 'weather' })
  gateway.publish('a', '5', { ttlMs: 5000 })
  await gateway.clock.advance(2000)
  const shown = async (options: SubscribeOptions) => {
    const client = gateway.connect()
    client.ask(1, 'a', options, before)
    await settled()
    return client.frames.slice(2).flatMap(({ delivery, gap }) => {
      if (delivery !== undefined) return [delivery.event.text]
      return gap === undefined ? [] : [`${gap.reason} ${gap.from}-${gap.to}: ${gap.n} ${gap.certain} ${gap.refs}`]
    })
  }
  assert.deepEqual(await shown({}), ['ttl 0-0: 1 true 1', 'collapsed 1-1: 1 true 1', '3', '4', '5'])
  assert.deepEqual(await shown({ policy: 'latest' }), ['ttl 0-0: 1 true 1', 'latest 1-4: 3 true 1', '5'])
})

test('a session with several subscriptions names those that an event was left out for, and a lossless one gets all events', async () => {
  const gateway = await TestGateway.start()
  const client = gateway.connect()
  client.ask(1, 'a', { policy: 'latest' })
  client.ask(2, 'b', { policy: 'latest' })
  client.ask(3, '*', {})
  client.ask(4, 'c', { policy: 'latest' })
  client.room = 1
  for (const subject of ['a', 'a', 'b', 'b', 'a']) gateway.publish(subject, subject)
  client.session.receive({ kind: 'unsubscribe', ref: 3 })
  client.drain()
  await settled()
  const gaps = client.gaps.map(({ refs, from, to, n, reason }) => ({ refs, from, to, n, reason }))
  assert.deepEqual(gaps, [
    { refs: [1], from: 1, to: 1, n: 1, reason: 'latest' },
    { refs: [2], from: 2, to: 2, n: 1, reason: 'latest' },
  ])
  assert.deepEqual(client.texts, ['a', 'b', 'a'])

  client.ask(5, '*', {})
  client.room = 1
  for (const subject of ['c', 'c', 'c']) gateway.publish(subject, subject)
  client.drain()
  await settled()
  assert.deepEqual(client.texts.slice(3), ['c', 'c', 'c'])
})
