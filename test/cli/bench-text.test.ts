import assert from 'node:assert/strict'
import { test } from 'node:test'
import { secondLine } from '../../src/cli/bench-text.ts'

const figures = { published: 100, received: 2000, p50Ms: 1, p99Ms: 2, maxMs: 3, live: 20, serverMiB: 100 }

test('the line of a second shows the seconds left of the warm-up, or the number of the second of the run', () => {
  assert.match(secondLine({ second: -1, ...figures }), /^warm-up, 1 s to go: 100 events, /)
  assert.match(secondLine({ second: 0, ...figures }), /^0 s: 100 events, /)
})
