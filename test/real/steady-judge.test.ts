import assert from 'node:assert/strict'
import test from 'node:test'
import { judge } from './support/steady-judge.ts'
import type { SteadyEvent } from './support/steady-publisher.ts'
import type { SeenEvent, SeenGap } from './support/story.ts'

/** The judge of the suites with faults: it finds each kind of damage, and lets pass what was told. */

const published = Array.from({ length: 6 }, (_, number): SteadyEvent => {
  const data = `a.b ${number}`
  const settled = { fate: 'acknowledged', offset: 10 + number, acknowledgedAtMs: number } as const
  return { subject: 'a.b', data, number, partition: 1, log: 0, atMs: number, ...settled }
})
const byData = new Map(published.map((event) => [event.data, event]))

const given = ({ subject, data, partition, offset }: SteadyEvent): SeenEvent => {
  return { subject, data, partition, offset, deleted: false, atMs: 0 }
}
const gap = (reason: string, from: number, to?: number): SeenGap => {
  return { stream: 's', partition: 1, from, to, reason, after: '' }
}
const all = published.map(given)

function judged(parts: (SeenEvent | SeenGap)[][], mayRepeat = false, moved = false) {
  const { lost, repeated, disordered, invented } = judge({ parts, mayRepeat }, byData, published, () => moved)
  return {
    lost: lost.map(({ number }) => number),
    repeated: repeated.map(({ offset }) => offset),
    disordered: disordered.map(({ offset }) => offset),
    invented: invented.map(({ data }) => data),
  }
}

const nothing = { lost: [], repeated: [], disordered: [], invented: [] }

test('all events once and in order are no damage, also over two connections', () => {
  assert.deepEqual(judged([all]), nothing)
  assert.deepEqual(judged([all.slice(0, 2), all.slice(2)]), nothing)
})

test('an event that did not come is lost, unless a gap of its partition covers it', () => {
  const holed = [...all.slice(0, 2), ...all.slice(4)]
  assert.deepEqual(judged([holed]).lost, [2, 3])
  assert.deepEqual(judged([[...holed.slice(0, 2), gap('retention', 12, 12), ...holed.slice(2)]]).lost, [3])
  assert.deepEqual(judged([[...holed, { ...gap('retention', 12, 13), partition: 2 }]]).lost, [2, 3])
  assert.deepEqual(judged([[...holed, gap('retention', 12, 13)]]), nothing)
})

test('new partitions excuse only what moved', () => {
  const holed = [gap('repartitioned', 0), ...all.slice(1)]
  assert.deepEqual(judged([holed]).lost, [0])
  assert.deepEqual(judged([holed], false, true).lost, [])
  assert.deepEqual(judged([all.slice(1)], false, true).lost, [0])
})

test('a log that was created again ends the one before it, and no other', () => {
  const later: SteadyEvent = { ...published[5]!, log: 1, offset: 15 }
  const known = new Map(byData).set(later.data, later)
  const lost = (told: (SeenEvent | SeenGap)[]) =>
    judge({ parts: [told], mayRepeat: false }, known, [...known.values()], () => false).lost.map(({ number }) => number)
  assert.deepEqual(lost([...all.slice(0, 3), gap('recreated', 13)]), [5])
  assert.deepEqual(lost([...all.slice(0, 3), gap('recreated', 13), given(later)]), [])
})

test('an event that comes again is repeated and out of order, unless the connection may repeat or the log was rewritten', () => {
  const again = [...all, all[3]!]
  assert.deepEqual(judged([again]), { ...nothing, repeated: [13], disordered: [13] })
  const cut = [all.slice(0, 4), all.slice(2)]
  assert.deepEqual(judged(cut).repeated, [12, 13])
  assert.deepEqual(judged(cut, true), nothing)
  assert.deepEqual(judged([[...all.slice(0, 4), gap('rewritten', 12, 13), ...all.slice(2)]]), nothing)
})

test('an event that was meant for the log before may be behind later ones in the next: it was published again', () => {
  const gone = gap('recreated', 10)
  const [first, ...later] = all.map((seen) => ({ ...seen, offset: seen.offset - 10 }))
  const disordered = (told: (SeenEvent | SeenGap)[]) => judged([told]).disordered
  assert.deepEqual(disordered([gone, ...later, { ...first!, offset: 6 }]), [])
  assert.deepEqual(disordered([...later, { ...first!, offset: 6 }]), [6])
})

test('events out of order, and events that nobody published, are found', () => {
  assert.deepEqual(judged([[all[1]!, all[0]!, ...all.slice(2)]]), { ...nothing, disordered: [10] })
  const strange = { ...all[0]!, data: 'a.b 99', offset: 99 }
  assert.deepEqual(judged([[...all, strange]]), { ...nothing, invented: ['a.b 99'] })
})
