import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Msg, MsgImpl } from '@nats-io/transport-node'
import type { JetStreamApi, StreamFacts } from '../../src/source/jetstream/api.ts'
import { natsDefaults } from '../../src/source/jetstream/options.ts'
import { RangeRead } from '../../src/source/jetstream/range.ts'
import { ManualClock } from '../model/clock.ts'
import { RangeCollector } from './collector.ts'

type Bounds = Pick<StreamFacts, 'first' | 'head'>

/**
 * One chunk of `n-0`. The test plays the server: the stream's facts, in order, and the answer to
 * each request.
 */
class Play {
  readonly sink = new RangeCollector()
  readonly clock = new ManualClock()
  readonly facts: (Bounds & { created?: string })[]
  /** For each request: records `[sequence, pending]` and statuses. */
  readonly pulls: (string | readonly [number, number])[][]
  /** Messages that the server claims to have sent. */
  sent = 0
  created = 0
  #callback: ((error: Error | null, message: Msg) => void) | undefined

  constructor(facts: Play['facts'], pulls: Play['pulls']) {
    this.facts = facts
    this.pulls = pulls
  }

  read(from: number, to: number) {
    const options = { ...natsDefaults, servers: [] }
    const connection = {
      subscribe: (_: string, { callback }: { callback: (error: Error | null, message: Msg) => void }) => {
        this.#callback = callback
        return { unsubscribe: () => {} }
      },
      publish: () => this.#answer(this.pulls.shift()!),
    }
    const manager = {
      consumers: {
        add: () => Promise.resolve({ name: `c${++this.created}` }),
        info: () => Promise.resolve({ delivered: { consumer_seq: this.sent } }),
      },
    }
    const api = {
      prefix: '$JS.API',
      stream: () =>
        Promise.resolve({ created: 'then', ...(this.facts.length > 1 ? this.facts.shift() : this.facts[0]) }),
      // Retries forever; the real API retries for a limited time.
      run: async (_: string, ask: (...of: unknown[]) => Promise<unknown>) => {
        for (;;) {
          try {
            return await ask(manager, connection)
          } catch (error) {
            if (this.pulls.length === 0) throw error
          }
        }
      },
      dropConsumer: () => {},
    }
    const stream = { name: 'n', incarnation: 'then', partitions: 1 }
    const chunk = { partition: 0, from, to, maxBytes: 10_000 }
    const surroundings = { options, clock: this.clock }
    return new RangeRead(api as unknown as JetStreamApi, surroundings, stream, chunk).read(this.sink)
  }

  #answer(pull: Play['pulls'][number]): void {
    const callback = this.#callback!
    let count = 0
    queueMicrotask(() => {
      for (const each of pull) {
        if (typeof each === 'string') callback(null, status(each))
        else if (each[0] > 0) callback(null, record(each, ++count))
        // A message that was sent but lost.
        else count++
      }
    })
  }
}

function record([sequence, pending]: readonly [number, number], consumerSequence: number): Msg {
  const reply = Buffer.from(`$JS.ACK.n-0.c.1.${sequence}.${consumerSequence}.1700000000000000000.${pending}`)
  const argument = { subject: Buffer.from('n.0.k'), reply, sid: 1, hdr: -1, size: 1 }
  return new MsgImpl(argument, Buffer.from('v'), undefined as never) as unknown as Msg
}

function status(text: string): Msg {
  const bytes = Buffer.from(`NATS/1.0 ${text}\r\n\r\n`)
  const argument = { subject: Buffer.from('inbox'), sid: 1, hdr: bytes.length, size: bytes.length }
  return new MsgImpl(argument, bytes, undefined as never) as unknown as Msg
}

const all = [{ first: 1, head: 4 }]
const three = [
  [1, 2],
  [2, 1],
  [3, 0],
] as const

