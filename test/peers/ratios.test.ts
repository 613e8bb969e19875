import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import { orderOf } from './pairs.ts'
import {
  baselineOf,
  type Judgement,
  judge,
  type Ratio,
  type Ratios,
  type Round,
  ratioNames,
  ratioOf,
} from './ratios.ts'

const stretches = (...cpuUs: number[]) => cpuUs.map((each) => ({ cpuUs: each, p50Ms: 1 }))
const round = (ours: number[], yardstick: number[]): Round => ({
  carillon: stretches(...ours),
  bare: stretches(...yardstick),
})
const all = (ratio: number, spread = 0.01, rounds = 3): Ratios => {
  const each: Ratio = { ratio, spread, rounds }
  return { unicastCpu: each, unicastP50: each, broadcastCpu: each, broadcastP50: each }
}
const judgements = (ratios: Ratios, baseline: Ratios): Judgement[] =>
  judge(ratios, baseline).map(({ judgement }) => judgement)
const everywhere = (judgement: Judgement): Judgement[] => ratioNames.map(() => judgement)

test('in a round each side has as many early stretches as late ones, and who is the first changes', () => {
  for (const index of [0, 1]) {
    const order = orderOf(index)
    const placesOf = (side: string) => order.flatMap((each, i) => (each === side ? [i] : []))
    assert.equal(sum(placesOf('carillon')), sum(placesOf('bare')))
  }
  assert.notEqual(orderOf(0)[0], orderOf(1)[0])
  assert.deepEqual(orderOf(2), orderOf(0))
})
const sum = (numbers: readonly number[]) => numbers.reduce((total, each) => total + each, 0)

test('a host that slows down steadily moves no ratio', () => {
  // Carillon costs 1.5 times as much; from stretch to stretch everything costs a tenth of the first one more.
  const [a, b] = [15, 10]
  const { ratio } = ratioOf([round([a, a * 1.3], [b * 1.1, b * 1.2])], 'cpuUs')
  assert.ok(Math.abs(ratio - 1.5) < 1e-9, `got ${ratio}`)
})

test('the spread is that of the rounds, whatever the ratio', () => {
  const spreadOf = (factor: number) =>
    ratioOf([round([10 * factor], [10]), round([11 * factor], [10]), round([9 * factor], [10])], 'cpuUs').spread
  assert.ok(Math.abs(spreadOf(1) - 0.1) < 0.005, `got ${spreadOf(1)}`)
  assert.ok(Math.abs(spreadOf(1) - spreadOf(3)) < 1e-9)
})

test('a ratio within what its rounds differ by passes, and one beyond it is worse', () => {
  const baseline = all(2, 0.02)
  const worse = { ...all(2.1, 0.02), unicastCpu: { ratio: 2.3, spread: 0.02, rounds: 3 } }
  assert.deepEqual(judgements(worse, baseline), ['worse', 'ok', 'ok', 'ok'])
})

test('rounds that lie further apart allow more, and more rounds allow less', () => {
  const toleranceOf = (spread: number, rounds: number) => judge(all(2, spread, rounds), all(2, spread))[0]!.tolerance
  assert.ok(toleranceOf(0.06, 3) > toleranceOf(0.04, 3))
  assert.ok(toleranceOf(0.06, 12) < toleranceOf(0.06, 3))
  const restless = judge(all(2, 0.02), all(2, 0.06))[0]!.tolerance
  assert.ok(restless > judge(all(2, 0.02), all(2, 0.03))[0]!.tolerance, 'the baseline is a run like any other')
})

test('rounds that agree by chance are not a tolerance of nothing', () => {
  assert.deepEqual(judgements(all(2.1, 0), all(2, 0)), everywhere('ok'))
})

test('a restless host passes nothing: what it can not tell is undecided, and what is plainly worse is worse', () => {
  assert.deepEqual(judgements(all(2, 0.5), all(2, 0.01)), everywhere('undecided'))
  assert.deepEqual(judgements(all(9, 0.5), all(2, 0.01)), everywhere('worse'))
})

test('a better ratio passes', () => {
  assert.deepEqual(judgements(all(0.5), all(2)), everywhere('ok'))
})

test('a ratio that could not be measured is undecided', () => {
  const none = ratioOf([], 'cpuUs')
  const one = ratioOf([round([15], [10])], 'cpuUs')
  for (const ratio of [none, one]) {
    assert.equal(judge({ ...all(2), unicastCpu: ratio }, all(2))[0]!.judgement, 'undecided')
  }
})

test('the committed baseline has each ratio, with its spread', () => {
  const baseline: Ratios = JSON.parse(readFileSync(new URL('baseline.json', import.meta.url), 'utf8'))
  assert.deepEqual(Object.keys(baseline), [...ratioNames])
  assert.deepEqual(baseline, baselineOf(baseline))
  for (const name of ratioNames) {
    const { ratio, spread, rounds } = baseline[name]
    assert.ok(ratio > 0 && spread >= 0 && rounds >= 2)
  }
})
