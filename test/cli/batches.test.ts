import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Batches } from '../../src/cli/batches.ts'
import { type Event, makeEvent, type Published } from '../../src/wire/frames.ts'
import { settled } from '../model/clock.ts'

const event = (subject: string, bytes = 0) => makeEvent({ subject, data: new Uint8Array(bytes) })

interface Sent {
  readonly subjects: readonly string[]
  readonly answer: () => void
  readonly fail: (error: Error) => void
}

/** A fake broker that answers when the test tells it to. */
function played(options = { maxEvents: 3, maxBytes: 100 }) {
  const sent: Sent[] = []
  const printed: string[] = []
  const send = (events: readonly Event[]) => {
    const { promise, resolve, reject } = Promise.withResolvers<readonly Published[]>()
    const subjects = events.map(({ subject }) => subject)
    const results = subjects.map((stream) => ({ after: '', stream, partition: 0, offset: 0 }))
    sent.push({ subjects, answer: () => resolve(results), fail: reject })
    return promise
  }
  const onPublished = async (results: readonly Published[]) => {
    printed.push(...results.map(({ stream }) => stream))
  }
  const batches = new Batches(send, onPublished, options)
  return { batches, sent, printed }
}

test('the first event is sent at once, and events that arrive in the meantime form the next batch', async () => {
  const { batches, sent, printed } = played()
  await batches.add(event('a'))
  await batches.add(event('b'))
  await batches.add(event('c'))
  assert.deepEqual(
    sent.map(({ subjects }) => subjects),
    [['a']],
  )
  sent[0]!.answer()
  await settled()
  assert.deepEqual(sent[1]!.subjects, ['b', 'c'])
  assert.deepEqual(printed, ['a'])
})

test('there is room for one full batch besides the one in progress', async () => {
  const { batches, sent } = played()
  for (const subject of ['a', 'b', 'c']) await batches.add(event(subject))
  let room = false
  const adding = batches.add(event('d')).then(() => {
    room = true
  })
  await settled()
  assert.equal(room, false)
  sent[0]!.answer()
  await adding
  assert.deepEqual(sent[1]!.subjects, ['b', 'c', 'd'])
})

test('a batch can also be full by its bytes', async () => {
  const { batches, sent } = played()
  await batches.add(event('a'))
  let room = false
  const adding = batches.add(event('b', 100)).then(() => {
    room = true
  })
  await settled()
  assert.equal(room, false)
  sent[0]!.answer()
  await adding
})

test('the end resolves when the broker has everything', async () => {
  const { batches, sent, printed } = played()
  await batches.add(event('a'))
  await batches.add(event('b'))
  let ended = false
  const ending = batches.end().then(() => {
    ended = true
  })
  sent[0]!.answer()
  await settled()
  assert.equal(ended, false)
  sent[1]!.answer()
  await ending
  assert.deepEqual(printed, ['a', 'b'])
  await batches.end()
})

test('after a failed batch, nothing is sent, and its error is thrown', async () => {
  const { batches, sent, printed } = played()
  await batches.add(event('a'))
  await batches.add(event('b'))
  sent[0]!.fail(new Error('away'))
  await settled()
  assert.equal(sent.length, 1)
  assert.deepEqual(printed, [])
  await assert.rejects(batches.add(event('c')), /away/)
  await assert.rejects(batches.end(), /away/)
  assert.equal(sent.length, 1)
})