test('a request that the server ends before its first record does not mean that there are no records', async () => {
  for (const early of ['409 Leadership Change', '409 Consumer Deleted', '408 Request Timeout', '503']) {
    const play = new Play([...all], [[early], [early], [...three]])
    assert.deepEqual(await play.read(1, 4), { next: 4, offsets: { first: 1, head: 4 } })
    assert.deepEqual(play.sink.offsets(), [1, 2, 3], early)
  }
})

test('records received before a request ended early are shown, and the next chunk continues after them', async () => {
  const play = new Play([...all], [[[1, 2], '409 Consumer Deleted']])
  assert.equal((await play.read(1, 4)).next, 2)
  assert.deepEqual(play.sink.offsets(), [1])
})

test('records received before a lost message or a timeout are shown, and not requested again', async () => {
  const holed = new Play(
    [...all],
    [
      [
        [1, 2],
        [0, 0],
        [3, 0],
      ],
    ],
  )
  assert.equal((await holed.read(1, 4)).next, 2)
  assert.deepEqual(holed.sink.offsets(), [1])
  const slow = new Play(
    [...all],
    [
      [
        [1, 2],
        [2, 1],
      ],
    ],
  )
  const reading = slow.read(1, 4)
  await new Promise((resolve) => setImmediate(resolve))
  await slow.clock.advance(natsDefaults.requestTimeoutMs)
  assert.equal((await reading).next, 3)
  assert.deepEqual([slow.sink.offsets(), slow.created], [[1, 2], 1])
})

test('individually deleted records are an empty stretch, and records lost in transit are an error', async () => {
  const none = new Play([...all], [['404 No Messages'], ['404 No Messages']])
  assert.equal((await none.read(1, 4)).next, 4)
  const lost = new Play([...all], [['404 No Messages'], ['404 No Messages'], [...three]])
  lost.sent = 3
  const reading = lost.read(1, 4)
  assert.equal((await reading).next, 4)
  assert.deepEqual(lost.sink.offsets(), [1, 2, 3])
})

test('an answer older than the chunk, or from another stream, does not judge its holes', async () => {
  const chunk = [
    [2, 1],
    [5, 0],
  ] as const
  const before = { first: 2, head: 6 }
  for (const after of [
    { first: 1, head: 6 },
    { first: 2, head: 4 },
    { first: 2, head: 6, created: 'now' },
  ]) {
    const play = new Play([before, after], [[...chunk]])
    await assert.rejects(play.read(2, 6), (error: { code: string }) => {
      return error.code === 'broker_unavailable' || error.code === 'stream_missing'
    })
    assert.deepEqual(play.sink.offsets(), [])
  }
  // Retention has reached the hole, so the next chunk begins there.
  const play = new Play([before, { first: 5, head: 6 }], [[...chunk]])
  assert.deepEqual(await play.read(2, 6), { next: 3, offsets: { first: 5, head: 6 } })
  assert.deepEqual(play.sink.offsets(), [2])
})

/** Returns what a chunk of these sequences shows, with the stream's bounds before and after it. */
async function chunkOf(sequences: readonly number[], before: Bounds, after: Bounds) {
  const play = new Play([before, after], [sequences.map((each, i) => [each, sequences.length - 1 - i] as const)])
  const { next, offsets } = await play.read(1, before.head)
  return [play.sink.offsets(), next, offsets.first]
}

test('a hole of deleted messages is skipped', async () => {
  const bounds = { first: 1, head: 7 }
  assert.deepEqual(await chunkOf([1, 2, 5, 6], bounds, bounds), [[1, 2, 5, 6], 7, 1])
})

test('records that retention removes while a chunk is read are reported through the first sequence', async () => {
  assert.deepEqual(await chunkOf([4, 5, 6], { first: 1, head: 7 }, { first: 4, head: 7 }), [[4, 5, 6], 7, 4])
})

test('a chunk ends before a hole that retention may have made', async () => {
  assert.deepEqual(await chunkOf([1, 2, 5, 6], { first: 1, head: 7 }, { first: 5, head: 7 }), [[1, 2], 3, 5])
})
