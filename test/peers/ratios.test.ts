import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import { baselineOf, judge, type Pair, type Ratios, ratioNames, ratioOf } from './ratios.ts'

const pair = (ours: number, yardstick: number): Pair => ({
  carillon: { cpuUs: ours, p50Ms: 1 },
  bare: { cpuUs: yardstick, p50Ms: 1 },
})
const all = (ratio: number): Ratios => ({
  unicastCpu: ratio,
  unicastP50: ratio,
  broadcastCpu: ratio,
  broadcastP50: ratio,
})

test('a host that is twice as slow in one pair moves no ratio', () => {
  assert.equal(ratioOf([pair(15, 10), pair(30, 20), pair(15, 10)], 'cpuUs'), 1.5)
})

test('one disturbed pair of three is not the answer', () => {
  assert.equal(ratioOf([pair(15, 10), pair(90, 10), pair(14, 10)], 'cpuUs'), 1.5)
})

test('of an even number of pairs the middle two count', () => {
  assert.equal(ratioOf([pair(10, 10), pair(20, 10)], 'cpuUs'), 1.5)
})

test('a ratio within its tolerance passes, and one beyond it is worse', () => {
  const baseline = baselineOf(all(2))
  assert.ok(judge(all(2.2), baseline).every(({ worse }) => !worse))
  const worse = judge({ ...all(2), unicastCpu: 2.31 }, baseline).filter((verdict) => verdict.worse)
  assert.deepEqual(
    worse.map(({ name }) => name),
    ['unicastCpu'],
  )
})

test('a better ratio passes', () => {
  assert.ok(judge(all(0.5), baselineOf(all(2))).every(({ worse }) => !worse))
})

test('a ratio that could not be measured is worse', () => {
  assert.ok(judge(all(ratioOf([], 'cpuUs')), baselineOf(all(2))).every(({ worse }) => worse))
})

test('the committed baseline has each ratio, with a tolerance', () => {
  const baseline = JSON.parse(readFileSync(new URL('baseline.json', import.meta.url), 'utf8'))
  assert.deepEqual(Object.keys(baseline), [...ratioNames])
  for (const name of ratioNames) assert.ok(baseline[name].ratio > 0 && baseline[name].tolerance > 0)
})
