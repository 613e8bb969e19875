import assert from 'node:assert/strict'
import test from 'node:test'
import { type Outgoing, Refusal, type Way } from '../../../src/bench/load/outgoing.ts'
import { monotonicUs } from '../../../src/bench/load/payload.ts'
import { Publisher } from '../../../src/bench/load/publisher.ts'
import { until } from '../../support/until.ts'

const options = { prefix: 'bench.test0.s', subjects: 3, spread: 'each-own', seed: 1, payloadBytes: 64 } as const

/** A way in whose answers the test gives. */
class Held implements Way {
  readonly before = Buffer.alloc(0)
  readonly maxBatches = 1
  readonly maxEvents = 50
  readonly sent: Outgoing[] = []
  answer: (outgoing: Outgoing) => Promise<void> = () => Promise.resolve()

  send(outgoing: Outgoing): Promise<void> {
    this.sent.push(outgoing)
    return this.answer(outgoing)
  }

  async close(): Promise<void> {}
}

test("each subject's events are numbered from 0, and what was not acknowledged is told", async () => {
  const way = new Held()
  way.answer = () => (way.sent.length === 2 ? Promise.reject(new Error('cut')) : Promise.resolve())
  const publisher = new Publisher(options, way)
  publisher.start({ rate: 2000, startUs: monotonicUs() })
  await until('five batches are sent', 10_000, () => way.sent.length >= 5)
  const { counts, unknown } = await publisher.stop()
  const next = [0, 0, 0]
  for (const { subjects, numbers } of way.sent) {
    for (const [i, subject] of subjects.entries()) assert.equal(numbers[i], next[subject]!++)
  }
  assert.deepEqual([...counts], next)
  const second = way.sent[1]!
  assert.deepEqual(
    unknown,
    Array.from(second.subjects, (subject, i) => [subject, second.numbers[i]]),
  )
  assert.deepEqual([publisher.report().failures, publisher.report().reasons], [1, ['cut']])
})

test('a way in that stalls makes events late, never fewer', async () => {
  const way = new Held()
  let release = () => {}
  way.answer = () =>
    new Promise((resolve) => {
      release = resolve
    })
  const publisher = new Publisher(options, way)
  const startUs = monotonicUs()
  publisher.start({ rate: 1000, startUs })
  await until('the first batch is under way', 10_000, () => way.sent.length === 1)
  await until('a tenth of a second has passed', 10_000, () => monotonicUs() > startUs + 100_000)
  way.answer = () => Promise.resolve()
  release()
  await until('all that was due is sent', 10_000, () => way.sent.reduce((sum, { count }) => sum + count, 0) >= 100)
  await publisher.stop()
  const { late } = publisher.report()
  assert.ok(late.maxUs >= 90_000, `expected an event to be late by the stall, the latest was ${late.maxUs} µs`)
})

test('a refusal ends the publishing', async () => {
  const way = new Held()
  way.answer = () => Promise.reject(new Refusal('the disk is full'))
  const publisher = new Publisher(options, way)
  publisher.start({ rate: 1000, startUs: monotonicUs() })
  await until('it has given up', 10_000, () => publisher.report().failed !== undefined)
  assert.equal(publisher.report().failed, 'the disk is full')
  assert.equal(way.sent.length, 1)
  await publisher.stop()
})

test('a burst is sent at once, batch by batch, and what is published then goes on behind it', async () => {
  const way = new Held()
  const publisher = new Publisher(options, way)
  await publisher.burst(120)
  assert.deepEqual(
    way.sent.map(({ count }) => count),
    [50, 50, 20],
  )
  assert.deepEqual([...(await publisher.stop()).counts], [40, 40, 40])
  await publisher.burst(3)
  assert.deepEqual([...(await publisher.stop()).counts], [41, 41, 41])
})

test('a burst that the log does not take says why', async () => {
  const way = new Held()
  way.answer = () => Promise.reject(new Refusal('full'))
  await assert.rejects(new Publisher(options, way).burst(120), { message: 'full' })
  assert.equal(way.sent.length, 1)
})
