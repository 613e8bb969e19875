import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Msg, MsgImpl, type NatsConnection } from '@nats-io/transport-node'
import type { JetStreamApi, StreamFacts } from '../../src/source/jetstream/api.ts'
import { natsDefaults } from '../../src/source/jetstream/options.ts'
import { RangeRead } from '../../src/source/jetstream/range.ts'
import { ManualClock } from '../model/clock.ts'
import { RangeCollector } from './collector.ts'

type Bounds = Pick<StreamFacts, 'first' | 'head'>

/** Reads [from, to) of a stream that has these sequences, with its bounds before the read and after it. */
async function rangeOf(sequences: readonly number[], before: Bounds, after: Bounds, from = 1) {
  const answers = [before, after]
  let callback: (error: Error | null, message: Msg) => void = () => {}
  const connection = {
    subscribe: (_: string, options: { callback: typeof callback }) => {
      callback = options.callback
      return { unsubscribe() {} }
    },
    publish: () => {
      for (const [i, sequence] of sequences.entries()) {
        const reply = Buffer.from(
          `$JS.ACK.n-0.c.1.${sequence}.${i + 1}.1700000000000000000.${sequences.length - i - 1}`,
        )
        const argument = { subject: Buffer.from('n.0.k'), reply, sid: 1, hdr: -1, size: 1 }
        callback(null, new MsgImpl(argument, Buffer.from('v'), undefined as never) as unknown as Msg)
      }
    },
  } as unknown as NatsConnection
  const api = {
    prefix: '$JS.API',
    stream: () => Promise.resolve({ ...answers.shift()!, created: 'then', recordBytes: 1 }),
    dropConsumer() {},
    run: (_: string, ask: (manager: unknown, connection: NatsConnection) => Promise<unknown>) =>
      ask({ consumers: { add: () => Promise.resolve({ name: 'c' }) } }, connection),
  } as unknown as JetStreamApi
  const stream = { name: 'n', incarnation: 'then', partitions: 1 }
  const sink = new RangeCollector()
  const read = new RangeRead(api, { ...natsDefaults, servers: [] }, new ManualClock(), stream, 0)
  return { ...(await read.read(from, before.head, 1 << 20, sink)), shown: sink.offsets() }
}

test('a hole of deleted messages is passed', async () => {
  const { shown, next, offsets } = await rangeOf([1, 2, 5, 6], { first: 1, head: 7 }, { first: 1, head: 7 })
  assert.deepEqual([shown, next, offsets.first], [[1, 2, 5, 6], 7, 1])
})

test('what retention took between the two questions of a chunk is told by its first sequence', async () => {
  const { shown, next, offsets } = await rangeOf([4, 5, 6], { first: 1, head: 7 }, { first: 4, head: 7 })
  assert.deepEqual([shown, next, offsets.first], [[4, 5, 6], 7, 4])
})

test('a chunk ends before a hole that retention may have made', async () => {
  const { shown, next } = await rangeOf([1, 2, 5, 6], { first: 1, head: 7 }, { first: 5, head: 7 })
  assert.deepEqual([shown, next], [[1, 2], 3])
})
