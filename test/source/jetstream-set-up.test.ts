import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setUpProblem } from '../../src/source/jetstream/family.ts'
import { singleLayout } from '../../src/source/jetstream/layout.ts'

type Facts = Parameters<typeof setUpProblem>[2]

const problemWith = (retention: string): string =>
  setUpProblem(singleLayout('JOBS'), 0, { config: { retention } } as Facts)

test('the advice for a work-queue stream is another stream, because its retention cannot be edited', () => {
  assert.equal(problemWith('limits'), '')
  assert.match(problemWith('interest'), /got interest, .*; edit the stream$/)
  assert.match(
    problemWith('workqueue'),
    /got workqueue, .*; the server never changes this retention: use another stream$/,
  )
})
