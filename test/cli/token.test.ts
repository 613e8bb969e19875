import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tokenRows } from '../../src/cli/token.ts'
import { partitionCount } from '../../src/wire/partition-counts.ts'

test('a token is shown by log: its positions, then the number of partitions that its holder knows', () => {
  const [first, second] = [1, 2].map((nameHash) => ({ nameHash, incarnationHash: 10 }))
  const positions = [
    { ...first!, partition: 0, offset: 7, generation: 3 },
    { ...second!, partition: 4, offset: 9, generation: -1 },
  ]
  assert.deepEqual(tokenRows({ positions, counts: [partitionCount(first!, 2), partitionCount(second!, 5)] }), [
    ['00000001', '0000000a', '0', '7', '3'],
    ['00000001', '0000000a', 'of 2', '', ''],
    ['00000002', '0000000a', '4', '9', 'unknown'],
    ['00000002', '0000000a', 'of 5', '', ''],
  ])
})
