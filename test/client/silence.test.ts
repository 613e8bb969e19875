import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Silence } from '../../src/client/silence.ts'
import { ManualClock } from '../model/clock.ts'

function watched(limitMs: number) {
  const clock = new ManualClock()
  const told: number[] = []
  const started = clock.monotonicMs()
  const silence = new Silence(clock, () => told.push(clock.monotonicMs() - started))
  silence.start(limitMs)
  return { clock, told, silence }
}

test('silence is reported once, when nothing was heard for the limit', async () => {
  const { clock, told } = watched(100)
  await clock.advance(99)
  assert.deepEqual(told, [])
  await clock.advance(1000)
  assert.deepEqual(told, [100])
})

test('any data restarts the limit', async () => {
  const { clock, told, silence } = watched(100)
  await clock.advance(60)
  silence.heard()
  await clock.advance(60)
  assert.deepEqual(told, [])
  silence.heard()
  await clock.advance(200)
  assert.deepEqual(told, [220])
})

test('a new limit replaces the old one', async () => {
  const { clock, told, silence } = watched(100)
  silence.start(300)
  await clock.advance(299)
  assert.deepEqual(told, [])
  await clock.advance(1)
  assert.deepEqual(told, [300])
})

test('nothing is reported after the stop', async () => {
  const { clock, told, silence } = watched(100)
  silence.stop()
  await clock.advance(1000)
  assert.deepEqual(told, [])
})
