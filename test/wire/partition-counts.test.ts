import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeSaid, parseAsked, partitionCount, saidBy } from '../../src/wire/partition-counts.ts'
import { decodeToken, encodeToken, growthPosition, isGrowth, logOf } from '../../src/wire/token.ts'

const [read, carried] = [logOf('orders', 'one'), logOf('alarms', 'two')]
const position = { ...read, partition: 3, offset: 12, generation: 4 }
const counts = [partitionCount(read, 5, { isRead: true }), partitionCount(carried, 2)]

test("a token's partition counts are separated from its positions, and encode to the same token again", () => {
  const token = encodeToken([position, growthPosition(read, 5, 0), growthPosition(carried, 2)])
  assert.equal(encodeSaid([position], counts), token)
  const decoded = saidBy(decodeToken(token))
  assert.deepEqual(decoded.positions, [position])
  assert.deepEqual(new Set(decoded.counts), new Set(counts))
  assert.equal(decodeToken(encodeSaid([], counts)).every(isGrowth), true)
})

test('of several tokens, the last count of each log wins', () => {
  const tokens = [encodeSaid([position], counts), encodeSaid([], [partitionCount(read, 4)])]
  const asked = parseAsked(tokens)
  assert.ok(asked.kind === 'positions')
  assert.deepEqual(
    [asked.positions, new Set(asked.counts)],
    [[position], new Set([partitionCount(read, 4), counts[1]])],
  )
  assert.deepEqual(parseAsked(['latest']), { kind: 'latest' })
})
