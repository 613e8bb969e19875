import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { Client } from '../../src/client/client.ts'
import type { Open } from '../../src/client/connection.ts'
import type { Received } from '../../src/client/received.ts'
import { encodeEvent } from '../../src/wire/envelope.ts'
import { ModelBroker } from '../model/broker.ts'
import { ManualClock } from '../model/clock.ts'
import { TestGateway } from '../session/harness.ts'
import { ModelNet } from './model-net.ts'

/**
 * Returns what a subject of a route with `by: any` receives over a WebSocket when its stream grows
 * and its connection is lost after `cutAfter` items.
 */
async function grown(partitions: number, cutAfter: number): Promise<Received[]> {
  const broker = new ModelBroker('events', 1)
  const gateway = await TestGateway.start(broker, {}, { by: 'any' })
  const clock = new ManualClock()
  const random = seededRandom(cutAfter + 1)
  const net = new ModelNet(gateway, clock, random)
  const items: Received[] = []
  // Data in transit at the cut does not arrive.
  let lost = 0
  const { name, separate, open } = net.transport('websocket')
  const cutting: Open = (url, wishes, handlers, ...rest) => {
    const own = net.opened + 1
    return open(url, wishes, { ...handlers, frame: (frame) => own === lost || handlers.frame(frame) }, ...rest)
  }
  const client = new Client(['http://one.example'], { ways: [{ name, separate, open: cutting }], clock, random })
  const take = (item: Received) => {
    if (items.push(item) !== cutAfter) return
    lost = net.opened
    net.cut()
  }
  const append = (partition: number, text: string) => {
    const value = encodeEvent({ subject: 'a', id: text, contentType: 'text/plain', data: Buffer.from(text) })
    broker.append(partition, Buffer.from('a'), Buffer.from(value))
    broker.end(partition)
  }
  const passes = async (ms: number) => {
    for (let left = ms; left > 0; left -= 10) for (const each of [clock, gateway.clock]) await each.advance(10)
  }
  client.subscribe('a', { onEvent: take, onGap: take })
  await passes(200)
  append(0, '0:0')
  await passes(50)
  broker.grow(partitions)
  for (let partition = 1; partition < partitions; partition++) append(partition, `${partition}:0`)
  append(0, '0:1')
  await passes(5000)
  for (let partition = 0; partition < partitions; partition++) append(partition, `${partition}:last`)
  await passes(200)
  await client.close()
  return items
}

const told = (items: readonly Received[]) =>
  items.map((item) => (item.kind === 'event' ? item.text() : `${item.reason} ${item.partition}`))

test('a subject in all partitions receives a gap of each new one, and all of its events once, wherever its connection is lost', async () => {
  for (let cutAfter = 0; cutAfter <= 9; cutAfter++) {
    const items = await grown(3, cutAfter)
    const texts = told(items)
    const events = items.flatMap((item) => (item.kind === 'event' ? [item.text()] : []))
    assert.deepEqual(events.toSorted(), ['0:0', '0:1', '0:last', '1:0', '1:last', '2:0', '2:last'], `${texts}`)
    for (const partition of [1, 2]) {
      const gap = texts.indexOf(`repartitioned ${partition}`)
      assert.ok(gap >= 0 && gap < texts.indexOf(`${partition}:0`), `${texts}`)
    }
    assert.equal(texts.filter((text) => text.startsWith('unnamed')).length, 0, `${texts}`)
  }
})
