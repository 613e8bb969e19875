import assert from 'node:assert/strict'
import test from 'node:test'
import type { RouteConfig } from '../../src/routing/options.ts'
import { rangeProblem } from '../../src/routing/range-check.ts'

const ranges = (...partitions: number[][]): RouteConfig => ({
  subjects: 'call.>',
  stream: 'calls',
  by: { ranges: partitions.map((each, i) => ({ from: `call.${i}`, to: `call.${i + 1}`, partitions: each })) },
})

test('ranges that name exactly the existing partitions have no problem', () => {
  assert.equal(rangeProblem([ranges([0], [1, 2])], 'calls', 3), '')
  assert.equal(rangeProblem([ranges([0], [1, 2])], 'others', 99), '')
})

test('for a stream with more partitions than its ranges name, the problem names both counts and the skipped partitions', () => {
  const problem = rangeProblem([ranges([0], [1])], 'calls', 4)
  assert.match(problem, /has 4 partitions, but its ranges name only 2 of them: records in partition 2, 3 are skipped/)
})

test('for ranges that name a missing partition, the problem names both', () => {
  assert.match(rangeProblem([ranges([0], [5])], 'calls', 4), /has 4 partitions, but its ranges name partition 5/)
  assert.match(rangeProblem([ranges([0], [4, 3])], 'calls', 4), /has 4 partitions, but its ranges name partition 4/)
})

test('beside a route by ranges, a route by hash may use any partition', () => {
  const hash: RouteConfig = { subjects: 'other.>', stream: 'calls', by: { hash: 'java' } }
  assert.equal(rangeProblem([ranges([0]), hash], 'calls', 4), '')
  assert.equal(rangeProblem([hash], 'calls', 4), '')
})
