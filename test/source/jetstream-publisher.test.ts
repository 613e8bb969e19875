import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errors, type Msg, MsgImpl, type NatsConnection } from '@nats-io/transport-node'
import { seededRandom } from '../../src/base/random.ts'
import { natsDefaults } from '../../src/source/jetstream/options.ts'
import { Publisher } from '../../src/source/jetstream/publisher.ts'
import { ManualClock } from '../model/clock.ts'

/** A server that answers every publish with this text. */
function serverOf(answer: string): NatsConnection {
  let heard: (error: null, message: Msg) => void
  const server = {
    info: { version: '2.11.0', max_payload: 1 << 20 },
    closed: () => new Promise(() => {}),
    status: async function* () {},
    isClosed: () => false,
    close: async () => {},
    subscribe: (_: string, { callback }: { callback: typeof heard }) => {
      heard = callback
    },
    publish: (_: string, __: Uint8Array, { reply }: { reply: string }) => {
      const argument = { subject: Buffer.from(reply), sid: 1, hdr: -1, size: answer.length }
      queueMicrotask(() =>
        heard(null, new MsgImpl(argument, Buffer.from(answer), undefined as never) as unknown as Msg),
      )
    },
  }
  return server as unknown as NatsConnection
}

/** Publishes a record to partition 1 with this answer, and returns the outcome. */
async function published(answer: string): Promise<unknown> {
  const context = { clock: new ManualClock(), random: seededRandom(1), dial: async () => serverOf(answer) }
  const publisher = new Publisher({ ...natsDefaults, servers: [] }, context)
  try {
    const records = [{ partition: 1, key: null, value: Buffer.from('v') }]
    return await publisher.publish({ name: 'n', incarnation: 'then', partitions: 11 }, records)
  } catch (error) {
    return error
  } finally {
    await publisher.close()
  }
}

test("a record gets the sequence of its own stream's acknowledgement, in any JSON spacing", async () => {
  for (const more of ['"seq":7}', '"seq": 7,"duplicate":true}', '"domain":"hub","seq":7}']) {
    assert.deepEqual(await published(`{"stream":"n-1",${more}`), [{ partition: 1, offset: 7 }])
  }
})

test("a record that another stream took is not published, even if the stream's name has the right one as a prefix", async () => {
  for (const other of ['n-10', 'n-2', 'N-1', 'n']) {
    const error = (await published(`{"stream":"${other}","seq":7}`)) as { code: string; message: string }
    assert.equal(error.code, 'stream_unusable')
    assert.match(error.message, new RegExp(`expected n-1 to take n\\.1\\._, but ${other} did`))
  }
})

test('a connection that ends as soon as it opens is replaced', async () => {
  const ended = { ...serverOf(''), isClosed: () => true, closed: async () => undefined }
  ended.subscribe = () => {
    throw new errors.ClosedConnectionError()
  }
  const servers = [ended, serverOf('{"stream":"n-1","seq":7}')]
  const clock = new ManualClock()
  const publisher = new Publisher(
    { ...natsDefaults, servers: [] },
    { clock, random: seededRandom(1), dial: async () => servers.shift()! },
  )
  const records = [{ partition: 1, key: null, value: Buffer.from('v') }]
  const published = publisher.publish({ name: 'n', incarnation: 'then', partitions: 11 }, records)
  await clock.advance(natsDefaults.maxRetryMs)
  assert.deepEqual(await published, [{ partition: 1, offset: 7 }])
  await publisher.close()
})
