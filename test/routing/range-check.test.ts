import assert from 'node:assert/strict'
import test from 'node:test'
import type { RouteConfig } from '../../src/routing/options.ts'
import { rangeProblem } from '../../src/routing/range-check.ts'

const ranges = (...partitions: number[][]): RouteConfig => ({
  subjects: 'call.>',
  stream: 'calls',
  by: { ranges: partitions.map((each, i) => ({ from: `call.${i}`, to: `call.${i + 1}`, partitions: each })) },
})

test('ranges that name exactly the partitions that there are have no problem', () => {
  assert.equal(rangeProblem([ranges([0], [1, 2])], 'calls', 3), '')
  assert.equal(rangeProblem([ranges([0], [1, 2])], 'others', 99), '')
})

test('a stream with more partitions than its ranges name is told with both numbers, and with what is skipped', () => {
  const problem = rangeProblem([ranges([0], [1])], 'calls', 4)
  assert.match(problem, /has 4 partitions, but its ranges name only 2 of them: records in partition 2, 3 are skipped/)
})

test('ranges that name a partition that the stream does not have are told with both', () => {
  assert.match(rangeProblem([ranges([0], [5])], 'calls', 4), /has 4 partitions, but its ranges name partition 5/)
  assert.match(rangeProblem([ranges([0], [4, 3])], 'calls', 4), /has 4 partitions, but its ranges name partition 4/)
})

test('a route by hash beside them may use any partition', () => {
  const hash: RouteConfig = { subjects: 'other.>', stream: 'calls', by: { hash: 'java' } }
  assert.equal(rangeProblem([ranges([0]), hash], 'calls', 4), '')
  assert.equal(rangeProblem([hash], 'calls', 4), '')
})
