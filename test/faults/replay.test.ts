import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Chunk, Source, StreamInfo } from '../../src/source/source.ts'
import { encodeEvent } from '../../src/wire/envelope.ts'
import { type Event, makeEvent } from '../../src/wire/frames.ts'
import { encodePosition, logOf } from '../../src/wire/token.ts'
import { LogTruth } from './log-truth.ts'
import type { Profile } from './profiles.ts'
import { type Lived, Replay } from './replay.ts'
import { digestOf, type Line } from './story-file.ts'

/** The judge of a run of real faults: that it sees what a client was not given, and what it was given twice. */

const subject = 'faults.1.1'
const info: StreamInfo = { name: 'faults', incarnation: 'one', partitions: 1 }
const startMs = 1_700_000_000_000
const eventAt = (offset: number): Event =>
  makeEvent({ subject, id: `${offset}`, data: Buffer.from(`n ${offset}`), publishedAtUs: (startMs + offset) * 1000 })
const profile: Profile = { number: 7, subjects: [subject], ways: ['websocket'], doors: [] }

/** A log of events at offsets below `head`, stamped a millisecond apart. */
function sourceOf(head: number, generations: Source['generations']): Source {
  return {
    generations,
    firstOffset: 0,
    offsets: () => Promise.resolve({ first: 0, head }),
    range(_stream: StreamInfo, { partition, from, to }: Chunk, sink: { record: unknown }) {
      const record = sink.record as (record: object) => void
      for (let offset = from; offset < to; offset++) {
        const buffer = Buffer.from(encodeEvent(eventAt(offset)))
        const times = { timeMs: startMs + offset, epoch: 1 }
        record({ buffer, valueStart: 0, valueEnd: buffer.length, partition, offset, ...times })
      }
      return Promise.resolve({ next: to })
    },
  } as unknown as Source
}

const tokenBelow = (offset: number, generation = 1) =>
  encodePosition({ ...logOf(info.name, info.incarnation), partition: 0, offset, generation })

/** A client that began at the log's beginning, on one connection. */
class Story {
  readonly lines: Line[] = [
    [7, startMs, 'open', 0, 0, [[1, 0, []]]],
    [7, startMs, 'frame', 0, { kind: 'subscribed', ref: 1, after: tokenBelow(0) }],
    [7, startMs, 'frame', 0, { kind: 'live', ref: 1 }],
  ]

  delivered(offset: number, digest = digestOf(eventAt(offset))): this {
    this.lines.push([7, startMs + offset + 5, 'delivery', 0, 0, offset, tokenBelow(offset + 1), digest, []])
    return this
  }

  handed(offset: number): this {
    const digest = digestOf(eventAt(offset))
    this.lines.push([
      7,
      startMs + offset + 10,
      'event',
      0,
      0,
      offset,
      tokenBelow(offset + 1),
      digest,
      tokenBelow(offset),
    ])
    return this
  }

  given(...offsets: number[]): this {
    for (const offset of offsets) this.delivered(offset).handed(offset)
    return this
  }

  stood(offset: number): this {
    this.lines.push([7, startMs + 1000, 'stood', 0, tokenBelow(offset)])
    return this
  }
}

async function judged(story: Story, head: number): Promise<Lived> {
  const log = await LogTruth.read(sourceOf(head, 'ranges'), info, [])
  log.rewrite([])
  const circumstances = { log, starts: [[0]], timesMs: [startMs] }
  return new Replay(profile, circumstances, true).run(story.lines.map((line) => JSON.stringify(line)))
}

const brokenIn = async (story: Story, head: number) => (await judged(story, head)).failure?.promise

test('a client that was given everything once is content, and its longest wait is known', async () => {
  const lived = await judged(new Story().given(0, 1, 2), 3)
  assert.equal(lived.failure, undefined)
  assert.equal(lived.handed, 3)
  assert.equal(lived.waitsMs[0], 10)
})

test('an event that never came is missed', async () => {
  assert.equal(await brokenIn(new Story().given(0, 1), 3), 'missing')
})

test('an event that a connection brought and no handler was given is missed', async () => {
  assert.equal(await brokenIn(new Story().given(0).delivered(1), 2), 'missing')
})

test('a program that stands behind what it was not given is noticed', async () => {
  assert.equal(await brokenIn(new Story().given(0).stood(2), 2), 'covered')
})

test('an event that is handed over twice is noticed', async () => {
  assert.equal(await brokenIn(new Story().given(0, 1).handed(1), 2), 'order')
})

test('an event that one connection brings twice is noticed', async () => {
  assert.equal(await brokenIn(new Story().given(0, 1).delivered(0), 2), 'once a ref')
})

test('an event that is not what the log has is noticed', async () => {
  assert.equal(await brokenIn(new Story().given(0).delivered(1, 12_345), 2), 'content')
})

test('a gap about what the log still has is not true', async () => {
  const gap = { stream: 'faults', partition: 0, from: 1, to: 1, reason: 'retention', certain: true, n: 1 } as const
  const story = new Story().given(0)
  story.lines.push([7, startMs + 20, 'frame', 0, { kind: 'gap', ...gap, after: tokenBelow(2) }])
  assert.equal(await brokenIn(story, 2), 'true gap')
})

test('what a broker forgot when it was killed is no loss to those who were given it, or came later', async () => {
  const generation = (offset: number) => (startMs + offset) % 2 ** 32
  const forgotten = makeEvent({ subject, id: 'forgotten', publishedAtUs: (startMs + 1) * 1000 })
  const digest = digestOf(forgotten)
  const delivery: Line = [7, startMs + 1, 'delivery', 0, 0, 1, tokenBelow(2, generation(1)), digest, []]
  const log = await LogTruth.read(sourceOf(1, 'times'), info, [])
  log.witness(delivery, new Map([[digest, forgotten]]))
  log.rewrite([startMs + 500])
  assert.equal(log.rewritten, 1)
  const { lines } = new Story().given(0)
  assert.equal(log.event(0, 1, digest)?.id, 'forgotten')
  const lived = new Replay(profile, { log, starts: [[0]], timesMs: [startMs] }, true).run(
    [...lines, delivery].map((line) => JSON.stringify(line)),
  )
  assert.equal(lived.failure, undefined)
})

test('what comes on one connection while a better way is tried on another counts', async () => {
  const story = new Story().given(0)
  story.lines.push([7, startMs + 8, 'open', 1, 0, []])
  story.given(1)
  story.lines.push([7, startMs + 20, 'open', 2, 0, [[1, 0, [tokenBelow(2)]]]])
  assert.equal((await judged(story, 2)).failure, undefined)
})
