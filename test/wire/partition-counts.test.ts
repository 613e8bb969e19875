import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeSaid, parseAsked, partitionCount, saidBy } from '../../src/wire/partition-counts.ts'
import { decodeToken, encodeToken, growthPosition, isGrowth, logOf } from '../../src/wire/token.ts'

const [read, carried] = [logOf('orders', 'one'), logOf('alarms', 'two')]
const position = { ...read, partition: 3, offset: 12, generation: 4 }
const counts = [partitionCount(read, 5, { isRead: true }), partitionCount(carried, 2)]

test('what a token says of numbers of partitions is apart from its positions, and goes back into a token as it was', () => {
  const token = encodeToken([position, growthPosition(read, 5, 0), growthPosition(carried, 2)])
  assert.equal(encodeSaid([position], counts), token)
  const said = saidBy(decodeToken(token))
  assert.deepEqual(said.positions, [position])
  assert.deepEqual(new Set(said.counts), new Set(counts))
  assert.equal(decodeToken(encodeSaid([], counts)).every(isGrowth), true)
})

test('a client asks with what its tokens say, of each log the count that was said last', () => {
  const tokens = [encodeSaid([position], counts), encodeSaid([], [partitionCount(read, 4)])]
  const asked = parseAsked(tokens)
  assert.ok(asked.kind === 'positions')
  assert.deepEqual(
    [asked.positions, new Set(asked.counts)],
    [[position], new Set([partitionCount(read, 4), counts[1]])],
  )
  assert.deepEqual(parseAsked(['latest']), { kind: 'latest' })
})
